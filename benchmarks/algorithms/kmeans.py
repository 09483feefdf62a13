"""K-Means against scikit-learn's."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from benchmarks.algorithms import Row
from benchmarks.algorithms._tables import Table, groups, numbers, table
from sagesmith.algorithms.kmeans.model import assigned

_REFERENCE = """
import sys, numpy as np
from sklearn.cluster import KMeans
rows = np.load(sys.argv[1])
np.save(sys.argv[2], KMeans(%d, n_init=%d, random_state=0).fit(rows).cluster_centers_)
"""
_SETS = (("digits", load_digits, 10), ("wine", load_wine, 3), ("breast_cancer", load_breast_cancer, 5))


def quality() -> Iterator[Row]:
    """Inertia, of which less is better."""
    for name, load, k in _SETS:
        rows = load().data.astype(np.float32)
        with table(len(rows), partial(_of, rows)) as data:
            yield from _rows(data, name, k, trials=10)
    for name, make in (("50 columns, 30 groups", groups), ("50 columns, no groups", numbers)):
        with table(100_000, make) as data:
            yield from _rows(data, f"10⁵ × {name}", 10)


def speed() -> Iterator[Row]:
    """Rows a second from the start of the program to the model's file, reading included; peak memory."""
    for power in (4, 5, 6):
        for name, make, k in (("groups", groups, 10), ("no groups", numbers, 10), ("groups", groups, 100)):
            with table(10**power, make) as data:
                yield from _rows(data, f"10{'⁰¹²³⁴⁵⁶⁷'[power]} × 50, {name}", k, timed=True)


def memory() -> Iterator[Row]:
    """Peak memory of ten times the rows."""
    peaks = []
    for rows in (10**6, 10**7):
        with table(rows, numbers) as data:
            ended = data.ours("kmeans", _given(10, 50))
            peaks.append(ended.peak_megabytes)
    yield Row("kmeans", "10⁷ × 50", "peak memory, MB", peaks[1], peaks[0], "10⁶ × 50")


def _rows(data: Table, name: str, k: int, *, trials: int = 1, timed: bool = False) -> Iterator[Row]:
    rows = data.rows()
    ours = data.ours("kmeans", _given(k, rows.shape[1]))
    theirs, centres = data.theirs("kmeans", _REFERENCE % (k, trials))
    reference = "scikit-learn KMeans" if trials == 1 else f"scikit-learn KMeans, n_init={trials}"
    losses = [_loss(each, rows) for each in (data.model().values[0], centres)]
    yield Row("kmeans", f"{name}, k={k}", "inertia", losses[0], losses[1], reference)
    if timed:
        rates = [len(rows) / each.seconds for each in (ours, theirs)]
        yield Row("kmeans", f"{name}, k={k}", "rows/s", rates[0], rates[1], reference)
        yield Row("kmeans", f"{name}, k={k}", "peak memory, MB", ours.peak_megabytes, theirs.peak_megabytes, reference)


def _given(k: int, columns: int) -> dict[str, object]:
    return {"k": k, "feature_dim": columns}


def _loss(centres: Any, rows: Any) -> float:
    return sum(assigned(centres, np.asarray(rows[at : at + 100_000]))[2] for at in range(0, len(rows), 100_000))


def _of(rows: Any, first: int, count: int) -> Any:
    return rows[first : first + count]
