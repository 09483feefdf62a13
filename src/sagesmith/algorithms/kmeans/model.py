"""A K-Means model: k centres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError

FILE = "centroids.npy"


@dataclass(frozen=True, slots=True)
class Centroids:
    """k centres.

    Attributes:
        values: an array of shape (k, columns).
    """

    values: Any
    sparse: bool = False

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    def save(self, path: Path) -> None:
        np.save(path, self.values.astype(np.float32), allow_pickle=False)

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        nearest, distances = closest(self.values, batch.dense())
        return [
            {"distance_to_cluster": float(distance), "closest_cluster": float(cluster)}
            for cluster, distance in zip(nearest, np.sqrt(distances), strict=True)
        ]


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        values = np.load(model_dir / FILE, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CustomerError(f"The model artifact is not one of K-Means: {FILE}: {error}") from error
    return serving.Rows(
        catalogue.algorithm("kmeans"), Centroids(values), csv=("closest_cluster", "distance_to_cluster")
    )


def closest(centres: Any, rows: Any) -> tuple[Any, Any]:
    """For each row the closest centre's number, and the squared distance to it."""
    scores = rows @ (-2.0 * centres.T).astype(rows.dtype)
    scores += (centres**2).sum(axis=1).astype(rows.dtype)
    nearest = scores.argmin(axis=1)
    found = scores[np.arange(len(rows)), nearest] + np.einsum("ij,ij->i", rows, rows)
    return nearest, np.maximum(found, 0.0)
