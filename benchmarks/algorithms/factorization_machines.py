"""Factorization Machines against linear models of all pairs of columns, and factors that are found in closed form."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from benchmarks.algorithms import Row
from benchmarks.algorithms._tables import COLUMNS, numbers, table
from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.declaration import RECORDIO
from sagesmith.algorithms.factorization_machines.model import Machine, load
from sagesmith.algorithms.factorization_machines.train import train
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.serving import Rows

_PEOPLE, _FILMS, _RANK = 200, 120, 4
_GIVEN = {"num_factors": 8, "epochs": 100, "mini_batch_size": 50, "factors_wd": 0.001, "linear_wd": 0.001}
# Others than the divisions 0 to 4 and the tables of ratings 0 and 100, by which settings were chosen.
_DIVISIONS, _RATINGS = range(200, 220), range(200, 205)


def quality() -> Iterator[Row]:
    """Mean errors on a fifth of the rows, held out, of several divisions."""
    yield from _classes()
    yield from _numbers()
    yield from _ratings()


def memory() -> Iterator[Row]:
    """Peak memory of ten times the rows."""
    given = {"feature_dim": COLUMNS, "predictor_type": "regressor", "num_factors": 8, "mini_batch_size": 5000}
    peaks = []
    for rows in (10**6, 10**7):
        with table(rows, numbers, lambda part, _first: part[:, 0] * part[:, 1]) as data:
            peaks.append(data.ours("factorization_machines", {**given, "epochs": 1}).peak_megabytes)
    yield Row("factorization_machines", "10⁷ × 50", "peak memory, MB", peaks[1], peaks[0], "10⁶ × 50")


def _classes() -> Iterator[Row]:
    rows, labels = load_breast_cancer(return_X_y=True)
    pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    model = make_pipeline(pairs, StandardScaler(), LogisticRegressionCV(Cs=10, cv=5, max_iter=2000))
    for known, wanted, others, true in _divided(rows, labels, (0,)):
        found = _answers((known, wanted), others, {**_GIVEN, "predictor_type": "binary_classifier"})
        theirs = model.fit(known, wanted).predict_proba(others)[:, 1]
        for metric, measure in (("log loss", _log_loss), ("error rate", _error_rate)):
            values = [measure(each, true) for each in (found, theirs)]
            yield Row("factorization_machines", "breast_cancer", metric, *values, "LogisticRegressionCV of all pairs")


def _numbers() -> Iterator[Row]:
    rows, labels = load_diabetes(return_X_y=True)
    given = {**_GIVEN, "predictor_type": "regressor", "factors_wd": 0.03, "linear_wd": 0.03}
    pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    model = make_pipeline(pairs, StandardScaler(), RidgeCV(np.logspace(-2, 4, 20)))
    errors = []
    for known, wanted, others, true in _divided(rows, labels, _DIVISIONS):
        scale, centre = wanted.std(), wanted.mean()
        scaled = (wanted - centre) / scale
        found = _answers((known, scaled), others, given) * scale + centre
        theirs = model.fit(known, wanted).predict(others)
        errors.append([_rmse(each, true) for each in (found, theirs)])
    yield Row("factorization_machines", "diabetes", "RMSE", *_means(errors), "RidgeCV of all pairs")


def _ratings() -> Iterator[Row]:
    given = {"num_factors": _RANK, "epochs": 80, "mini_batch_size": 100, "predictor_type": "regressor"}
    given |= {"factors_lr": 0.01, "factors_init_sigma": 0.1, "factors_wd": 0.0002, "linear_wd": 1, "bias_wd": 1}
    errors = []
    for seed in _RATINGS:
        people, films, labels = _generated(seed)
        cut, count = len(labels) * 4 // 5, len(labels)
        ones = np.ones(2 * count, np.float32)
        columns = np.column_stack([people, _PEOPLE + films]).ravel()
        rows = sparse.csr_matrix((ones, columns, np.arange(0, 2 * count + 1, 2)), (count, _PEOPLE + _FILMS))
        found = _answers((rows[:cut], labels[:cut]), rows[cut:], given)
        theirs = _alternating(people, films, labels, cut)
        errors.append([_rmse(each, labels[cut:]) for each in (found, theirs)])
    yield Row("factorization_machines", "8,000 generated ratings", "RMSE", *_means(errors), "alternating least squares")


def _generated(seed: int) -> tuple[Any, Any, Any]:
    """Some people's ratings of some films, in no order."""
    random = np.random.default_rng(seed)
    taste, kind = random.normal(size=(_PEOPLE, _RANK)), random.normal(size=(_FILMS, _RANK))
    people, films = np.divmod(random.permutation(_PEOPLE * _FILMS)[: _PEOPLE * _FILMS // 3], _FILMS)
    labels = (taste[people] * kind[films]).sum(axis=1) / 2 + 0.3 * random.normal(size=len(people))
    return people, films, labels


def _alternating(people: Any, films: Any, labels: Any, cut: int, penalty: float = 0.3) -> Any:
    """What factors say that are solved for in turn, of people and of films; their number is the true one."""
    random = np.random.default_rng(0)
    factors = [random.normal(size=(count, _RANK)) * 0.1 for count in (_PEOPLE, _FILMS)]
    places = (people[:cut], films[:cut])
    for step in range(60):
        side, other = step % 2, 1 - step % 2
        for number in range(len(factors[side])):
            chosen = places[side] == number
            seen = factors[other][places[other][chosen]]
            gram = seen.T @ seen + penalty * np.eye(_RANK)
            factors[side][number] = np.linalg.solve(gram, seen.T @ labels[:cut][chosen])
    return (factors[0][people[cut:]] * factors[1][films[cut:]]).sum(axis=1)


def _answers(known: tuple[Any, Any], others: Any, given: Mapping[str, object]) -> Any:
    """What a machine says of other rows that has learned from those that are known."""
    columns = known[0].shape[1]

    def records(rows: Any, labels: Any) -> bytes:
        tensors = (protobuf.Sparse(row.data, row.indices, columns) for row in rows) if sparse.issparse(rows) else rows
        return recordio.write(
            protobuf.write({"values": row}, {"values": [label]})
            for row, label in zip(tensors, labels.astype(np.float32), strict=True)
        )

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config, data = root / "input" / "config", root / "input" / "data" / "train"
        for each in (config, data, root / "model", root / "output" / "data"):
            each.mkdir(parents=True)
        told = {"feature_dim": columns, **given}
        (config / "hyperparameters.json").write_text(json.dumps({name: str(value) for name, value in told.items()}))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
        entry = {"ContentType": RECORDIO, "TrainingInputMode": "File"}
        (config / "inputdataconfig.json").write_text(json.dumps({"train": entry}))
        (data / "rows.pbr").write_bytes(records(*known))
        with redirect_stdout(StringIO()):
            train(Job.load(catalogue.algorithm("factorization_machines"), root))
        predictor = load(root / "model")
        assert isinstance(predictor, Rows)
        assert isinstance(predictor.model, Machine)
        return predictor.model.scores(others)


def _divided(rows: Any, labels: Any, seeds: Iterable[int]) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Rows and labels to learn from, on one scale, and a fifth to measure with, divided anew some times."""
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(labels))
        cut = len(labels) * 4 // 5
        known, others = rows[order[:cut]], rows[order[cut:]]
        mean, deviation = known.mean(axis=0), known.std(axis=0)
        scaled = [((each - mean) / deviation).astype(np.float32) for each in (known, others)]
        yield scaled[0], labels[order[:cut]], scaled[1], labels[order[cut:]]


def _means(errors: Sequence[Sequence[float]]) -> tuple[float, float]:
    ours, theirs = np.mean(errors, axis=0).tolist()
    return ours, theirs


def _rmse(found: Any, labels: Any) -> float:
    return float(np.sqrt(np.mean((found - labels) ** 2)))


def _log_loss(found: Any, labels: Any) -> float:
    right = np.where(labels > 0, found, 1 - found)
    return float(-np.log(np.clip(right, 1e-9, 1)).mean())


def _error_rate(found: Any, labels: Any) -> float:
    return float(((found > 0.5) != (labels > 0)).mean())
