"""A K-Nearest Neighbors model: an index of sampled rows, and their labels."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.knn import index as indexes

FILE, INDEX, LABELS, PROJECTION = "model.json", "index.faiss", "labels.npy", "projection.npy"
# Of what is counted at a time, so that a request of many short rows takes no more memory than its answer.
_CELLS = 1 << 21


@dataclass(frozen=True, slots=True)
class Space:
    """Where rows are compared: how one gets there from a row as it is given.

    Attributes:
        columns: of rows as they are given.
        width: of the space; more than rows have after projection is filled up with zeros.
        projection: a matrix to multiply with, or None.
        metric: `L2`, `INNER_PRODUCT` or `COSINE`.
    """

    columns: int
    width: int
    projection: Any
    metric: str

    def place(self, rows: Any) -> Any:
        if self.projection is not None:
            # BLAS adds in another order for another number of rows: what that changes of doubles, singles do not show.
            rows = (rows.astype(np.float64) @ self.projection.astype(np.float64)).astype(np.float32)
        if rows.shape[1] < self.width:
            rows = np.pad(rows, ((0, 0), (0, self.width - rows.shape[1])))
        if self.metric == "COSINE":
            lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
            rows = rows / np.where(lengths > 0, lengths, 1)
        return np.ascontiguousarray(rows, np.float32)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """An index of rows with labels.

    Attributes:
        classes: the classes that there are, sorted; None where labels are numbers.
        labels: of each row of the index: the number of its class, or the label itself.
        verbose: answers have the neighbours' distances and labels too.
    """

    space: Space
    index: Any
    k: int
    labels: Any
    classes: Any
    verbose: bool = False
    sparse: bool = False

    @classmethod
    def of(cls, space: Space, index: Any, k: int, labels: Any, *, classifier: bool) -> "Neighbours":
        if not classifier:
            return cls(space, index, k, labels.astype(np.float64), None)
        classes, numbers = np.unique(labels, return_inverse=True)
        return cls(space, index, k, numbers, classes.astype(np.float64))

    @property
    def columns(self) -> int:
        return self.space.columns

    def labelled(self, rows: Any) -> tuple[Any, Any, Any]:
        """The predicted label of each row, and its neighbours' distances and labels, the nearest first.

        Raises:
            BadRequest: a row is so far away that its distances are no numbers.
        """
        distances, places = indexes.search(self.index, self.space.place(rows), self.k)
        found = self.labels[places]
        if self.classes is None:
            return found.mean(axis=1), distances, found
        # Of classes that are as frequent the first, as scikit-learn has it.
        cells = np.arange(len(found))[:, None] * len(self.classes) + found
        counts = np.bincount(cells.ravel(), minlength=len(found) * len(self.classes))
        winners = counts.reshape(len(found), len(self.classes)).argmax(axis=1)
        return self.classes[winners], distances, self.classes[found]

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """A batch in such parts as `labelled` can take at once."""
        classes = 0 if self.classes is None else len(self.classes)
        return batch.pieces(max(1, _CELLS // (self.k + self.space.width + classes)))

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        return [answer for part in self.parts(batch) for answer in self._answers(part)]

    def _answers(self, batch: Batch) -> list[Mapping[str, Any]]:
        labels, distances, found = self.labelled(batch.dense())
        if not self.verbose:
            return [{"predicted_label": label} for label in labels.tolist()]
        if self.space.metric == "L2":
            distances = np.sqrt(np.maximum(distances, 0))
        return [
            {"predicted_label": label, "distances": far, "labels": near}
            for label, far, near in zip(labels.tolist(), distances.tolist(), found.tolist(), strict=True)
        ]

    def save(self, folder: Path) -> None:
        indexes.write(self.index, folder / INDEX)
        labels = self.labels if self.classes is None else self.classes[self.labels]
        np.save(folder / LABELS, labels.astype(np.float32), allow_pickle=False)
        if self.space.projection is not None:
            np.save(folder / PROJECTION, self.space.projection, allow_pickle=False)
        (folder / FILE).write_text(
            json.dumps(
                {
                    "algorithm": "knn",
                    "k": self.k,
                    "classifier": self.classes is not None,
                    "feature_dim": self.space.columns,
                    "width": self.space.width,
                    "index_metric": self.space.metric,
                    "projected": self.space.projection is not None,
                }
            )
        )


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        about = json.loads((model_dir / FILE).read_text())
        if about["algorithm"] != "knn":
            raise ValueError(f"it is a model of {about['algorithm']}")
        projection = np.load(model_dir / PROJECTION, allow_pickle=False) if about["projected"] else None
        space = Space(about["feature_dim"], about["width"], projection, about["index_metric"])
        labels = np.load(model_dir / LABELS, allow_pickle=False)
        index = indexes.read(model_dir / INDEX)
        if index.ntotal != len(labels) or index.d != space.width:
            raise ValueError("its files do not belong together")
        model = Neighbours.of(space, index, about["k"], labels, classifier=about["classifier"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of K-Nearest Neighbors: {error}") from error
    return serving.Rows(
        catalogue.algorithm("knn"), model, csv=("predicted_label",), verbose=replace(model, verbose=True)
    )
