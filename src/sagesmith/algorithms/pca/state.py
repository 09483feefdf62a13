"""What PCA knows of a stream of rows: exact moments, or a sketch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch

# Rows that are looked at together; of a wide table fewer, so that they stay in a core's cache.
_BLOCK, _FEWEST = 1 << 18, 256


@dataclass(slots=True)
class Moments:
    """The state of the regular mode (see `run.state.State`): how many rows there were, their mean and their scatter.

    Sums of products are taken about the mean of each block of rows, so that nothing is lost where the mean is large.

    Attributes:
        centred: the mean is subtracted; else it stays 0.
        scatter: of shape (columns, columns), about `mean`.
    """

    columns: int
    centred: bool = True
    count: int = 0
    mean: Any = field(init=False)
    scatter: Any = field(init=False)

    def __post_init__(self) -> None:
        self.mean = np.zeros(self.columns)
        self.scatter = np.zeros((self.columns, self.columns))

    def update(self, batch: Batch) -> None:
        scatter = self.scatter.copy()
        for block in _blocks(batch, max(_BLOCK // batch.columns, _FEWEST)):
            rows, mean = _from_mean(block, self.centred)
            scatter += rows.T @ rows
            self._moved(scatter, len(rows), mean)
        self.scatter = scatter

    def merge(self, others: list["Moments"]) -> None:
        scatter = self.scatter.copy()
        for other in others:
            scatter += other.scatter
            self._moved(scatter, other.count, other.mean)
        self.scatter = scatter

    def arrays(self) -> Mapping[str, Any]:
        return {"count": self.count, "mean": self.mean, "scatter": self.scatter}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.count, self.mean, self.scatter = int(arrays["count"]), arrays["mean"], arrays["scatter"]

    def components(self, number: int) -> tuple[Any, Any]:
        """The largest singular values, in ascending order, and their directions as columns."""
        from scipy.linalg import eigh

        values, vectors = eigh(self.scatter, subset_by_index=(self.columns - number, self.columns - 1))
        return np.sqrt(np.maximum(values, 0)), vectors

    @property
    def variance(self) -> float:
        """The sum of all squared singular values."""
        return float(np.trace(self.scatter))

    def _moved(self, scatter: Any, count: int, mean: Any) -> None:
        """Count rows whose scatter about their own mean is in `scatter` already."""
        total = self.count + count
        if self.centred and total:
            apart = mean - self.mean
            scatter += np.outer(apart, apart * (self.count * count / total))
            self.mean = self.mean + apart * (count / total)
        self.count = total


@dataclass(slots=True)
class Sketch:
    """The state of the randomized mode (see `run.state.State`): the largest singular values and directions so far.

    Of each block of rows and the former directions, each as long as its singular value, the largest are kept.

    Attributes:
        size: how many directions.
        rows: the directions, of shape (at most `size`, columns).
        variance: the sum of all squared singular values, also of those that were left out.
    """

    columns: int
    size: int
    centred: bool = True
    count: int = 0
    variance: float = 0.0
    mean: Any = field(init=False)
    rows: Any = field(init=False)

    def __post_init__(self) -> None:
        self.mean = np.zeros(self.columns)
        self.rows = np.zeros((0, self.columns), np.float32)

    def update(self, batch: Batch) -> None:
        for block in _blocks(batch, max(4 * self.size, _FEWEST)):
            rows, mean = _from_mean(block, self.centred)
            self._add(rows, len(rows), mean, float(np.einsum("ij,ij->", rows, rows, dtype=np.float64)))

    def merge(self, others: list["Sketch"]) -> None:
        for other in others:
            self._add(other.rows, other.count, other.mean, other.variance)

    def arrays(self) -> Mapping[str, Any]:
        return {"count": self.count, "variance": self.variance, "mean": self.mean, "rows": self.rows}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.count, self.variance = int(arrays["count"]), float(arrays["variance"])
        self.mean, self.rows = arrays["mean"], arrays["rows"]

    def components(self, number: int) -> tuple[Any, Any]:
        """The largest singular values, in ascending order, and their directions as columns."""
        _, values, directions = np.linalg.svd(self.rows.astype(np.float64), full_matrices=False)
        return values[:number][::-1], directions[:number][::-1].T

    def _add(self, rows: Any, count: int, mean: Any, variance: float) -> None:
        total = self.count + count
        parts = [self.rows, rows]
        if self.centred and self.count and count:
            apart = mean - self.mean
            weight = self.count * count / total
            parts.append((apart * np.sqrt(weight))[None, :].astype(np.float32))
            variance += weight * float(apart @ apart)
        if self.centred and total:
            self.mean = self.mean + (mean - self.mean) * (count / total)
        self.count, self.variance = total, self.variance + variance
        self.rows = _largest(np.concatenate(parts), self.size)


def _largest(rows: Any, size: int) -> Any:
    """At most so many rows with nearly the same products: the largest singular directions, as long as their values."""
    if len(rows) <= size:
        return rows
    from scipy.linalg import eigh

    # Of both products the smaller one: they have the same values.
    if len(rows) > rows.shape[1]:
        side = rows.shape[1]
        values, vectors = eigh((rows.T @ rows).astype(np.float64), subset_by_index=(side - size, side - 1))
        return (vectors * np.sqrt(np.maximum(values, 0))).T[::-1].astype(np.float32)
    _, vectors = eigh((rows @ rows.T).astype(np.float64), subset_by_index=(len(rows) - size, len(rows) - 1))
    return vectors.T[::-1].astype(np.float32) @ rows


def _from_mean(block: Any, centred: bool) -> tuple[Any, Any]:
    if not centred:
        return block, None
    mean = block.mean(axis=0, dtype=np.float64)
    return block - mean.astype(np.float32), mean


def _blocks(batch: Batch, of_wide: int) -> Iterator[Any]:
    """The rows, many together; of tables that are wider than `of_wide` no more than that."""
    most = of_wide if batch.columns > of_wide else max(_BLOCK // batch.columns, _FEWEST)
    for piece in batch.pieces(most):
        yield piece.dense()
