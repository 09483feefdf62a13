"""Losses of a raw prediction f: their value, their slope, and a curvature for Newton's method.

All take arrays that broadcast against each other, raw predictions of shape (rows, models) and labels of shape
(rows, 1), and the width of a kink. A loss with kinks is made of absolute values |u|; with a width k they are
sqrt(u^2 + k^2), which has a second derivative, and is |u| for k = 0. Its curvature has some of the parabola above it
that touches it at f (an MM algorithm: Hunter and Lange, 2004), so that steps stay of a sensible length where hardly any
row lies in a kink.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAJORANT = 0.1
_TINY = 1e-12

Pointwise = Callable[[Any, Any, float], Any]


def _same(raw: Any) -> Any:
    return raw


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss of one raw prediction a row.

    Attributes:
        objective: its name in AWS's logs, before `_objective`.
        value, slope, curvature: functions of raw predictions, labels (0 or 1 of a classifier) and the kinks' width.
        together: value and slope at once, where that is less work.
        constant: the curvature is the same everywhere, so that sums over one pass determine the best weights.
        kinked: the width matters.
        score: what a classifier shows of a raw prediction.
        threshold: the score from which on it says 1 before one was chosen.
    """

    objective: str
    value: Pointwise
    slope: Pointwise
    curvature: Pointwise
    together: Callable[[Any, Any, float], tuple[Any, Any]] | None = None
    constant: bool = False
    kinked: bool = False
    score: Callable[[Any], Any] = _same
    threshold: float = 0.0

    def measured(self, raw: Any, labels: Any, kink: float) -> tuple[Any, Any]:
        """Value and slope."""
        if self.together is not None:
            return self.together(raw, labels, kink)
        return self.value(raw, labels, kink), self.slope(raw, labels, kink)


def sigmoid(raw: Any) -> Any:
    """1 / (1 + exp(-raw)), of the array's own type; right for raw numbers of any size."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-raw))


def softmax(raw: Any) -> Any:
    """Probabilities along the last axis."""
    shares = np.exp(raw - raw.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


def _logistic() -> Loss:
    def together(raw: Any, labels: Any, _: float) -> tuple[Any, Any]:
        # With the sign by which all rows are of class 0 the loss is log(1 + exp(u)), of slope 1 / (1 + exp(-u)).
        signs = 1 - 2 * labels
        wrong = raw * signs
        small = np.exp(-np.abs(wrong))
        totals = 1 + small
        # NumPy's log is several times faster than its log1p.
        values = np.log(totals)
        values += np.maximum(wrong, 0)
        slopes = np.where(wrong > 0, 1, small)
        slopes /= totals
        slopes *= signs
        return values, slopes

    def curvature(raw: Any, labels: Any, _: float) -> Any:
        shares = sigmoid(raw)
        return shares * (1 - shares)

    return Loss(
        "binary_classification_cross_entropy",
        lambda raw, labels, kink: together(raw, labels, kink)[0],
        lambda raw, labels, _: sigmoid(raw) - labels,
        curvature,
        together,
        score=sigmoid,
        threshold=0.5,
    )


def _hinge(margin: float) -> Loss:
    # max(0, u) = (u + |u|) / 2, u = margin - s * raw, s = 1 or -1
    def short(raw: Any, labels: Any) -> Any:
        return margin - (2 * labels - 1) * raw

    def value(raw: Any, labels: Any, kink: float) -> Any:
        missing = short(raw, labels)
        return (missing + _size(missing, kink)) / 2

    return Loss(
        "hinge_loss",
        value,
        lambda raw, labels, kink: (1 - 2 * labels) * (_sign(short(raw, labels), kink) + 1) / 2,
        lambda raw, labels, kink: _bend(short(raw, labels), kink) / 2,
        kinked=True,
    )


def _squared() -> Loss:
    return Loss(
        "mse",
        lambda raw, labels, _: (raw - labels) ** 2,
        lambda raw, labels, _: 2 * (raw - labels),
        lambda raw, labels, _: np.full_like(raw, 2),
        constant=True,
    )


def _absolute() -> Loss:
    return Loss(
        "absolute_loss",
        lambda raw, labels, kink: _size(raw - labels, kink),
        lambda raw, labels, kink: _sign(raw - labels, kink),
        lambda raw, labels, kink: _bend(raw - labels, kink),
        kinked=True,
    )


def _quantile(quantile: float) -> Loss:
    # With r = label - raw: |r| / 2 + (quantile - 1/2) r
    return Loss(
        "quantile_loss",
        lambda raw, labels, kink: _size(labels - raw, kink) / 2 + (quantile - 0.5) * (labels - raw),
        lambda raw, labels, kink: _sign(raw - labels, kink) / 2 - (quantile - 0.5),
        lambda raw, labels, kink: _bend(raw - labels, kink) / 2,
        kinked=True,
    )


def _huber(delta: float) -> Loss:
    def value(raw: Any, labels: Any, _: float) -> Any:
        errors = np.abs(raw - labels)
        near = np.minimum(errors, delta)
        return near * (errors - near / 2)

    return Loss(
        "huber_loss",
        value,
        lambda raw, labels, _: np.clip(raw - labels, -delta, delta),
        lambda raw, labels, _: np.minimum(1, delta / np.maximum(np.abs(raw - labels), _TINY)),
    )


def _insensitive_squared(width: float) -> Loss:
    def beyond(raw: Any, labels: Any) -> Any:
        return np.maximum(np.abs(raw - labels) - width, 0)

    return Loss(
        "eps_insensitive_squared_loss",
        lambda raw, labels, _: beyond(raw, labels) ** 2,
        lambda raw, labels, _: 2 * np.sign(raw - labels) * beyond(raw, labels),
        lambda raw, labels, _: 2 * (beyond(raw, labels) > 0).astype(raw.dtype),
    )


def _insensitive_absolute(width: float) -> Loss:
    # max(0, |r| - width) = |r - width| / 2 + |r + width| / 2 - width
    def sides(function: Callable[[Any, float], Any]) -> Pointwise:
        return lambda raw, labels, kink: (
            (function(raw - labels - width, kink) + function(raw - labels + width, kink)) / 2
        )

    size = sides(_size)
    return Loss(
        "eps_insensitive_absolute_loss",
        lambda raw, labels, kink: size(raw, labels, kink) - width,
        sides(_sign),
        sides(_bend),
        kinked=True,
    )


def _size(numbers: Any, kink: float) -> Any:
    return np.sqrt(numbers**2 + kink**2) if kink else np.abs(numbers)


def _sign(numbers: Any, kink: float) -> Any:
    return numbers / _size(numbers, kink) if kink else np.sign(numbers)


def _bend(numbers: Any, kink: float) -> Any:
    sizes = np.maximum(_size(numbers, kink), _TINY)
    return (1 - _MAJORANT) * kink**2 / sizes**3 + _MAJORANT / sizes


CROSS_ENTROPY = "multiclass_cross_entropy"
"""The objective of `softmax_loss`, which is a loss of several raw predictions a row."""


def loss(name: str, values: Mapping[str, Any]) -> Loss:
    """A loss by AWS's name, with the hyperparameters that are its own."""
    makers: dict[str, Callable[[], Loss]] = {
        "logistic": _logistic,
        "hinge_loss": lambda: _hinge(values["margin"]),
        "squared_loss": _squared,
        "absolute_loss": _absolute,
        "quantile_loss": lambda: _quantile(values["quantile"]),
        "huber_loss": lambda: _huber(values["huber_delta"]),
        "eps_insensitive_squared_loss": lambda: _insensitive_squared(values["loss_insensitivity"]),
        "eps_insensitive_absolute_loss": lambda: _insensitive_absolute(values["loss_insensitivity"]),
    }
    return makers[name]()
