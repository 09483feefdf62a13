"""A linear model: one weighted sum of the features a class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.linear_learner.losses import sigmoid, softmax

NUMBERS = "model.npz"
KIND = "model.json"
_ALGORITHM = "linear-learner"


@dataclass(frozen=True, slots=True)
class Linear:
    """A model in the units of the data.

    Attributes:
        predictor_type: AWS's.
        probabilities: scores are probabilities; else a binary classifier's is the raw prediction.
        weights: shape (columns, classes), float64.
        intercepts: shape (classes,).
        threshold: the score from which on a binary classifier says 1.
    """

    predictor_type: str
    probabilities: bool
    weights: Any
    intercepts: Any
    threshold: float = 0.0

    @property
    def columns(self) -> int:
        return int(self.weights.shape[0])

    @property
    def sparse(self) -> bool:
        return True

    def scores(self, features: Any) -> Any:
        """Shape (rows, classes)."""
        raw = features.astype(np.float64) @ self.weights
        raw += self.intercepts
        if not self.probabilities:
            return raw
        return sigmoid(raw) if self.predictor_type == "binary_classifier" else softmax(raw)

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        scores = self.scores(batch.features)
        if self.predictor_type == "multiclass_classifier":
            labels = scores.argmax(axis=1).tolist()
            return [
                {"score": score, "predicted_label": label} for score, label in zip(scores.tolist(), labels, strict=True)
            ]
        found = scores[:, 0].tolist()
        if self.predictor_type == "regressor":
            return [{"score": score} for score in found]
        return [{"score": score, "predicted_label": int(score >= self.threshold)} for score in found]

    def save(self, folder: Path) -> None:
        """Write what `load` reads."""
        np.savez(
            folder / NUMBERS, weights=self.weights, intercepts=self.intercepts, threshold=np.float64(self.threshold)
        )
        kind = {
            "algorithm": _ALGORITHM,
            "predictor_type": self.predictor_type,
            "probabilities": self.probabilities,
            "feature_dim": self.columns,
        }
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
            model = Linear(
                kind["predictor_type"],
                bool(kind["probabilities"]),
                np.ascontiguousarray(numbers["weights"], np.float64),
                numbers["intercepts"],
                float(numbers["threshold"]),
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of Linear Learner: {error}") from error
    return serving.Rows(catalogue.algorithm("linear_learner"), model)
