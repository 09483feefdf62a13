"""Linear Learner against scikit-learn: its loss on rows that it has not seen, and how fast it is trained."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets, linear_model, pipeline, preprocessing
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error
from sklearn.model_selection import train_test_split

from benchmarks.algorithms import Row, _tables
from sagesmith.algorithms import catalogue
from sagesmith.algorithms.linear_learner.model import Linear, load
from sagesmith.algorithms.linear_learner.train import train
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.serving import Rows

NAME = "linear_learner"
Table = tuple[Any, Any]
_SPLITS = {"breast_cancer": 40}
"""Its log loss differs by half from split to split."""


def quality() -> Iterator[Row]:
    """On data sets that scikit-learn ships: 60 % to train, 20 % to validate, 20 % to measure.

    The reference has the same rows, and its penalty is chosen by the same validation rows.
    """
    logistic = [linear_model.LogisticRegression(C=10.0**power, max_iter=5000) for power in range(-3, 5)]
    ridge = [linear_model.Ridge(alpha=10.0**power) for power in range(-3, 4)]
    median = [linear_model.QuantileRegressor(quantile=0.5, alpha=alpha, solver="highs") for alpha in (0, 1e-3, 1e-2)]
    for name, kind, references in (
        ("breast_cancer", "binary_classifier", logistic),
        ("wine", "multiclass_classifier", logistic),
        ("digits", "multiclass_classifier", logistic),
        ("diabetes", "regressor", ridge),
    ):
        yield from _compared(name, kind, references)
    yield from _compared("diabetes", "regressor", median, loss="absolute_loss")


def speed() -> Iterator[Row]:
    """Seconds from the start of the program to the model's file, reading included, and the loss on the same rows."""
    for power in (4, 5, 6):
        for kind, label, references in _PROBLEMS:
            with _tables.table(10**power, _rows, label) as data:
                yield from _timed(data, f"10{'⁰¹²³⁴⁵⁶⁷'[power]} × {_tables.COLUMNS}, {kind}", kind, references)


def memory() -> Iterator[Row]:
    """Peak memory of ten times the rows."""
    for kind, label, _ in _PROBLEMS[:2]:
        peaks = []
        for rows in (10**6, 10**7):
            with _tables.table(rows, _rows, label) as data:
                peaks.append(data.ours(NAME, _given(kind)).peak_megabytes)
        yield Row(NAME, f"10⁷ × {_tables.COLUMNS}, {kind}", "peak memory, MB", peaks[1], peaks[0], "10⁶ rows")


def _rows(first: int, count: int) -> Any:
    rows = _tables.numbers(first, count)
    rows[:, 1] += rows[:, 0]
    return rows


def _raw(rows: Any, classes: int) -> Any:
    return rows @ (0.3 * np.random.default_rng(6).standard_normal((rows.shape[1], classes))).astype(np.float32)


def _numbers(rows: Any, first: int) -> Any:
    return _raw(rows, 1)[:, 0] + np.random.default_rng((7, first)).standard_normal(len(rows))


def _sides(rows: Any, first: int) -> Any:
    return _raw(rows, 1)[:, 0] + np.random.default_rng((8, first)).logistic(size=len(rows)) > 0


def _classes(rows: Any, first: int) -> Any:
    return (_raw(rows, 4) + np.random.default_rng((9, first)).gumbel(size=(len(rows), 4))).argmax(axis=1)


_LOGISTIC = ("LogisticRegression()", "LogisticRegression(solver='newton-cholesky')")
_PROBLEMS = (
    ("regressor", _numbers, ("Ridge(1e-3, solver='cholesky')", "LinearRegression()")),
    ("binary_classifier", _sides, _LOGISTIC),
    ("multiclass_classifier", _classes, _LOGISTIC[:1]),
)
_REFERENCE = """
import sys, numpy as np
from pathlib import Path
from sklearn.linear_model import %s
rows, labels = np.load(sys.argv[1]), np.load(Path(sys.argv[1]).with_name("labels.npy"))
model = %s.fit(rows, labels)
np.save(sys.argv[2], np.column_stack([np.atleast_2d(model.coef_), np.ravel(model.intercept_)]))
"""


def _given(kind: str) -> dict[str, object]:
    values: dict[str, object] = {"predictor_type": kind}
    if kind == "binary_classifier":
        values["binary_classifier_model_selection_criteria"] = "loss_function"
    if kind == "multiclass_classifier":
        values["num_classes"] = 4
    return values


def _timed(data: _tables.Table, name: str, kind: str, references: Sequence[str]) -> Iterator[Row]:
    rows, labels = data.rows(), np.asarray(data.labels())
    ours = data.ours(NAME, _given(kind))
    predictor = load(data.root / "model")
    assert isinstance(predictor, Rows)
    assert isinstance(predictor.model, Linear)
    loss = _mean_loss(kind, rows, labels, predictor.model.weights, predictor.model.intercepts)
    for reference in references:
        theirs, found = data.theirs(NAME, _REFERENCE % (reference.partition("(")[0], reference))
        other = _mean_loss(kind, rows, labels, found[:, :-1].T, found[:, -1])
        yield Row(NAME, name, "seconds", ours.seconds, theirs.seconds, reference)
        yield Row(NAME, name, "loss", loss, other, reference)
        yield Row(NAME, name, "peak memory, MB", ours.peak_megabytes, theirs.peak_megabytes, reference)


def _mean_loss(kind: str, rows: Any, labels: Any, weights: Any, intercepts: Any) -> float:
    total = 0.0
    for first in range(0, len(rows), 100_000):
        raw = rows[first : first + 100_000].astype(np.float64) @ weights + intercepts
        wanted = labels[first : first + 100_000]
        if kind == "regressor":
            total += float(((raw[:, 0] - wanted) ** 2).sum())
        elif kind == "binary_classifier":
            total += float((np.logaddexp(0, raw[:, 0]) - wanted * raw[:, 0]).sum())
        else:
            own = raw[np.arange(len(raw)), wanted.astype(np.intp)]
            total += float((np.log(np.exp(raw).sum(axis=1)) - own).sum())
    return total / len(rows)


def _compared(name: str, kind: str, references: Sequence[Any], loss: str = "auto") -> Iterator[Row]:
    """The mean of some splits, which are others than those that the automatic penalties were chosen by."""
    features, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    features = features.astype(np.float32)
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(100, 100 + _SPLITS.get(name, 10)):
        stratify = None if kind == "regressor" else labels
        known, others, wanted, true = train_test_split(
            features, labels, test_size=0.2, random_state=seed, stratify=stratify
        )
        rows, judged, mine, theirs = train_test_split(
            known, wanted, test_size=0.25, random_state=seed, stratify=None if stratify is None else wanted
        )
        values: dict[str, object] = {"predictor_type": kind, "loss": loss}
        if kind == "multiclass_classifier":
            values["num_classes"] = int(labels.max()) + 1
        if kind == "binary_classifier":
            values["binary_classifier_model_selection_criteria"] = "loss_function"
        with tempfile.TemporaryDirectory() as folder:
            _lay_out(Path(folder), values, {"train": (rows, mine), "validation": (judged, theirs)})
            scores = _trained(Path(folder)).scores(others)
        scaled = [pipeline.make_pipeline(preprocessing.StandardScaler(), each).fit(rows, mine) for each in references]
        reference = min(scaled, key=lambda each: _loss(kind, loss, each, judged, theirs))
        for metric, ours, other in _measured(kind, loss, scores, reference, others, true):
            found.setdefault(metric, []).append((ours, other))
    for metric, pairs in found.items():
        ours, other = np.mean(pairs, axis=0).tolist()
        yield Row(NAME, name, metric, ours, other, type(references[0]).__name__)


def _loss(kind: str, loss: str, model: Any, rows: Any, labels: Any) -> float:
    if kind != "regressor":
        return float(log_loss(labels, model.predict_proba(rows)))
    measure = mean_absolute_error if loss == "absolute_loss" else mean_squared_error
    return float(measure(labels, model.predict(rows)))


def _measured(
    kind: str, loss: str, scores: Any, reference: Any, rows: Any, true: Any
) -> Iterator[tuple[str, float, float]]:
    if kind == "regressor":
        measure = mean_absolute_error if loss == "absolute_loss" else mean_squared_error
        yield measure.__name__, measure(true, scores[:, 0]), measure(true, reference.predict(rows))
        return
    shares = np.column_stack([1 - scores, scores]) if kind == "binary_classifier" else scores
    yield "accuracy", accuracy_score(true, shares.argmax(axis=1)), reference.score(rows, true)
    yield "log loss", log_loss(true, shares), log_loss(true, reference.predict_proba(rows))


def _lay_out(root: Path, values: Mapping[str, object], tables: Mapping[str, Table]) -> None:
    """A job's /opt/ml with channels of RecordIO-protobuf."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (root / "model").mkdir()
    (root / "output" / "data").mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps({name: str(value) for name, value in values.items()}))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    entry = {"ContentType": "application/x-recordio-protobuf", "TrainingInputMode": "File"}
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(tables, entry)))
    for channel, (rows, labels) in tables.items():
        folder = root / "input" / "data" / channel
        folder.mkdir(parents=True)
        with (folder / "rows.pbr").open("wb") as file:
            for start in range(0, len(rows), 1 << 16):
                file.write(_tables.records(rows[start : start + (1 << 16)], labels[start : start + (1 << 16)]))


def _trained(root: Path) -> Linear:
    with redirect_stdout(StringIO()) as log:
        job = Job.load(catalogue.algorithm(NAME), root)
        train(job)
    log.close()
    predictor = load(root / "model")
    assert isinstance(predictor, Rows)
    assert isinstance(predictor.model, Linear)
    return predictor.model
