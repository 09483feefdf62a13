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
_JUDGE = "validation"
_METRIC = "early_stopping_metric"
"""The attribute of a model that says of what metric its best score is."""
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


class EarlyStopping(xgboost.callback.EarlyStopping):  # type: ignore[misc]
    """Ends training when a metric of the validation data has not improved for some rounds.

    Those before a checkpoint count: the model has its best round and score with it, as XGBoost notes them.

    Args:
        done: rounds of an earlier job that this one goes on from.
    """

    stopping_history: Any
    best_scores: Any

    def __init__(self, rounds: int, metric: str | None, *, done: int, save_best: bool) -> None:
        super().__init__(
            rounds=rounds,
            metric_name=metric,
            data_name=_JUDGE,
            maximize=None if metric is None else maximized(metric),
            save_best=save_best,
        )
        self._done = done

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        metric = self.metric_name or list(evals_log[_JUDGE])[-1]
        score, best = model.attr("best_score"), model.attr("best_iteration")
        if not self.stopping_history and self._done and score and best and model.attr(_METRIC) == metric:
            self.stopping_history = {_JUDGE: {metric: [float(score)]}}
            self.best_scores = {_JUDGE: {metric: [float(score)]}}
            self.current_rounds = max(0, self._done - 1 - int(best))
        model.set_attr(**{_METRIC: metric})
        return bool(super().after_iteration(model, epoch, evals_log))


def found(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a folder, each with the number of its round, the last one last."""
    if not folder.is_dir():
        return []
    names = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(name[1]), path) for name, path in names if name)


def early_stopping(job: Job, metrics: Sequence[str], measured: bool, done: int = 0) -> list[Any]:
    """The callback that ends training early, if the job wants that and has validation data.

    Args:
        done: rounds of an earlier job that this one goes on from.
    """
    rounds = job.values["early_stopping_rounds"]
    if not rounds:
        return []
    if not measured:
        job.log.warn("early_stopping_rounds has no effect without a validation channel.")
        return []
    # A linear model has no rounds to go back by.
    save_best = job.values["booster"] != "gblinear"
    return [EarlyStopping(rounds, metrics[-1] if metrics else None, done=done, save_best=save_best)]


def _last(values: Sequence[Any]) -> float:
    value = values[-1]
    return float(value[0] if isinstance(value, tuple) else value)
