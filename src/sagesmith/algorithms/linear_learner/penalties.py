"""L1 and L2 penalties of several models, and the least of a parabola with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_JITTERS = (1e-9, 1e-7, 1e-5, 1e-3)
_SWEEPS = 8
_STILL = 1e-6


@dataclass(frozen=True, slots=True)
class Penalties:
    """`l1 * |w|_1 + wd / 2 * |w|^2` of each model.

    Attributes:
        l1, wd: of each model, shape (models,).
        bias: the last column is an intercept, whose `wd` is `bias_wd_mult` times the others', and which has no `l1`.
    """

    l1: Any
    wd: Any
    bias: bool = True
    bias_wd_mult: float = 0.0

    def shares(self, width: int) -> tuple[Any, Any]:
        """How much of `l1` and of `wd` each column has."""
        l1, wd = np.ones(width), np.ones(width)
        if self.bias:
            l1[-1], wd[-1] = 0.0, self.bias_wd_mult
        return l1, wd

    def of(self, weights: Any) -> Any:
        """The penalty of each model, shape (models,)."""
        l1, wd = self.shares(weights.shape[-1])
        return self.l1 * (np.abs(weights) * l1).sum(axis=(1, 2)) + self.wd / 2 * (weights**2 * wd).sum(axis=(1, 2))


def least(
    start: Any, gradient: Any, hessian: Any, penalties: Penalties, model: int, close: float = 0.0
) -> tuple[Any, float]:
    """Where a model's mean loss is least by its gradient and Hessian at `start`, with its penalties.

    Args:
        start, gradient: shape (classes, width).
        hessian: shape (classes * width, classes * width).
        close: where there is an L1 penalty, coordinates may be left of which none would add more than this share to
            what the parabola falls.

    Returns:
        The weights, and by how much the parabola with the penalties falls on the way.
    """
    parabola = _Parabola.of(start, gradient, hessian, penalties, model)
    width, l1, wd = start.shape[1], parabola.l1, parabola.wd

    def centre(weights: Any) -> Any:
        return _centred(weights.reshape(start.shape), l1[:width], wd[:width]).ravel()

    if l1.any():
        found = _by_coordinates(parabola, close, centre if len(start) > 1 else None)
    else:
        found = parabola.origin - _solved(parabola.curve, parabola.slope)
    if len(start) > 1:
        found = centre(found)
    return found.reshape(start.shape), parabola.fallen(found)


def fallen(start: Any, found: Any, gradient: Any, hessian: Any, penalties: Penalties, model: int) -> float:
    """By how much the same parabola with the penalties falls from `start` to there."""
    return _Parabola.of(start, gradient, hessian, penalties, model).fallen(found.ravel())


@dataclass(frozen=True, slots=True)
class _Parabola:
    """`slope * d + d * curve * d / 2 + l1 * |origin + d|`, all of them flat."""

    origin: Any
    slope: Any
    curve: Any
    l1: Any
    wd: Any

    @classmethod
    def of(cls, start: Any, gradient: Any, hessian: Any, penalties: Penalties, model: int) -> "_Parabola":
        classes, width = start.shape
        share_l1, share_wd = penalties.shares(width)
        l1 = np.tile(share_l1 * penalties.l1[model], classes)
        wd = np.tile(share_wd * penalties.wd[model], classes)
        origin = start.ravel()
        return cls(origin, gradient.ravel() + wd * origin, hessian + np.diag(wd), l1, wd)

    def fallen(self, found: Any) -> float:
        """By how much it falls to there."""
        way = found - self.origin
        rise = self.slope @ way + way @ self.curve @ way / 2 + self.l1 @ (np.abs(found) - np.abs(self.origin))
        return float(max(-rise, 0.0))


def _solved(matrix: Any, vector: Any) -> Any:
    """The solution of a system whose matrix is positive semidefinite, up to rounding; short where it is not unique."""
    diagonal = np.diag(matrix)
    # Columns of any scale count alike: those of small numbers would be lost beside what makes the matrix definite.
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    alike = matrix * scale * scale[:, None]
    for share in _JITTERS:
        surely = alike + np.diag(np.full(len(matrix), share))
        try:
            np.linalg.cholesky(surely)
        except np.linalg.LinAlgError:
            continue
        return scale * np.linalg.solve(surely, scale * vector)
    return scale**2 * vector


def _centred(weights: Any, l1: Any, wd: Any) -> Any:
    """The weights of several classes with the least penalty that have the same probabilities.

    Those do not change when all classes' weights of a column move alike.

    Args:
        weights: shape (classes, width).
        l1, wd: of each column, shape (width,).
    """
    classes = len(weights)
    # The least is where a weight becomes zero, or where a parabola of some weights above and others below zero has its.
    pulls = l1 * (2 * np.arange(classes + 1)[:, None] - classes) + wd * weights.sum(axis=0)
    ways = np.concatenate(
        [np.zeros_like(weights[:1]), -weights, -pulls / np.where(wd > 0, wd * classes, np.inf)], axis=0
    )
    moved = weights[None] + ways[:, None]
    penalties = (l1 * np.abs(moved) + wd / 2 * moved**2).sum(axis=1)
    return weights + np.take_along_axis(ways, penalties.argmin(axis=0)[None], axis=0)


def _by_coordinates(parabola: _Parabola, close: float, centre: Callable[[Any], Any] | None = None) -> Any:
    """The least of a parabola with L1 penalties.

    Sweeps over the coordinates find which are zero, often those that were; the others are solved for at once.

    Args:
        centre: given weights, others of the same loss that have less of a penalty, if there are any.
    """
    curve, l1 = parabola.curve, parabola.l1
    diagonal = np.maximum(np.diag(curve), 1e-30)
    found, slopes = parabola.origin.copy(), parabola.slope.copy()
    for _ in range(_SWEEPS):
        there = np.flatnonzero((found != 0) | (l1 == 0))
        signs = np.sign(found[there])
        # Where all signs stay, the penalty is linear.
        step = _solved(curve[np.ix_(there, there)], slopes[there] + l1[there] * signs)
        tried = found[there] - step
        if (tried * signs >= 0)[l1[there] > 0].all():
            slopes = slopes - curve[:, there] @ step
            found[there] = tried
            if (np.abs(slopes) <= l1 * (1 + _STILL))[found == 0].all():
                break
        furthest = 0.0
        for _ in range(2):
            furthest = _sweep(found, slopes, curve, diagonal, l1)
        if furthest <= close * parabola.fallen(found):
            break
        if centre is not None:
            # Along that way one coordinate after the other would hardly move.
            before, found = found, centre(found)
            slopes = slopes + curve @ (found - before)
    return found


def _sweep(found: Any, slopes: Any, curve: Any, diagonal: Any, l1: Any) -> float:
    """Move each coordinate to its least, one after the other; the largest gain."""
    furthest = 0.0
    for place in range(len(found)):
        before = found[place]
        wanted = before - slopes[place] / diagonal[place]
        # Soft thresholding.
        after = np.copysign(max(abs(wanted) - l1[place] / diagonal[place], 0.0), wanted)
        moved = after - before
        if moved:
            found[place] = after
            slopes += moved * curve[place]
            furthest = max(furthest, moved * moved * diagonal[place])
    return float(furthest)
