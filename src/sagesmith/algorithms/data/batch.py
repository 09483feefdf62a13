"""Rows that were read together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows.

    Attributes:
        features: a C-contiguous float32 array of shape (rows, columns), or a `scipy.sparse.csr_matrix` of it.
        labels: a float32 array of shape (rows,), or (rows, labels) of several labels a row; None where there are none.
        weights: a float32 array of shape (rows,), None where all rows count alike.
    """

    features: Any
    labels: Any = None
    weights: Any = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def columns(self) -> int:
        return int(self.features.shape[1])

    @property
    def sparse(self) -> bool:
        return hasattr(self.features, "indptr")

    def dense(self) -> Any:
        """The features as an array, whatever they were."""
        return self.features.toarray() if self.sparse else self.features

    def pieces(self, rows: int) -> Iterator["Batch"]:
        """The same in batches of so many rows, the last perhaps of fewer."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield Batch(
                self.features[part],
                None if self.labels is None else self.labels[part],
                None if self.weights is None else self.weights[part],
            )
