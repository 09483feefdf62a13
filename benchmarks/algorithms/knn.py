"""K-Nearest Neighbors against scikit-learn's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from benchmarks.algorithms import Row
from tests.algorithms import harness
from tests.algorithms.harness import Channel
from tests.algorithms.rows import csv

_SETS: tuple[tuple[str, Any, str], ...] = (
    ("digits", load_digits, "classifier"),
    ("breast_cancer", load_breast_cancer, "classifier"),
    ("wine", load_wine, "classifier"),
    ("diabetes", load_diabetes, "regressor"),
)
_NUMBER = 5


def quality() -> Iterator[Row]:
    """Accuracy or mean squared error of a fifth of the rows, held out."""
    for name, load, kind in _SETS:
        rows, labels = load(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(rows))
        rows, labels = rows[order], labels[order]
        cut = len(rows) * 4 // 5
        given: dict[str, object] = {
            "feature_dim": rows.shape[1],
            "k": _NUMBER,
            "sample_size": len(rows),
            "predictor_type": kind,
        }
        channels = {
            "train": Channel({"rows.csv": csv(rows[:cut], labels[:cut])}, "text/csv"),
            "test": Channel({"rows.csv": csv(rows[cut:], labels[cut:])}, "text/csv"),
        }
        with tempfile.TemporaryDirectory() as folder:
            metrics = harness.train("knn", Path(folder), given, channels).metrics
        reference = (KNeighborsClassifier if kind == "classifier" else KNeighborsRegressor)(_NUMBER)
        found = reference.fit(rows[:cut], labels[:cut]).predict(rows[cut:])
        right = found == labels[cut:] if kind == "classifier" else (found - labels[cut:]) ** 2
        metric = "accuracy" if kind == "classifier" else "mse"
        yield Row("knn", name, metric, metrics[f"test:{metric}"][0], float(right.mean()), "scikit-learn")
