"""Newton's method over passes: the gradients of all models and their curvature are sums over the rows.

A pass sums the losses and gradients of all models at their present weights, and the curvature over as many rows as it
takes to know it well (Byrd et al., On the Use of Stochastic Hessian Information in Optimization Methods for Machine
Learning, 2011), but that of a sample of rows only as long as the weights move much. At its end each model takes a step
to the least of its parabola with the penalties on it, found by coordinate descent where there is an L1 penalty (Yuan,
Ho and Lin, An Improved GLMNET for L1-regularized Logistic Regression, 2012); one whose loss has risen goes back some of
the way. The sums of several instances add up to those that one
instance would have had.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.cores import pool
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.linear_learner.penalties import Penalties, fallen, least
from sagesmith.algorithms.linear_learner.problem import Problem

CHUNK = 4096
"""Rows that are taken in at a time, by one thread."""
_CURVATURE_FLOPS = 1e9
_CURVED_SHARE = 16
_JOINT_STRIDE = 4
"""Of rows of several classes, which take several times as long, only some of a chunk count."""
_ROWS_A_WEIGHT = 10
_ENOUGH = 1e-6
_STILL = 1e-9
_ROUNDED = 1e-7
_NEAR = 0.03
_CLOSE = 1e-4
_LONGER = 3.0
_SHARES = (0.05, 0.7)
_NARROW = 0.003
_NARROWING = 0.75

Prepare = Callable[[Batch], tuple[Any, Any]]
"""From a batch to its rows and labels as they are trained on."""


@dataclass(slots=True)
class Newton:
    """The state of a pass, and what the passes before have led to: see `run.state.State`.

    Attributes:
        weights: where the pass measures the losses, shape (models, classes, width).
        best: the weights of each model with the least loss that was measured; `objective` is that loss with penalties,
            `gradient` and `hessian` are those of its mean loss there.
        share: how much of Newton's step each model takes.
        gained: by how much each model's parabola falls to there; `expected` is the mean loss that it has there.
        kink: how wide the loss' kinks are at present: they begin wide, for bold steps, and become narrow.
        curving: the pass sums the curvature.
    """

    problem: Problem
    penalties: Penalties
    prepare: Prepare
    weights: Any
    best: Any = None
    objective: Any = None
    gradient: Any = None
    hessian: Any = None
    share: Any = None
    kink: float = 1.0
    gained: Any = None
    expected: Any = None
    losses: Any = field(init=False)
    counts: Any = field(init=False)
    slopes: Any = field(init=False)
    curves: Any = field(init=False)
    curved: Any = field(init=False)
    rows: int = 0
    curved_rows: int = 0
    curving: bool = True

    def __post_init__(self) -> None:
        models = len(self.weights)
        self.best = self.weights.copy()
        self.objective = np.full(models, np.inf)
        self.gradient = np.zeros_like(self.weights)
        self.hessian = np.zeros((models, self.size, self.size))
        self.share = np.ones(models)
        self.gained, self.expected = np.full(models, np.inf), np.full(models, np.inf)
        self._begin()

    @property
    def size(self) -> int:
        """The number of weights of a model."""
        return int(self.weights[0].size)

    @property
    def kinked(self) -> bool:
        return self.problem.loss is not None and self.problem.loss.kinked

    def update(self, batch: Batch) -> None:
        chunks = list(self._chunks(batch))
        for losses, counts, slopes, curves, curved in pool().map(self._measured, chunks):
            self.losses += losses
            self.counts += counts
            self.slopes += slopes
            if curves is not None:
                self.curves += curves
                self.curved += curved
        self.rows += len(batch)

    def merge(self, others: list["Newton"]) -> None:
        for other in others:
            self.losses += other.losses
            self.counts += other.counts
            self.slopes += other.slopes
            self.curves += other.curves
            self.curved += other.curved
            self.rows += other.rows

    def near(self, gain: float) -> bool:
        """No model's next step is going to gain more than this share of its loss."""
        return not self.kinked and bool((self.gained <= gain * np.abs(self.objective)).all())

    def mean_losses(self) -> Any:
        """Of the pass so far, without penalties."""
        return self.losses / np.maximum(self.counts, 1e-300)

    def step(self) -> bool:
        """End a pass: choose where the next one measures. Whether no further one is needed."""
        objective = self.mean_losses() + self.penalties.of(self.weights)
        better = objective <= self.objective + _ROUNDED * np.abs(objective)
        back = np.where(better, 0.0, self._shortened(objective))
        self.share = np.where(better, np.minimum(_LONGER * self.share, 1.0), back * self.share)
        self._accept(better, objective)
        before, self.gained = self.gained, np.array([self._next(*each) for each in enumerate(back)])
        gained = self.gained
        self.expected = self.objective - self.gained - self.penalties.of(self.weights)
        if not self.kinked:
            # By so much the gain of a whole step was less than that of the one before: the next one's is, too.
            whole = better & (self.share == 1) & np.isfinite(before)
            less = np.divide(gained, before, out=np.ones_like(gained), where=whole & (before > gained))
            gained = gained * less
        self.curving = self.curved_rows == self.rows or not (self.near(_NEAR) and better.all())
        narrow = not self.kinked or self.kink <= _NARROW
        self.kink = max(_NARROW, _NARROWING * self.kink)
        self._begin()
        return narrow and bool((gained <= _ENOUGH * np.abs(self.objective)).all())

    def arrays(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in _ARRAYS}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        for name in _ARRAYS:
            setattr(self, name, arrays[name])
        self.rows, self.curved_rows, self.kink = int(self.rows), int(self.curved_rows), float(self.kink)
        self.curving = bool(self.curving)

    def _begin(self) -> None:
        models = len(self.weights)
        self.losses, self.counts, self.curved = np.zeros(models), np.zeros(models), np.zeros(models)
        self.slopes = np.zeros_like(self.weights)
        self.curves = np.zeros_like(self.hessian)
        self.rows = self.curved_rows = 0

    def _accept(self, better: Any, objective: Any) -> None:
        self.best = np.where(better[:, None, None], self.weights, self.best)
        self.objective = np.where(better, objective, self.objective)
        mean = self.slopes / np.maximum(self.counts, 1e-300)[:, None, None]
        self.gradient = np.where(better[:, None, None], mean, self.gradient)
        if self.curving:
            hessian = self.curves / np.maximum(self.curved, 1e-300)[:, None, None]
            self.hessian = np.where(better[:, None, None], hessian, self.hessian)

    def _shortened(self, objective: Any) -> Any:
        """How much of the way from the best weights to the present ones leads to the least, were the loss a cubic."""
        way, width = self.weights - self.best, self.weights.shape[-1]
        l1, wd = self.penalties.shares(width)
        share_l1, share_wd = self.penalties.l1[:, None, None] * l1, self.penalties.wd[:, None, None] * wd
        more = (share_l1 * (np.abs(self.weights) - np.abs(self.best))).sum(axis=(1, 2))
        mean = self.slopes / np.maximum(self.counts, 1e-300)[:, None, None]
        begins = ((self.gradient + share_wd * self.best) * way).sum(axis=(1, 2)) + more
        ends = ((mean + share_wd * self.weights) * way).sum(axis=(1, 2)) + more
        # Nocedal and Wright, Numerical Optimization, 2006, equation 3.59.
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            bend = begins + ends - 3 * (objective - self.objective)
            root = np.sqrt(bend**2 - begins * ends)
            share = 1 - (ends + root - bend) / (ends - begins + 2 * root)
        return np.clip(np.where(np.isfinite(share), share, 0.0), *_SHARES)

    def _next(self, model: int, back: float) -> float:
        """Place a model's weights for the next pass; by how much its parabola falls from the best to there.

        Args:
            back: how much is left of the way to where the pass has measured, 0 if that was better.
        """
        best, gradient, hessian = self.best[model], self.gradient[model], self.hessian[model]
        if not back:
            if not self.kinked and self.gained[model] <= _STILL * abs(self.objective[model]):
                self.weights[model] = best
                return 0.0
            self.weights[model], gain = least(best, gradient, hessian, self.penalties, model, _CLOSE)
            if self.share[model] == 1:
                return gain
        self.weights[model] = best + (back or self.share[model]) * (self.weights[model] - best)
        return fallen(best, self.weights[model], gradient, hessian, self.penalties, model)

    def _chunks(self, batch: Batch) -> Iterator[tuple[Batch, int]]:
        """Pieces, and every how many of their rows count for the curvature, 0 for none."""
        enough = max(_ROWS_A_WEIGHT * self.size, _CURVATURE_FLOPS / (len(self.weights) * self.size**2))
        stride = 1 if self.problem.classes == 1 else _JOINT_STRIDE
        for number, piece in enumerate(batch.pieces(CHUNK)):
            seen = self.rows + number * CHUNK
            every = 0
            # The first rows, which may be all there are, and some of all others: they may be in an order.
            if self.curving and self.curved_rows < enough:
                every = 1
            elif self.curving and _CURVED_SHARE * self.curved_rows <= seen:
                every = stride
            self.curved_rows += len(piece) if every else 0
            yield piece, every

    def _measured(self, chunk: tuple[Batch, int]) -> tuple[Any, Any, Any, Any, Any]:
        """Sums over some rows: losses, counts, slopes, and if they are wanted curvature and its counts."""
        batch, every = chunk
        rows, labels = self.prepare(batch)
        raw, counts = self.problem.raw(rows, self.weights), self.problem.counts(labels)
        values, slopes = self.problem.measured(raw, labels, self.kink)
        total = self._total(labels, counts)
        if counts is not None:
            values, slopes = values * counts, slopes * counts[:, :, None]
        losses = values.sum(axis=0, dtype=np.float64)
        gradient = self.problem.gradients(rows, slopes).astype(np.float64)
        if not every:
            return losses, total, gradient, None, None
        rows, raw, labels = rows[::every], raw[::every], labels[::every]
        counts = None if counts is None else counts[::every]
        curves = self.problem.curvatures(rows, raw, labels, counts, self.kink)
        return losses, total, gradient, curves, self._total(labels, counts)

    def _total(self, labels: Any, counts: Any) -> Any:
        """What rows count together in each model."""
        found = np.full(len(self.weights), float(len(labels)))
        return found if counts is None else np.broadcast_to(counts.sum(axis=0, dtype=np.float64), found.shape)


_ARRAYS = (
    "weights",
    "best",
    "objective",
    "gradient",
    "hessian",
    "share",
    "gained",
    "expected",
    "kink",
    "losses",
    "counts",
    "slopes",
    "curves",
    "curved",
    "rows",
    "curved_rows",
    "curving",
)
