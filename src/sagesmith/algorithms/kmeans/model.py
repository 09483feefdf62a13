"""A K-Means model: k centres."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, ndarrays, serving
from sagesmith.algorithms.cores import pool
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError

# Of distances that are looked at together: they stay in a core's cache.
_BLOCK = 1 << 19


@dataclass(frozen=True, slots=True)
class Centroids:
    """k centres.

    Attributes:
        values: a float32 array of shape (k, columns).
    """

    values: Any
    sparse: bool = False
    _terms: tuple[Any, Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_terms", _terms(self.values))

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    def closest(self, rows: Any) -> tuple[Any, Any]:
        """For each row the closest centre's number, and the squared distance to it."""
        numbers, distances = np.empty(len(rows), np.intp), np.empty(len(rows), np.float32)
        for part in _blocks(len(rows), len(self.values)):
            found = _nearest(rows[part], self._terms)
            # Not from the products: they lose what is small beside the coordinates.
            apart = rows[part] - self.values[found]
            numbers[part] = found
            distances[part] = np.einsum("ij,ij->i", apart, apart)
        return numbers, distances

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        nearest, distances = self.closest(batch.dense())
        return [
            {"closest_cluster": float(cluster), "distance_to_cluster": distance}
            for cluster, distance in zip(nearest.tolist(), np.sqrt(distances).tolist(), strict=True)
        ]

    def save(self, model_dir: Path, host: str) -> None:
        ndarrays.write(model_dir, host, [self.values])


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train`, or AWS's own algorithm, has written.

    Raises:
        CustomerError: there is none.
    """
    found = ndarrays.read(model_dir, "K-Means")
    if found.names or len(found.values) != 1 or found.values[0].ndim != 2 or not found.values[0].size:
        raise CustomerError("The model artifact is not one of K-Means: it is not one array of centres.")
    values = np.ascontiguousarray(found.values[0], np.float32)
    return serving.Rows(
        catalogue.algorithm("kmeans"), Centroids(values), csv=("closest_cluster", "distance_to_cluster")
    )


def assigned(centres: Any, rows: Any, weights: Any = None) -> tuple[Any, Any, float]:
    """What one step of Lloyd's algorithm needs of some rows, which may have weights.

    Returns:
        the sums of the rows of each centre, of shape (centres, columns); how many they are; the sum of all squared
        distances.
    """
    from scipy.sparse import csr_matrix

    terms = _terms(centres)
    shift = terms[0]

    def of(part: slice) -> tuple[Any, Any, float]:
        block = rows[part] - shift
        found, scores = _products(block, terms)
        taken = scores[np.arange(len(block)), found]
        share = np.ones(len(block), np.float32) if weights is None else weights[part].astype(np.float32)
        distance = float(np.maximum(taken + np.einsum("ij,ij->i", block, block), 0) @ share.astype(np.float64))
        places = csr_matrix((share, found, np.arange(len(block) + 1)), (len(block), len(centres)))
        number = np.bincount(found, share, minlength=len(centres))
        return places.T @ block + number[:, None] * shift, number, distance

    sums, counts, distance = np.zeros(centres.shape, np.float64), np.zeros(len(centres), np.float64), 0.0
    parts = list(_blocks(len(rows), len(centres)))
    for one, number, more in map(of, parts) if len(parts) == 1 else pool().map(of, parts):
        sums += one
        counts += number
        distance += more
    return sums, counts, distance


def _terms(centres: Any) -> tuple[Any, Any, Any]:
    """The centres' mean, their coordinates from there (times -2, transposed), and those squared and summed."""
    shift = centres.mean(axis=0, dtype=np.float64)
    apart = centres - shift
    return (
        shift.astype(np.float32),
        np.ascontiguousarray((-2.0 * apart).T.astype(np.float32)),
        (apart**2).sum(axis=1).astype(np.float32),
    )


def _products(block: Any, terms: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """The closest centres of rows that are counted from the centres' mean; the distances less what all have alike."""
    scores = block @ terms[1]
    scores += terms[2]
    return scores.argmin(axis=1), scores


def _nearest(rows: Any, terms: tuple[Any, Any, Any]) -> Any:
    return _products(rows - terms[0], terms)[0]


def _blocks(rows: int, centres: int) -> Iterator[slice]:
    # Of what a thread takes on, several parts.
    size = min(max(_BLOCK // centres, 256), 8192, max(-(-rows // 4), 1024))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
