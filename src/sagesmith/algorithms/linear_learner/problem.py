"""What is minimised: a loss summed over rows, for several models at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.linear_learner.losses import CROSS_ENTROPY, Loss, softmax

_TOGETHER = 128
"""Sums over the same products are taken so many at a time."""


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
        """Raw predictions of prepared rows, shape (rows, models, classes).

        Those of dense rows lie by class, then by model: sums over classes and functions of all rows go through memory
        in its order.
        """
        models, classes, width = weights.shape
        columns = weights.transpose(1, 0, 2).reshape(classes * models, width).astype(np.float32)
        if hasattr(rows, "indptr"):
            return np.asarray(rows @ columns.T).reshape(-1, classes, models).transpose(0, 2, 1)
        return (columns @ rows.T).reshape(classes, models, -1).transpose(2, 1, 0)

    def gradients(self, rows: Any, slopes: Any) -> Any:
        """Sums of the derivatives by the weights, shape (models, classes, width), float32.

        Args:
            slopes: derivatives by the raw predictions, shape (rows, models, classes).
        """
        count, models, classes = slopes.shape
        by_class = slopes.transpose(2, 1, 0).reshape(classes * models, count)
        found = (rows.T @ by_class.T).T if hasattr(rows, "indptr") else by_class @ rows
        return np.asarray(found).reshape(classes, models, -1).transpose(1, 0, 2)

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

    def curvatures(self, rows: Any, raw: Any, labels: Any, counts: Any, kink: float = 0.0) -> Any:
        """Sums of second derivatives by the weights of each model, in the order of (class, column).

        Returns:
            An array of shape (models, classes * width, classes * width).
        """
        if self.loss is None:
            return self._joint(rows, softmax(raw), counts)
        bends = self.loss.curvature(raw[:, :, 0], labels[:, None], kink)
        roots = np.sqrt(bends if counts is None else bends * counts)
        scaled = (rows * roots[:, model, None] for model in range(raw.shape[1]))
        return np.stack([each.T @ each for each in scaled])

    def _cross_entropies(self, raw: Any, labels: Any) -> tuple[Any, Any]:
        shares = raw - raw.max(axis=2, keepdims=True)
        short = shares[np.arange(len(raw)), :, labels.astype(np.intp)]
        np.exp(shares, out=shares)
        totals = shares.sum(axis=2)
        shares *= (1 / totals)[:, :, None]
        shares -= (labels == np.arange(self.classes)[:, None]).astype(np.float32).T[:, None]
        return np.log(totals) - short, shares

    def _joint(self, rows: Any, shares: Any, counts: Any) -> Any:
        count, models, classes = shares.shape
        width = rows.shape[1]
        found = np.empty((models, classes, width, classes, width), np.float32)
        ones, others = np.triu_indices(classes)
        by_class = np.ascontiguousarray(shares.transpose(2, 1, 0))
        for first in range(0, len(ones), max(1, _TOGETHER // models)):
            pairs = slice(first, first + max(1, _TOGETHER // models))
            one, other = ones[pairs], others[pairs]
            # Of diag(p) - p p^T, which is positive semidefinite.
            bends = by_class[one] * ((one == other)[:, None, None] - by_class[other])
            if counts is not None:
                bends *= counts.T
            flat = bends.astype(np.float32).reshape(-1, count)
            blocks = np.empty((len(one), models, width, width), np.float32)
            for column in range(width):
                sums = (flat @ (rows[:, column:] * rows[:, column, None])).reshape(len(one), models, -1)
                blocks[..., column, column:] = blocks[..., column:, column] = sums
            for a, b, block in zip(one, other, blocks, strict=True):
                found[:, a, :, b] = found[:, b, :, a] = block
        return found.reshape(models, classes * width, classes * width)
