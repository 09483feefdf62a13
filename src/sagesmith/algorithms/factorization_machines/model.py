"""A factorization machine: a bias, a weight and a vector of factors of each feature.

Source: Rendle, Factorization Machines, ICDM 2010, lemma 3.1: all interactions by twos in time linear in the factors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError

NUMBERS = "model.npz"
KIND = "model.json"
_ALGORITHM = "factorization-machines"


def raw(features: Any, bias: float, linear: Any, factors: Any, lengths: Any) -> tuple[Any, Any]:
    """Raw predictions of rows, and the sums of their features' factors, shape (rows, factors).

    Args:
        features: an array, or a `csr_matrix`, of shape (rows, columns).
        lengths: the sum of squared factors of each column.
    """
    sums = np.asarray(features @ factors)
    squares = features.multiply(features) if hasattr(features, "indptr") else features * features
    interactions = (np.einsum("ij,ij->i", sums, sums) - np.asarray(squares @ lengths).ravel()) / 2
    return bias + np.asarray(features @ linear).ravel() + interactions, sums


def sigmoid(numbers: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-numbers))


@dataclass(frozen=True, slots=True)
class Machine:
    """A trained machine.

    Attributes:
        linear, factors: shapes (columns,) and (columns, factors), float32.
    """

    predictor_type: str
    bias: float
    linear: Any
    factors: Any
    lengths: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", np.einsum("ij,ij->i", self.factors, self.factors))

    @property
    def columns(self) -> int:
        return len(self.linear)

    @property
    def sparse(self) -> bool:
        return True

    def scores(self, features: Any) -> Any:
        """A regressor's predictions, a classifier's probabilities."""
        found, _ = raw(features, self.bias, self.linear, self.factors, self.lengths)
        return sigmoid(found) if self.predictor_type == "binary_classifier" else found

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        scores = self.scores(batch.features).tolist()
        if self.predictor_type == "regressor":
            return [{"score": score} for score in scores]
        return [{"score": score, "predicted_label": int(score >= 0.5)} for score in scores]

    def save(self, folder: Path) -> None:
        """Write what `load` reads."""
        np.savez(folder / NUMBERS, bias=np.float32(self.bias), linear=self.linear, factors=self.factors)
        kind = {"algorithm": _ALGORITHM, "predictor_type": self.predictor_type, "feature_dim": self.columns}
        (folder / KIND).write_text(json.dumps(kind, indent=1) + "\n", encoding="utf-8")


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        kind = json.loads((model_dir / KIND).read_text(encoding="utf-8"))
        if kind["algorithm"] != _ALGORITHM:
            raise ValueError(f"it is one of {kind['algorithm']}")
        with np.load(model_dir / NUMBERS, allow_pickle=False) as numbers:
            machine = Machine(kind["predictor_type"], float(numbers["bias"]), numbers["linear"], numbers["factors"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of Factorization Machines: {error}") from error
    return serving.Rows(catalogue.algorithm("factorization_machines"), machine)
