"""Factorization Machines against linear models of all pairs of columns, and factors that are found in closed form."""

import json
import tempfile
from collections.abc import Iterator, Mapping
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
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.declaration import RECORDIO
from tests.algorithms import harness
from tests.algorithms.harness import Channel

_PEOPLE, _FILMS, _RANK = 200, 120, 4
_GIVEN = {"num_factors": 8, "epochs": 100, "mini_batch_size": 50, "factors_wd": 0.001, "linear_wd": 0.001}


def quality() -> Iterator[Row]:
    """Errors on a fifth of the rows, held out."""
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
    rows, labels, cut = _shuffled(rows, labels)
    found = _answers(rows, labels, cut, {**_GIVEN, "predictor_type": "binary_classifier"})
    pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    model = make_pipeline(pairs, StandardScaler(), LogisticRegressionCV(Cs=10, cv=5, max_iter=2000))
    theirs = model.fit(rows[:cut], labels[:cut]).predict_proba(rows[cut:])[:, 1]
    for metric, measure in (("log loss", _log_loss), ("error rate", _error_rate)):
        values = [measure(each, labels[cut:]) for each in (found, theirs)]
        yield Row("factorization_machines", "breast_cancer", metric, *values, "LogisticRegressionCV of all pairs")


def _numbers() -> Iterator[Row]:
    rows, labels = load_diabetes(return_X_y=True)
    rows, labels, cut = _shuffled(rows, labels)
    scale, centre = labels[:cut].std(), labels[:cut].mean()
    scaled = (labels - centre) / scale
    given = {**_GIVEN, "predictor_type": "regressor", "factors_wd": 0.1, "linear_wd": 0.01}
    found = _answers(rows, scaled, cut, given) * scale + centre
    pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    model = make_pipeline(pairs, StandardScaler(), RidgeCV(np.logspace(-2, 4, 20)))
    theirs = model.fit(rows[:cut], labels[:cut]).predict(rows[cut:])
    values = [_rmse(each, labels[cut:]) for each in (found, theirs)]
    yield Row("factorization_machines", "diabetes", "RMSE", *values, "RidgeCV of all pairs")


def _ratings() -> Iterator[Row]:
    random = np.random.default_rng(0)
    taste, kind = random.normal(size=(_PEOPLE, _RANK)), random.normal(size=(_FILMS, _RANK))
    people, films = np.divmod(random.permutation(_PEOPLE * _FILMS), _FILMS)
    kept = len(people) // 3
    people, films = people[:kept], films[:kept]
    labels = (taste[people] * kind[films]).sum(axis=1) / 2 + 0.3 * random.normal(size=kept)
    cut = kept * 4 // 5
    ones = np.ones(2 * kept, np.float32)
    columns = np.column_stack([people, _PEOPLE + films]).ravel()
    rows = sparse.csr_matrix((ones, columns, np.arange(0, 2 * kept + 1, 2)), (kept, _PEOPLE + _FILMS))
    given = {"num_factors": _RANK, "epochs": 80, "mini_batch_size": 100, "predictor_type": "regressor"}
    penalties = {"factors_wd": 0.0003, "linear_wd": 0.05}
    found = _answers(rows, labels, cut, {**given, **penalties, "factors_lr": 0.01, "factors_init_sigma": 0.1})
    theirs = _alternating(people, films, labels, cut)
    values = [_rmse(each, labels[cut:]) for each in (found, theirs)]
    yield Row("factorization_machines", "8,000 generated ratings", "RMSE", *values, "alternating least squares")


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


def _answers(rows: Any, labels: Any, cut: int, given: Mapping[str, object]) -> Any:
    def records(part: slice) -> bytes:
        if sparse.issparse(rows):
            return recordio.write(
                protobuf.write({"values": protobuf.Sparse(row.data, row.indices, rows.shape[1])}, {"values": [label]})
                for row, label in zip(rows[part], labels[part].astype(np.float32), strict=True)
            )
        return recordio.write(
            protobuf.write({"values": row}, {"values": [label]})
            for row, label in zip(rows[part].astype(np.float32), labels[part].astype(np.float32), strict=True)
        )

    with tempfile.TemporaryDirectory() as folder:
        channel = Channel({"rows.pbr": records(slice(0, cut))}, RECORDIO)
        told = {"feature_dim": rows.shape[1], **given}
        trained = harness.train("factorization_machines", Path(folder), told, {"train": channel})
        assert trained.exit_code == 0, trained.log
        answer = json.loads(trained.answer(records(slice(cut, None)), RECORDIO, "application/json"))
    return np.array([each["score"] for each in answer["predictions"]])


def _shuffled(rows: Any, labels: Any) -> tuple[Any, Any, int]:
    order = np.random.default_rng(0).permutation(len(labels))
    rows, labels = rows[order], labels[order]
    cut = len(labels) * 4 // 5
    return (rows - rows[:cut].mean(axis=0)) / rows[:cut].std(axis=0), labels, cut


def _rmse(found: Any, labels: Any) -> float:
    return float(np.sqrt(np.mean((found - labels) ** 2)))


def _log_loss(found: Any, labels: Any) -> float:
    right = np.where(labels > 0, found, 1 - found)
    return float(-np.log(np.clip(right, 1e-9, 1)).mean())


def _error_rate(found: Any, labels: Any) -> float:
    return float(((found > 0.5) != (labels > 0)).mean())
