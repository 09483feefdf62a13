"""PCA against scikit-learn's."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from benchmarks.algorithms import Row
from benchmarks.algorithms._tables import COLUMNS, Table, directions, table

_REFERENCE = """
import sys, numpy as np
from sklearn.decomposition import PCA
rows = np.load(sys.argv[1])
np.save(sys.argv[2], PCA(%d%s).fit(rows).components_)
"""
_SETS = (("digits", load_digits), ("wine", load_wine), ("breast_cancer", load_breast_cancer))
_NUMBER = 5


def quality() -> Iterator[Row]:
    """The share of the variance that five components have, of which more is better."""
    for name, load in _SETS:
        rows = load().data.astype(np.float32)
        with table(len(rows), partial(_of, rows)) as data:
            for mode in ("regular", "randomized"):
                yield from _rows(data, name, mode, svd_solver="full")
    with table(100_000, directions) as data:
        yield from _rows(data, "10⁵ × 50, variance falling by a tenth", "randomized", svd_solver="full")


def speed() -> Iterator[Row]:
    """Rows a second from the start of the program to the model's file, reading included; peak memory."""
    for power in (4, 5, 6):
        with table(10**power, directions) as data:
            for mode in ("regular", "randomized"):
                yield from _rows(data, f"10{'⁰¹²³⁴⁵⁶⁷'[power]} × 50", mode, timed=True)


def memory() -> Iterator[Row]:
    """Peak memory of ten times the rows."""
    peaks = []
    for rows in (10**6, 10**7):
        with table(rows, directions) as data:
            peaks.append(data.ours("pca", _given("regular", COLUMNS)).peak_megabytes)
    yield Row("pca", "10⁷ × 50", "peak memory, MB", peaks[1], peaks[0], "10⁶ × 50")


def _rows(data: Table, name: str, mode: str, *, svd_solver: str = "", timed: bool = False) -> Iterator[Row]:
    rows = data.rows()
    ours = data.ours("pca", _given(mode, rows.shape[1]))
    chosen = f", svd_solver='{svd_solver}'" if svd_solver else ""
    theirs, components = data.theirs("pca", _REFERENCE % (_NUMBER, chosen))
    reference = f"scikit-learn PCA{chosen}"
    shares = _shares(rows, [data.model()["v"].T, components])
    yield Row("pca", f"{name}, {mode}", "explained variance", shares[0], shares[1], reference)
    if timed:
        rates = [len(rows) / each.seconds for each in (ours, theirs)]
        yield Row("pca", f"{name}, {mode}", "rows/s", rates[0], rates[1], reference)
        yield Row("pca", f"{name}, {mode}", "peak memory, MB", ours.peak_megabytes, theirs.peak_megabytes, reference)


def _given(mode: str, columns: int) -> dict[str, object]:
    return {"num_components": _NUMBER, "feature_dim": columns, "mini_batch_size": 5000, "algorithm_mode": mode}


def _shares(rows: Any, each: list[Any]) -> list[float]:
    """Of the first rows' variance."""
    apart = np.asarray(rows[:200_000], np.float64)
    apart = apart - apart.mean(axis=0)
    return [float(((apart @ components.T) ** 2).sum() / (apart**2).sum()) for components in each]


def _of(rows: Any, first: int, count: int) -> Any:
    return rows[first : first + count]
