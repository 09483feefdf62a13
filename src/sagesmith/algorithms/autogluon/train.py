"""Training AutoGluon-Tabular."""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from autogluon.core.callbacks import AbstractCallback
from autogluon.tabular import TabularPredictor

from sagesmith.algorithms.autogluon import data
from sagesmith.algorithms.autogluon.declaration import METRICS
from sagesmith.algorithms.autogluon.model import FOLDER, quiet
from sagesmith.algorithms.errors import AlgorithmError, CustomerError, Unreadable
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.tabular.data import regression
from sagesmith.algorithms.tabular.model import write_meta

_LEARNERS = ["GBM", "CAT", "XGB", "RF", "XT"]
_STANDARD = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "root_mean_squared_error"}
_WORTH_ALL_CORES = 100_000
"""Cells. With fewer, each of the thousands of small trees has more to wait than to do."""
_ASKED = ("auto_stack", "num_bag_folds", "num_stack_levels", "refit_full", "set_best_to_refit_full", "save_space")


class _Stop(AbstractCallback):  # type: ignore[misc]
    """Begins no further model once the job is asked to stop."""

    def __init__(self, stopping: threading.Event | None = None) -> None:
        super().__init__()
        self.stopping = stopping

    def __reduce__(self) -> tuple[Any, ...]:
        # AutoGluon keeps it with what it saves between models, where it has nothing to wait for.
        return _Stop, ()

    def _before_model_fit(self, **_given: Any) -> tuple[bool, bool]:
        return self.stopping is not None and self.stopping.is_set(), False


def train(job: Job) -> None:
    """Train, and save the predictor.

    Raises:
        CustomerError: the data are wrong, or do not go with the hyperparameters.
    """
    rows, places, held = _tables(job)
    problem, classes = _problem(rows, places, held)
    kinds = _typed(rows, held)
    metric = _metric(job.values["eval_metric"], problem)
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    quiet()
    predictor = TabularPredictor(
        label=data.TARGET,
        problem_type=problem,
        eval_metric=metric,
        path=str(job.model / FOLDER),
        verbosity=job.values["verbosity"],
    )
    memory = _memory()
    job.log.say(f"{len(rows)} rows of {len(kinds)} features: {problem}, by {metric}, in {memory:.3g} GiB of memory")
    # What is not asked for is the preset's to say.
    asked = {name: job.values[name] for name in _ASKED if job.values[name]}
    if job.values["time_limit"]:
        asked["time_limit"] = job.values["time_limit"]
    if asked.get("num_bag_folds"):
        asked["num_bag_sets"] = job.values["num_bag_sets"]
    try:
        predictor.fit(
            rows,
            tuning_data=held,
            use_bag_holdout=held is not None,
            presets=job.values["presets"],
            included_model_types=_LEARNERS,
            dynamic_stacking=False,
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
            callbacks=[_Stop(job.stopping)],
            num_gpus=0,
            memory_limit=memory,
            num_cpus=1 if rows.size < _WORTH_ALL_CORES else "auto",
            **asked,
        )
        # A model that was trained again on all data has no score of its own.
        board = predictor.leaderboard(silent=True, set_refit_score_to_parent=True)
        score = board.set_index("model").loc[predictor.model_best, "score_val"]
    except (RuntimeError, AssertionError, KeyError) as error:
        why = "was asked to stop before it had a model" if job.stopping.is_set() else f"has no model: {error}"
        raise AlgorithmError(f"AutoGluon {why}") from error
    except ValueError as error:
        raise CustomerError(f"AutoGluon does not take the data or the hyperparameters: {error}") from error
    if job.stopping.is_set():
        job.log.say("The job was asked to stop: the model has what was trained so far.")
    job.log.say(f"Best model: {predictor.model_best}, validation score={float(score):.6g} ({metric})")
    write_meta(job.model, job.algorithm.name, {"kinds": kinds, "classes": classes})


def _memory() -> float:
    """The GiB that the instance has: AutoGluon begins no model that it does not expect to fit."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(int(os.environ.get("SAGESMITH_JOB_MEMORY_BYTES", there)), there) / 2**30


def _tables(job: Job) -> tuple[Any, list[str], Any]:
    """The rows to learn from and their places, and those to validate with, None if there are none."""
    named = [name for name in ("train", "training") if name in job.sources]
    if len(named) != 1:
        raise CustomerError("Exactly one of the channels 'training' and 'train' is needed.")
    folder = job.sources[named[0]].folder
    below, apart = folder / "train", folder / "validation"
    if "validation" in job.sources:
        apart = job.sources["validation"].folder
    rows, places = data.read(below if below.is_dir() else folder, named[0])
    if not apart.is_dir():
        return rows, places, None
    held, _ = data.read(apart, "validation")
    if len(held.columns) != len(rows.columns):
        raise CustomerError(
            f"The validation data have {len(held.columns)} columns, and the training data {len(rows.columns)}."
        )
    return rows, places, held


def _problem(rows: Any, places: Sequence[str], held: Any) -> tuple[str, list[Any] | None]:
    """What kind of problem it is, and its classes; the targets become numbers where they are."""
    empty = rows[data.TARGET].isna().to_numpy()
    if empty.any():
        raise Unreadable(f"{places[int(empty.argmax())]}, column 1", "The target is missing")
    if held is not None and held[data.TARGET].isna().any():
        raise CustomerError("A row of the validation data has no target, in its first column.")
    tables = [rows] if held is None else [rows, held]
    found = [data.numbers(each[data.TARGET]) for each in tables]
    if all(each is not None for each in found):
        for each, values in zip(tables, found, strict=True):
            each[data.TARGET] = values
    elif regression():
        row = data.strange(rows[data.TARGET])
        place = "the validation data" if row is None else places[row]
        raise Unreadable(f"{place}, column 1", "The target is not a number")
    if regression():
        return "regression", None
    classes = sorted(np.unique(rows[data.TARGET].to_numpy()).tolist())
    if len(classes) < 2:
        raise CustomerError(
            f"The target, the first column, has one value alone ({classes[0]}): a classification needs two or more."
        )
    if held is not None and (strange := set(held[data.TARGET]) - set(classes)):
        raise CustomerError(f"The validation data have the target {min(strange)}, which the training data have not.")
    return ("binary" if len(classes) == 2 else "multiclass"), classes


def _typed(rows: Any, held: Any) -> dict[str, str]:
    """Make columns numbers that have nothing else; of each feature, whether it is one."""
    kinds = {}
    tables = [rows] if held is None else [rows, held]
    for name in rows.columns[1:]:
        found = [data.numbers(each[name]) for each in tables]
        kinds[name] = "text" if any(each is None for each in found) else "number"
        if kinds[name] == "number":
            for each, values in zip(tables, found, strict=True):
                each[name] = values
    return kinds


def _metric(name: str, problem: str) -> str:
    if name == "auto":
        return _STANDARD[problem]
    if name not in METRICS[problem]:
        others = ", ".join(METRICS[problem])
        raise CustomerError(f"eval_metric is {name}, which does not measure a {problem} problem; there are {others}.")
    return name
