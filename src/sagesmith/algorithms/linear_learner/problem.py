"""What is minimised: a loss summed over rows, for several models at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.linear_learner.losses import CROSS_ENTROPY, Loss, softmax


@dataclass(frozen=True, slots=True)
class Problem:
    """Sums over rows of the losses of some models.

    Weights have the shape (models, classes, width); a regressor and a binary classifier have one class.

    Attributes:
        loss: None for softmax over the classes.
        positive: what a row of label 1 counts in each model, shape (models,); None: what any row does.
        balance: what a row of each class counts, shape (classes,), of a multiclass classifier; None likewise.
    """

    classes: int
    loss: Loss | None
    positive: Any = None
    balance: Any = None

    @property
    def objective(self) -> str:
        return CROSS_ENTROPY if self.loss is None else self.loss.objective

    def counts(self, labels: Any) -> Any:
        """What each row counts: shape (rows, models), or (rows, 1) if it is the same in all models; None if all rows
        count alike."""
        if self.positive is not None:
            return np.where(labels[:, None] == 1, self.positive.astype(np.float32), np.float32(1))
        if self.balance is not None:
            return self.balance.astype(np.float32)[labels.astype(np.intp)][:, None]
        return None

    def raw(self, rows: Any, weights: Any) -> Any:
        """Raw predictions of prepared rows, shape (rows, models, classes)."""
        models, classes, width = weights.shape
        columns = np.ascontiguousarray(weights.reshape(models * classes, width).T.astype(np.float32))
        return np.asarray(rows @ columns).reshape(-1, models, classes)

    def losses(self, raw: Any, labels: Any, kink: float = 0.0) -> Any:
        """The loss of each row in each model, shape (rows, models)."""
        if self.loss is not None:
            return self.loss.value(raw[:, :, 0], labels[:, None], kink)
        return self._cross_entropies(raw, labels)[0]

    def slopes(self, raw: Any, labels: Any, kink: float = 0.0) -> Any:
        """The derivatives of the losses by the raw predictions, in their shape."""
        return self.measured(raw, labels, kink)[1]

    def measured(self, raw: Any, labels: Any, kink: float = 0.0) -> tuple[Any, Any]:
        """Losses and slopes."""
        if self.loss is None:
            return self._cross_entropies(raw, labels)
        values, slopes = self.loss.measured(raw[:, :, 0], labels[:, None], kink)
        return values, slopes[:, :, None]

    def curvature(self, rows: Any, raw: Any, labels: Any, counts: Any, model: int, kink: float = 0.0) -> Any:
        """The sum of second derivatives by a model's weights, in the order of (class, column).

        Returns:
            An array of shape (classes * width, classes * width).
        """
        count = np.float32(1) if counts is None else counts[:, min(model, counts.shape[1] - 1)]
        if self.loss is not None:
            bends = self.loss.curvature(raw[:, model, 0], labels, kink) * count
            scaled = rows * np.sqrt(bends)[:, None]
            return scaled.T @ scaled
        return self._joint(rows, softmax(raw[:, model]), count)

    def _cross_entropies(self, raw: Any, labels: Any) -> tuple[Any, Any]:
        shares = raw - raw.max(axis=2, keepdims=True)
        own = np.arange(len(raw)), slice(None), labels.astype(np.intp)
        short = shares[own]
        np.exp(shares, out=shares)
        totals = shares.sum(axis=2)
        shares /= totals[:, :, None]
        shares[own] -= 1
        return np.log(totals) - short, shares

    def _joint(self, rows: Any, shares: Any, count: Any) -> Any:
        width = rows.shape[1]
        found = np.empty((self.classes, width, self.classes, width), np.float32)
        for one in range(self.classes):
            for other in range(one, self.classes):
                # diag(p) - p p^T is positive semidefinite; its entries off the diagonal are not positive.
                bends = shares[:, one] * ((one == other) - shares[:, other]) * count
                block = rows.T @ (rows * bends[:, None])
                found[one, :, other, :] = block
                found[other, :, one, :] = block.T
        return found.reshape(self.classes * width, self.classes * width)
