"""A PCA model: directions, and what is subtracted before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, ndarrays, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError


@dataclass(frozen=True, slots=True)
class Components:
    """The directions in which rows vary most.

    Attributes:
        directions: a float32 array of shape (columns, components), the largest last.
        lengths: their singular values.
        mean: of shape (columns,), None where none is subtracted.
    """

    directions: Any
    lengths: Any
    mean: Any = None
    sparse: bool = False

    @property
    def columns(self) -> int:
        return int(self.directions.shape[0])

    def project(self, rows: Any) -> Any:
        """The rows' coordinates, of shape (rows, components)."""
        return (rows if self.mean is None else rows - self.mean) @ self.directions

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        # The last digits of a sum depend on how many rows are asked at once: these are digits that are not answered.
        exact = self.project(batch.dense().astype(np.float64))
        return [{"projection": each} for each in exact.astype(np.float32).tolist()]

    def save(self, model_dir: Path, host: str) -> None:
        arrays = {"v": self.directions, "s": self.lengths}
        if self.mean is not None:
            arrays["mean"] = self.mean[None, :]
        ndarrays.write(model_dir, host, list(arrays.values()), list(arrays))


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train`, or AWS's own algorithm, has written.

    Raises:
        CustomerError: there is none.
    """
    found = ndarrays.read(model_dir, "PCA")
    if not {"v", "s"} <= set(found.names):
        raise CustomerError(f"The model artifact is not one of PCA: it has no v and s, but {list(found.names)}.")
    directions = np.ascontiguousarray(found["v"], np.float32)
    mean = np.ravel(found["mean"]).astype(np.float32) if "mean" in found.names else None
    if directions.ndim != 2 or (mean is not None and len(mean) != len(directions)):
        raise CustomerError("The model artifact is not one of PCA: v and mean do not fit.")
    components = Components(directions, np.ravel(found["s"]), mean)
    return serving.Rows(catalogue.algorithm("pca"), components, name="projections")
