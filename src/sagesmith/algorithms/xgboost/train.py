"""Training XGBoost."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xgboost

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import AlgorithmError, CustomerError, NoData
from sagesmith.algorithms.run.hosts import Hosts, connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.xgboost import metrics, rounds, tables
from sagesmith.algorithms.xgboost.collective import together
from sagesmith.algorithms.xgboost.folds import cross_validate
from sagesmith.algorithms.xgboost.model import FILE, restored, save

Begun = tuple[Any, int]
"""A model to go on from, None for none, and how many rounds it has behind it."""
_NOTHING: Begun = (None, 0)
_NOUNS = {"train": "training", "validation": "validation"}
_NOT_XGBOOSTS = (
    *("num_round", "csv_weights", "early_stopping_rounds", "save_model_on_termination", "use_dask_gpu_training"),
    *("eval_metric", "silent", "predictor", "prob_buffer_row", "dsplit", "_kfold", "_num_cv_round"),
    *("single_precision_histogram", "deterministic_histogram", "sketch_eps"),
)
# What XGBoost says of data and hyperparameters that do not go together; the container's list has these among others.
_CUSTOMERS = (
    *("label must be", "labels must be", "label_correct", "Target is multiclass", "feature_names mismatch"),
    *("preds.size() == info.labels", "only contains pos or neg samples", "base_score must be", "base_score > 0"),
    *("should be greater equal to", "must be nonnegative", "Invalid Parameter", "Unknown objective function"),
    *("Check failed: label", "num_class", "monotone", "Unknown metric", "labels is not", "contains NaN, infinity"),
    *("Parameter", "feature_weights", "must be smaller than the number of features", "valid range"),
)


def train(job: Job) -> None:
    """Train, and save the model on one instance.

    Raises:
        CustomerError: the data are wrong, or do not go with the hyperparameters.
        AlgorithmError: XGBoost failed otherwise.
    """
    rows = {name: job.sources[name] for name in ("train", "validation") if name in job.sources}
    missing = [name for name, source in rows.items() if not tables.has_data(source)]
    if len(job.hosts) == 1:
        for name in missing:
            raise CustomerError(f"No data in {_NOUNS[name]} channel path {rows[name].folder}")
        checkpoints = None if job.values["_kfold"] else _checkpoints(job)
        _train(job, _read(job), leads=True, begun=_resumed(job, checkpoints))
        return
    if job.values["_kfold"]:
        raise CustomerError("_kfold: cross validation runs on one instance. Set InstanceCount to 1.")
    with connected(job) as hosts:
        # An instance that finds its data wrong ends the job before the others wait for it.
        data = None if missing else _some(job)
        if data is None:
            job.log.warn(
                f"Host {job.host} does not have data in each channel and will not be used in distributed training. "
                "Please divide the data across instances properly."
            )
        answers = hosts.gather(b"0" if data is None else b"1")
        trainers = [name for name, answer in zip(job.hosts, answers, strict=True) if answer == b"1"]
        if not trainers:
            raise CustomerError("No host has received training data.")
        job.log.say(f"Distributed node training with {len(trainers)} hosts: {trainers}")
        leads = job.host == trainers[0]
        begun = _resumed(job, _checkpoints(job)) if leads else _NOTHING
        begun = _shared(hosts, begun, job.hosts.index(trainers[0]))
        with together(trainers, job.host, job.hosts[0], hosts):
            if data is not None:
                _train(job, data, leads=leads, begun=begun)


def parameters(job: Job) -> dict[str, Any]:
    """What XGBoost is told: those hyperparameters that the job has, so that its version's own defaults hold."""
    schema = job.algorithm.schema
    given = {each.name for each in schema.parameters if any(n in job.given for n in (each.name, *each.aliases))}
    told = {name: job.values[name] for name in sorted(given) if name not in _NOT_XGBOOSTS}
    if told.get("objective") == "reg:linear":
        told["objective"] = "reg:squarederror"
    if told.get("tree_method") == "gpu_hist":
        job.log.warn("tree_method gpu_hist: there is no GPU, hist runs instead.")
        told["tree_method"] = "hist"
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in told:
            told[name] = str(told[name])
    if job.values["silent"]:
        told["verbosity"] = 0
    return told


def watched(job: Job) -> list[str]:
    """The metrics to measure, that of a tuning job's objective last."""
    names = list(job.values["eval_metric"] or ())
    objective = job.objective
    if objective is not None:
        name = objective.partition(":")[2]
        names = [each for each in names if each != name] + [name]
    return names


def boost(
    job: Job, train_data: Any, validation_data: Any, leads: bool, checkpoints: Path | None, begun: Begun | None = None
) -> tuple[Any, Mapping[str, Mapping[str, list[float]]]]:
    """One model, and what was measured after each round.

    Args:
        leads: this instance writes the log and the checkpoints.
        checkpoints: where they are, None for nowhere.
        begun: what to go on from; None: the last checkpoint.
    """
    names = watched(job)
    told = parameters(job)
    own = metrics.own(names)
    if builtin := [name for name in names if name not in own]:
        told["eval_metric"] = builtin
    elif own:
        told["disable_default_eval_metric"] = 1
    model, done = _resumed(job, checkpoints) if begun is None else begun
    evaluated = [(train_data, "train")]
    if validation_data is not None:
        evaluated.append((validation_data, "validation"))
    callbacks: list[Any] = [rounds.Progress(job, leads, done), rounds.Stop(job)]
    callbacks += rounds.early_stopping(job, names, validation_data is not None, done)
    if checkpoints is not None and leads:
        checkpoints.mkdir(parents=True, exist_ok=True)
        # Behind early stopping, whose best round the checkpoint has with it.
        callbacks.append(rounds.Checkpoints(checkpoints, done))
    measured: dict[str, Any] = {}
    try:
        model = xgboost.train(
            told,
            train_data,
            num_boost_round=max(0, job.values["num_round"] - done),
            evals=evaluated,
            evals_result=measured,
            callbacks=callbacks,
            xgb_model=model,
            verbose_eval=False,
            **metrics.arguments(names, job.values["objective"]),
        )
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise _explained(error) from error
    return model, measured


def _read(job: Job) -> dict[str, Any]:
    weighted = job.values["csv_weights"] == 1
    ranking = job.values["objective"].startswith("rank:")
    data: dict[str, Any] = {}
    for name in ("train", "validation"):
        if name in job.sources:
            data[name] = tables.ranked(job.sources[name]) if ranking else None
            if data[name] is None:
                data[name] = tables.read(job.sources[name], weighted=weighted)
                tables.check_labels(data[name].labels, job.values["objective"], job.values["num_class"], name)
    return data


def _some(job: Job) -> dict[str, Any] | None:
    """The rows of this instance, None if a channel has none for it."""
    try:
        return _read(job)
    except NoData:
        return None


def _train(job: Job, data: dict[str, Any], *, leads: bool, begun: Begun) -> None:
    if job.values["_kfold"]:
        cross_validate(job, data, boost)
        return
    threads = job.values["nthread"]
    matrices = {}
    for name in list(data):
        rows = data.pop(name)
        matrices[name] = tables.matrix(rows, threads) if isinstance(rows, Batch) else rows
    del rows
    job.log.say(f"Train matrix has {matrices['train'].num_row()} rows and {matrices['train'].num_col()} columns")
    if "validation" in matrices:
        job.log.say(f"Validation matrix has {matrices['validation'].num_row()} rows")
    model, _ = boost(job, matrices["train"], matrices.get("validation"), leads, _checkpoints(job), begun)
    if leads:
        save(model, job.model / FILE)


def _checkpoints(job: Job) -> Path | None:
    return job.checkpoints if job.checkpoints.is_dir() else None


def _shared(hosts: Hosts, mine: Begun, leader: int) -> Begun:
    """What one instance goes on from, to all: what the others have may be of another round.

    Args:
        leader: the place of that instance.
    """
    model, done = mine
    data = hosts.gather(b"" if model is None else b"%d %s" % (done, model.save_raw()))[leader]
    if hosts.rank == leader or not data:
        return mine
    number, _, raw = data.partition(b" ")
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        return restored(Path(file.name)), int(number)


def _resumed(job: Job, folder: Path | None) -> Begun:
    """The last whole checkpoint."""
    for number, path in reversed(rounds.found(folder) if folder is not None else []):
        try:
            begun = restored(path)
        except xgboost.core.XGBoostError:
            job.log.warn(f"Wrong checkpoint model format {path.name}")
            continue
        job.log.say(f"Checkpoint loaded from {path}")
        job.log.say(f"Resuming from iteration {number + 1}")
        return begun, number + 1
    return _NOTHING


def _explained(error: Exception) -> CustomerError | AlgorithmError:
    text = str(error).partition("Stack trace:")[0]
    text = re.sub(r"^\[[0-9:]+\] \S+:\d+: ", "", text, flags=re.MULTILINE).strip()
    if any(words in text for words in _CUSTOMERS):
        return CustomerError(text)
    return AlgorithmError(f"XGB train call failed with exception:\n {text}")
