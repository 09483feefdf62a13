"""Training LightGBM."""

from collections.abc import Callable
from typing import Any

import lightgbm

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.lightgbm.model import FILE
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.tabular import data
from sagesmith.algorithms.tabular.model import plain, write_meta

_NOT_LIGHTGBMS = ("num_boost_round", "early_stopping_rounds", "metric", "use_dask", "tree_learner", "scale_pos_weight")
_METRICS = {None: "rmse", 2: "binary_logloss"}


def train(job: Job) -> None:
    """Train, and save the model.

    Raises:
        CustomerError: the data are wrong, or do not go with the hyperparameters.
    """
    if job.values["use_dask"]:
        raise CustomerError("use_dask: one instance trains. Leave it out, and set InstanceCount to 1.")
    table = data.read(job)
    told = _told(job, None if table.classes is None else len(table.classes))
    shared = {"categorical_feature": list(table.categories), "params": told}
    train_data = lightgbm.Dataset(table.train.features, table.train.labels, **shared)
    validation = train_data.create_valid(table.validation.features, table.validation.labels)
    job.log.say(f"{len(table.train)} rows of {table.train.columns} features, {len(table.validation)} to validate with")
    callbacks: list[Callable[..., Any]] = [_progress(job)]
    rounds = job.values["early_stopping_rounds"]
    if rounds > 0 and told["boosting"] != "dart":
        callbacks.append(lightgbm.early_stopping(rounds, first_metric_only=True, verbose=False))
    try:
        model = lightgbm.train(
            told,
            train_data,
            num_boost_round=job.values["num_boost_round"],
            valid_sets=[validation],
            valid_names=["validation"],
            callbacks=callbacks,
        )
    except lightgbm.basic.LightGBMError as error:
        raise CustomerError(f"LightGBM does not take the data or the hyperparameters: {error}") from error
    job.log.say(f"The model has {model.best_iteration or model.current_iteration()} rounds.")
    model.save_model(job.model / FILE, num_iteration=model.best_iteration or None)
    write_meta(job.model, job.algorithm.name, table.meta())


def _told(job: Job, classes: int | None) -> dict[str, Any]:
    told = {each.name: job.values[each.name] for each in job.algorithm.schema.parameters}
    told = {name: value for name, value in told.items() if name not in _NOT_LIGHTGBMS}
    metric = job.values["metric"]
    told["metric"] = _METRICS.get(classes, "multi_logloss") if metric == "auto" else metric
    told["seed"] = 0
    told["deterministic"] = True
    # Otherwise LightGBM tries both at each start and may choose another one next time.
    told["force_col_wise"] = True
    if classes is None:
        return told | {"objective": "regression"}
    if classes == 2:
        weight = job.values["scale_pos_weight"]
        if told["is_unbalance"] and weight != 1:
            raise CustomerError("is_unbalance and scale_pos_weight cannot be set at the same time.")
        return told | {"objective": "binary"} | ({} if weight == 1 else {"scale_pos_weight": weight})
    return told | {"objective": "multiclass", "num_class": classes}


def _progress(job: Job) -> Callable[[Any], None]:
    def after(env: Any) -> None:
        found = "\t".join(
            f"{name}'s {metric}: {plain(value)}" for name, metric, value, *_ in env.evaluation_result_list
        )
        job.log.stream.write(f"[{env.iteration + 1}]\t{found}\n")
        job.log.stream.flush()
        if job.stopping.is_set():
            job.log.say("The job was asked to stop: the model has the rounds so far.")
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    return after
