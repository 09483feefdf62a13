"""Cross validation: a model a part, each of another training data.

Source: github.com/aws/sagemaker-xgboost-container, algorithm_mode/train.py and prediction_utils.py
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data.assemble import joined
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.xgboost import metrics, rounds, tables
from sagesmith.algorithms.xgboost.model import FILE, save

PREDICTIONS = "predictions.csv"
Boost = Callable[[Job, Any, Any, bool, Path | None], tuple[Any, Mapping[str, Mapping[str, list[float]]]]]


def cross_validate(job: Job, data: Mapping[str, Any], boost: Boost) -> None:
    """Train a model for each part of the data, validation data included, and save all of them.

    What each row's models answered that have not seen it is in `predictions.csv` of the output: the label, the answer
    (of classes the probability, and the class).

    Raises:
        CustomerError: there are fewer rows than parts.
    """
    if not all(isinstance(each, Batch) for each in data.values()):
        raise CustomerError("_kfold: data with groups (qid) cannot be divided.")
    rows = joined(list(data.values()))
    parts, repeats = job.values["_kfold"], job.values["_num_cv_round"]
    if len(rows) < parts:
        raise CustomerError(f"_kfold is {parts}, but there are only {len(rows)} rows.")
    classified = job.values["num_class"] is not None or job.values["objective"].startswith("binary:")
    job.log.say(f"Run {repeats}-round of {parts}-fold cross validation with {len(rows)} rows")
    whole = tables.matrix(rows, job.values["nthread"])
    seen = _Seen(rows.labels, repeats, classified, job.values["objective"])
    results: list[Mapping[str, Mapping[str, list[float]]]] = []
    for fold, (learned, left_out) in enumerate(_divisions(rows.labels, parts, repeats, classified, job.values["seed"])):
        job.log.say(f"Train cross validation fold {fold % parts + 1}")
        checkpoints = job.checkpoints / f"model-{fold}" if job.checkpoints.is_dir() else None
        tested = whole.slice(left_out)
        model, measured = boost(job, whole.slice(learned), tested, True, checkpoints)
        save(model, job.model / f"{FILE}-{fold}")
        results.append(measured)
        seen.record(left_out, model.predict(tested))
        if job.stopping.is_set():
            return
        if len(results) % parts == 0:
            job.log.say(f"The metrics of round {len(results) // parts} cross validation")
            _say(job, results[-parts:])
    seen.save(job.output / PREDICTIONS)
    if repeats > 1:
        job.log.say(f"The overall metrics of {repeats}-round cross validation")
        _say(job, results)


def _divisions(labels: Any, parts: int, repeats: int, classified: bool, seed: int) -> Iterator[tuple[Any, Any]]:
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    kind = RepeatedStratifiedKFold if classified else RepeatedKFold
    divided = kind(n_splits=parts, n_repeats=repeats, random_state=seed & 0xFFFFFFFF)
    return iter(divided.split(np.zeros(len(labels)), labels if classified else None))


def _say(job: Job, results: list[Mapping[str, Mapping[str, list[float]]]]) -> None:
    values = {
        f"{data}-{name}": float(np.mean([each[data][name][-1] for each in results]))
        for name in results[0].get("train", {})
        for data in ("train", "validation")
    }
    rounds.tell(job, job.values["num_round"], values)


class _Seen:
    """What models answered of rows that they had not seen, over all repetitions."""

    def __init__(self, labels: Any, repeats: int, classified: bool, objective: str) -> None:
        self._labels, self._classified, self._objective = labels, classified, objective
        self._answers = np.zeros((len(labels), repeats))
        self._classes = np.zeros((len(labels), repeats), np.int64)
        self._times = np.zeros(len(labels), np.int64)

    def record(self, rows: Any, answers: Any) -> None:
        times = self._times[rows]
        if self._classified:
            self._classes[rows, times] = metrics.classes(answers, self._objective)
        self._answers[rows, times] = answers.max(axis=1) if answers.ndim > 1 else answers
        self._times[rows] += 1

    def save(self, path: Path) -> None:
        columns = [self._labels, self._answers.mean(axis=1)]
        if self._classified:
            columns.append([np.bincount(each).argmax() for each in self._classes])
        np.savetxt(path, np.column_stack(columns), delimiter=",", fmt="%f")
