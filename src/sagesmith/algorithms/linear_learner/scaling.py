"""Means and standard deviations, by which features and labels are shifted and scaled before training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch

_LABEL = -1


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, means and sums of squared deviations of each feature, and of the label in the last place."""

    count: int
    means: Any
    squares: Any

    @classmethod
    def of(cls, batches: Sequence[Batch], columns: int) -> "Moments":
        found = cls(0, np.zeros(columns + 1), np.zeros(columns + 1))
        for batch in batches:
            found = found.merged(_of(batch))
        return found

    def merged(self, other: "Moments") -> "Moments":
        """Of the rows of both (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        if count == 0:
            return self
        apart = other.means - self.means
        means = self.means + apart * (other.count / count)
        squares = self.squares + other.squares + apart**2 * (self.count * other.count / count)
        return Moments(count, means, squares)

    def arrays(self) -> Mapping[str, Any]:
        return {"count": self.count, "means": self.means, "squares": self.squares}

    @classmethod
    def restored(cls, arrays: Mapping[str, Any]) -> "Moments":
        return cls(int(arrays["count"]), arrays["means"], arrays["squares"])


@dataclass(frozen=True, slots=True)
class Scaling:
    """What features and labels become, and how weights are brought back.

    Attributes:
        shift, scale: of each feature: x becomes (x - shift) / scale.
        label_shift, label_scale: the same of the label.
        bias: prepared rows end in a column of ones.
    """

    shift: Any
    scale: Any
    label_shift: float
    label_scale: float
    bias: bool

    @classmethod
    def chosen(cls, values: Mapping[str, Any], moments: Moments, sparse: bool) -> "Scaling":
        """As the hyperparameters say.

        Args:
            sparse: the rows stay sparse: they are scaled, and shifted only where the job insists on it.
        """
        deviations = np.sqrt(moments.squares / max(moments.count, 1))
        # What is constant, up to what float32 resolves, cannot be scaled to a deviation of 1.
        deviations[deviations <= 1e-6 * np.abs(moments.means)] = 1.0
        bias, regressor = values["use_bias"], values["predictor_type"] == "regressor"
        shifts = _says(values["unbias_data"], bias) and not sparse
        scales = _says(values["normalize_data"], True)
        label_shifts = regressor and bias and _says(values["unbias_label"], True)
        label_scales = regressor and _says(values["normalize_label"], True)
        return cls(
            shift=moments.means[:_LABEL] if shifts else np.zeros(len(deviations) - 1),
            scale=deviations[:_LABEL] if scales else np.ones(len(deviations) - 1),
            label_shift=float(moments.means[_LABEL]) if label_shifts else 0.0,
            label_scale=float(deviations[_LABEL]) if label_scales else 1.0,
            bias=bias,
        )

    @property
    def width(self) -> int:
        """The number of columns of prepared rows."""
        return len(self.scale) + self.bias

    def features(self, features: Any) -> Any:
        """Rows as they are trained on: float32, dense or `csr_matrix`, with a column of ones if there is a bias."""
        columns = len(self.scale)
        if hasattr(features, "indptr"):
            return self._sparse(features)
        rows = np.empty((len(features), self.width), np.float32)
        if np.abs(self.shift).max(initial=0.0) > 1e3 * self.scale.min(initial=1.0):
            # float32 does not resolve what is left of large numbers that lie close together.
            rows[:, :columns] = (features.astype(np.float64) - self.shift) / self.scale
        else:
            np.subtract(features, self.shift.astype(np.float32), out=rows[:, :columns])
            rows[:, :columns] *= (1 / self.scale).astype(np.float32)
        rows[:, columns:] = 1
        return rows

    def labels(self, labels: Any) -> Any:
        """Labels as they are trained on, float32."""
        return ((labels.astype(np.float64) - self.label_shift) / self.label_scale).astype(np.float32)

    def raw(self, predictions: Any) -> Any:
        """Raw predictions in the units of the labels."""
        return predictions * self.label_scale + self.label_shift

    def original(self, weights: Any) -> tuple[Any, Any]:
        """Weights and intercepts for features and labels as they come.

        Args:
            weights: of prepared rows, shape (classes, width).

        Returns:
            Shapes (columns, classes) and (classes,), float64.
        """
        columns = len(self.scale)
        found = weights[:, :columns].astype(np.float64) / self.scale
        bias = weights[:, columns].astype(np.float64) if self.bias else np.zeros(len(weights))
        intercepts = bias - found @ self.shift
        return found.T * self.label_scale, intercepts * self.label_scale + self.label_shift

    def _sparse(self, features: Any) -> Any:
        from scipy import sparse

        rows = sparse.csr_matrix(
            (features.data * (1 / self.scale).astype(np.float32)[features.indices], features.indices, features.indptr),
            shape=features.shape,
        )
        if not self.bias:
            return rows
        return sparse.hstack([rows, np.ones((rows.shape[0], 1), np.float32)], format="csr")


def _of(batch: Batch) -> Moments:
    count = len(batch)
    if batch.sparse:
        features = batch.features.astype(np.float64)
        means = np.asarray(features.mean(axis=0)).ravel()
        squares = np.asarray(features.multiply(features).sum(axis=0)).ravel() - count * means**2
    else:
        features = batch.features.astype(np.float64)
        means = features.mean(axis=0)
        squares = ((features - means) ** 2).sum(axis=0)
    labels = batch.labels.astype(np.float64)
    mean = labels.mean()
    return Moments(count, np.append(means, mean), np.append(np.maximum(squares, 0), ((labels - mean) ** 2).sum()))


def _says(flag: bool | str, automatic: bool) -> bool:
    return automatic if flag == "auto" else bool(flag)
