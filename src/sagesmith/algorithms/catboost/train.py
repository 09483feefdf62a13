"""Training CatBoost."""

from typing import Any

import catboost

from sagesmith.algorithms.catboost.model import FILE
from sagesmith.algorithms.catboost.tables import pool
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.tabular import data
from sagesmith.algorithms.tabular.model import plain, write_meta

_OF_POLICIES = {"max_leaves": ("Lossguide",), "min_data_in_leaf": ("Lossguide", "Depthwise")}


def train(job: Job) -> None:
    """Train, and save the model.

    Raises:
        CustomerError: the data are wrong, or do not go with the hyperparameters.
    """
    table = data.read(job)
    told = _told(job, None if table.classes is None else len(table.classes))
    job.log.say(f"{len(table.train)} rows of {table.train.columns} features, {len(table.validation)} to validate with")
    train_data = pool(table.train.features, table.categories, table.train.labels)
    validation = pool(table.validation.features, table.categories, table.validation.labels)
    rounds = job.values["early_stopping_rounds"]
    try:
        model = catboost.CatBoost(told)
        model.fit(
            train_data,
            eval_set=validation,
            early_stopping_rounds=rounds if rounds > 0 else None,
            verbose=job.values["verbose"] or False,
            callbacks=[_Stop(job)],
            log_cout=job.log.stream,
        )
    except catboost.CatBoostError as error:
        raise CustomerError(f"CatBoost does not take the data or the hyperparameters: {error}") from error
    best = model.get_best_score().get("validation", {}).get(told["eval_metric"])
    if best is not None and not job.values["verbose"]:
        job.log.stream.write(f"bestTest = {plain(best)}\n")
    model.save_model(str(job.model / FILE))
    write_meta(job.model, job.algorithm.name, table.meta())


class _Stop:
    """Ends training where the job is asked to stop."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def after_iteration(self, _info: Any) -> bool:
        """Whether to go on."""
        if self._job.stopping.is_set():
            self._job.log.say("The job was asked to stop: the model has the trees so far.")
            return False
        return True


def _told(job: Job, classes: int | None) -> dict[str, Any]:
    told = {each.name: job.values[each.name] for each in job.algorithm.schema.parameters}
    for name in ("early_stopping_rounds", "verbose"):
        del told[name]
    for name in ("boosting_type", "max_bin"):
        if told[name] == "Auto":
            del told[name]
    for name, policies in _OF_POLICIES.items():
        if told["grow_policy"] not in policies:
            del told[name]
    if told["sampling_frequency"] == "PerTreeLevel" and told["grow_policy"] == "Lossguide":
        told["sampling_frequency"] = "PerTree"
    weight = told.pop("scale_pos_weight")
    loss, metric = {None: ("RMSE", "RMSE"), 2: ("Logloss", "AUC")}.get(classes, ("MultiClass", "MultiClass"))
    if told["eval_metric"] == "auto":
        told["eval_metric"] = metric
    if classes == 2 and weight != 1:
        told["scale_pos_weight"] = weight
    # A feature that says nothing is no fault.
    return told | {"loss_function": loss, "allow_writing_files": False, "allow_const_label": True}
