"""What happens after each round of boosting: its metrics in the log, a checkpoint, a stop."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xgboost

from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.xgboost.collective import any_of
from sagesmith.algorithms.xgboost.metrics import maximized
from sagesmith.algorithms.xgboost.model import save

CHECKPOINT = "xgboost-checkpoint"
_NAME = re.compile(rf"{CHECKPOINT}\.(\d+)")
_KEPT = 5
_SHARE = 10
"""A checkpoint is made where making the last one took less than one of so many parts of the time since."""


def tell(job: Job, number: int, values: Mapping[str, float]) -> None:
    """A round's metrics in the log, in the form of AWS's logs: a tab is #011 there."""
    job.log.stream.write(f"[{number}]" + "".join(f"#011{name}:{value:.5f}" for name, value in values.items()) + "\n")
    job.log.stream.flush()


class Progress(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Prints the metrics of each round.

    Args:
        speaks: this instance writes the lines.
        done: rounds of an earlier job that this one goes on from.
    """

    def __init__(self, job: Job, speaks: bool, done: int) -> None:
        super().__init__()
        self._job, self._speaks, self._done = job, speaks, done

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        if self._speaks:
            values = {
                f"{data}-{name}": _last(found) for data, each in evals_log.items() for name, found in each.items()
            }
            tell(self._job, epoch + self._done, values)
        return False


class Checkpoints(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Keeps the last models of a job that has a place for them.

    Args:
        done: rounds of an earlier job that this one goes on from.
    """

    def __init__(self, folder: Path, done: int) -> None:
        super().__init__()
        self._folder, self._done = folder, done
        self._made_at, self._took = 0.0, 0.0

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        begun = time.monotonic()
        if begun - self._made_at >= _SHARE * self._took:
            path = self._folder / f"{CHECKPOINT}.{epoch + self._done}"
            save(model, path)
            for _, former in found(self._folder)[:-_KEPT]:
                former.unlink(missing_ok=True)
            self._made_at = time.monotonic()
            self._took = self._made_at - begun
        return False


class Stop(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Ends training on all instances after the round in which one of them was asked to stop."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        if not any_of(self._job.stopping.is_set()):
            return False
        self._job.log.say("The job was asked to stop: the model has the rounds so far.")
        return True


def found(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a folder, each with the number of its round, the last one last."""
    if not folder.is_dir():
        return []
    names = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(name[1]), path) for name, path in names if name)


def early_stopping(job: Job, metrics: Sequence[str], measured: bool) -> list[Any]:
    """The callback that ends training early, if the job wants that and has validation data."""
    rounds = job.values["early_stopping_rounds"]
    if not rounds:
        return []
    if not measured:
        job.log.warn("early_stopping_rounds has no effect without a validation channel.")
        return []
    name = metrics[-1] if metrics else None
    return [
        xgboost.callback.EarlyStopping(
            rounds=rounds,
            metric_name=name,
            data_name="validation",
            maximize=None if name is None else maximized(name),
            # A linear model has no rounds to go back by.
            save_best=job.values["booster"] != "gblinear",
        )
    ]


def _last(values: Sequence[Any]) -> float:
    value = values[-1]
    return float(value[0] if isinstance(value, tuple) else value)
