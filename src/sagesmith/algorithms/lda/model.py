"""An LDA model: topics, and how documents mix them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sagesmith.algorithms import catalogue, ndarrays, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.lda.variational import mixture


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics.

    Attributes:
        alpha: the concentration parameters, of shape (topics,).
        values: each topic's likelihoods of the words, of shape (topics, words).
    """

    alpha: Any
    values: Any
    sparse: bool = True

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    def mixtures(self, counts: Any) -> Any:
        """How much of each topic each document has, of shape (documents, topics). One does not depend on the others."""
        found = np.empty((counts.shape[0], len(self.alpha)))
        for row in range(counts.shape[0]):
            words = slice(counts.indptr[row], counts.indptr[row + 1])
            found[row] = mixture(counts.data[words], self.values[:, counts.indices[words]], self.alpha)
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        counts = csr_matrix(batch.features, dtype=np.float64)
        if counts.nnz and counts.data.min() < 0:
            raise BadRequest("Unable to evaluate payload provided: counts of words cannot be negative")
        return [{"topic_mixture": each} for each in self.mixtures(counts).tolist()]

    def save(self, model_dir: Path, host: str) -> None:
        ndarrays.write(model_dir, host, [self.alpha, self.values])


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train`, or AWS's own algorithm, has written.

    Raises:
        CustomerError: there is none.
    """
    found = ndarrays.read(model_dir, "LDA")
    if found.names or len(found.values) != 2 or found.values[1].ndim != 2:
        raise CustomerError("The model artifact is not one of LDA: it is not two arrays, of parameters and of topics.")
    alpha, values = (np.asarray(each, np.float64) for each in found.values)
    if alpha.shape != values.shape[:1]:
        raise CustomerError(
            f"The model artifact is not one of LDA: {alpha.size} parameters do not fit {len(values)} topics."
        )
    return serving.Rows(catalogue.algorithm("lda"), Topics(alpha, values))
