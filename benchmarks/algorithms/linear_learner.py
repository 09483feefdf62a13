"""Linear Learner against scikit-learn: its loss on rows that it has not seen, and how fast it is trained."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets, linear_model, pipeline, preprocessing
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error
from sklearn.model_selection import train_test_split

from benchmarks.algorithms import Row
from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.linear_learner.model import Linear, load
from sagesmith.algorithms.linear_learner.train import train
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.serving import Rows

NAME = "linear_learner"
Table = tuple[Any, Any]


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
    """A million rows of 50 features: ours from the file to the model, the reference from an array."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((1_000_000, 50), dtype=np.float32)
    rows[:, 1] += rows[:, 0]
    raw = rows @ (0.3 * random.standard_normal(50)).astype(np.float32)
    numbers = (raw + random.standard_normal(len(raw))).astype(np.float32)
    classes = (raw + random.logistic(size=len(raw)) > 0).astype(np.float32)
    for kind, labels, reference in (
        ("regressor", numbers, linear_model.LinearRegression()),
        ("regressor", numbers, linear_model.Ridge(alpha=1e-3, solver="cholesky")),
        ("binary_classifier", classes, linear_model.LogisticRegression(solver="lbfgs")),
        ("binary_classifier", classes, linear_model.LogisticRegression(solver="newton-cholesky")),
    ):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            criterion = {} if kind == "regressor" else {"binary_classifier_model_selection_criteria": "loss_function"}
            _lay_out(root, {"predictor_type": kind} | criterion, {"train": (rows, labels)})
            begun = time.perf_counter()
            model = _trained(root)
            ours = time.perf_counter() - begun
        begun = time.perf_counter()
        reference.fit(rows, labels)
        theirs = time.perf_counter() - begun
        name = type(reference).__name__ + (f" {reference.solver}" if hasattr(reference, "solver") else "")
        yield Row(NAME, "1,000,000 x 50", f"{kind}: seconds", ours, theirs, name)
        measure = mean_squared_error if kind == "regressor" else log_loss
        scores = reference.predict(rows) if kind == "regressor" else reference.predict_proba(rows)[:, 1]
        found = model.scores(rows)[:, 0]
        yield Row(NAME, "1,000,000 x 50", f"{kind}: loss", measure(labels, found), measure(labels, scores), name)


def _compared(name: str, kind: str, references: Sequence[Any], loss: str = "auto") -> Iterator[Row]:
    """The mean of five splits."""
    features, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    features = features.astype(np.float32)
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(5):
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
                file.write(_records(rows[start : start + (1 << 16)], labels[start : start + (1 << 16)]))


def _records(rows: Any, labels: Any) -> bytes:
    """The records of many rows, which differ from the first in their numbers alone."""
    rows, labels = np.ascontiguousarray(rows, "<f4"), np.ascontiguousarray(labels, "<f4")
    # Numbers that stand nowhere else in a record, to find their places by.
    marks, mark = np.full_like(rows[0], 1.2345e-7), np.full_like(labels[:1], 7.6543e7)
    one = recordio.write([protobuf.write({"values": marks}, {"values": mark})])
    found = np.tile(np.frombuffer(one, np.uint8), (len(rows), 1))
    place, label = one.index(marks.tobytes()), one.index(mark.tobytes())
    found[:, place : place + rows[0].nbytes] = rows.view(np.uint8).reshape(len(rows), -1)
    found[:, label : label + 4] = labels[:, None].view(np.uint8)
    return found.tobytes()


def _trained(root: Path) -> Linear:
    with redirect_stdout(StringIO()) as log:
        job = Job.load(catalogue.algorithm(NAME), root)
        train(job)
    log.close()
    predictor = load(root / "model")
    assert isinstance(predictor, Rows)
    assert isinstance(predictor.model, Linear)
    return predictor.model
