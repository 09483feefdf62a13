"""Gradient methods: a step of all models after each mini-batch, one matrix product for all of them.

The penalties are part of the loss that is differentiated, as in AWS's.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html; Kingma and Ba, Adam (2015); Tieleman
and Hinton, RMSProp (2012); Duchi, Hazan and Singer, AdaGrad (2011).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.linear_learner.newton import Prepare
from sagesmith.algorithms.linear_learner.penalties import Penalties
from sagesmith.algorithms.linear_learner.problem import Problem

_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A gradient method and its settings.

    Attributes:
        learning_rates: of each model, shape (models,).
        bias_lr_mult: the intercept's learning rate is so many times the others'.
        factor, every, least: every so many steps the learning rate is multiplied by the factor, down to the least.
    """

    name: str
    learning_rates: Any
    momentum: float = 0.9
    beta_1: float = 0.9
    beta_2: float = 0.999
    bias_lr_mult: float = 1.0
    factor: float = 1.0
    every: int = 1
    least: float = 0.0

    def rates(self, step: int) -> Any:
        """The learning rate of each model at a step, from 0."""
        return np.maximum(self.learning_rates * self.factor ** (step // self.every), self.least)


@dataclass(slots=True)
class Descent:
    """Weights that a gradient method moves: see `run.state.State`.

    Attributes:
        weights: shape (models, classes, width), float32.
        first, second: the method's running means of gradients and of their squares.
        losses, counts: of the present pass, measured before each step.
        expected: the mean losses of the last pass.
    """

    problem: Problem
    penalties: Penalties
    prepare: Prepare
    optimizer: Optimizer
    mini_batch: int
    weights: Any
    first: Any = None
    second: Any = None
    expected: Any = field(init=False)
    losses: Any = field(init=False)
    counts: Any = field(init=False)
    steps: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        self.weights = self.weights.astype(np.float32)
        self.first, self.second = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.expected = np.full(len(self.weights), np.inf)
        self._begin()

    @property
    def best(self) -> Any:
        return self.weights

    def update(self, batch: Batch) -> None:
        rows, labels = self.prepare(batch)
        for start in range(0, len(labels), self.mini_batch):
            self._mini_batch(rows[start : start + self.mini_batch], labels[start : start + self.mini_batch])
        self.rows += len(batch)

    def merge(self, others: list["Descent"]) -> None:
        """The mean of all weights, each counting as many times as rows have moved it."""
        everybody = [self, *others]
        total = max(sum(each.rows for each in everybody), 1)
        for name in ("weights", "first", "second"):
            mean = sum(getattr(each, name).astype(np.float64) * (each.rows / total) for each in everybody)
            setattr(self, name, np.asarray(mean, np.float32))
        self.losses = sum(each.losses for each in everybody)
        self.counts = sum(each.counts for each in everybody)
        self.rows = sum(each.rows for each in everybody)

    def mean_losses(self) -> Any:
        return self.losses / np.maximum(self.counts, 1e-300)

    def step(self) -> bool:
        """End a pass. Never sure that no further one is needed."""
        self.expected = self.mean_losses()
        self._begin()
        return False

    def arrays(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in _ARRAYS}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        for name in _ARRAYS:
            setattr(self, name, arrays[name])
        self.steps, self.rows = int(self.steps), int(self.rows)

    def _begin(self) -> None:
        self.losses, self.counts = np.zeros(len(self.weights)), np.zeros(len(self.weights))
        self.rows = 0

    def _mini_batch(self, rows: Any, labels: Any) -> None:
        raw, counts = self.problem.raw(rows, self.weights), self.problem.counts(labels)
        counts = np.ones((len(labels), 1), np.float32) if counts is None else counts
        values, slopes = self.problem.measured(raw, labels)
        self.losses += (values * counts).sum(axis=0, dtype=np.float64)
        totals = counts.sum(axis=0)
        self.counts += totals
        slopes = slopes * (counts / np.maximum(totals, _TINY))[:, :, None]
        gradient = self.problem.gradients(rows, slopes)
        share_l1, share_wd = self.penalties.shares(self.weights.shape[-1])
        l1, wd = self.penalties.l1[:, None, None] * share_l1, self.penalties.wd[:, None, None] * share_wd
        gradient = gradient + wd.astype(np.float32) * self.weights
        if l1.any():
            gradient += l1.astype(np.float32) * np.sign(self.weights)
        rates = np.broadcast_to(self.optimizer.rates(self.steps)[:, None, None], self.weights.shape).copy()
        if self.penalties.bias:
            rates[:, :, -1] *= self.optimizer.bias_lr_mult
        self.steps += 1
        # In place of arrays that a copy of this state may share.
        self.weights = self.weights - rates.astype(np.float32) * self._direction(gradient)

    def _direction(self, gradient: Any) -> Any:
        own = self.optimizer
        if own.name == "sgd":
            self.first = own.momentum * self.first + gradient
            return self.first
        if own.name == "adagrad":
            self.second = self.second + gradient**2
            return gradient / (np.sqrt(self.second) + _TINY)
        self.second = own.beta_2 * self.second + (1 - own.beta_2) * gradient**2
        if own.name == "rmsprop":
            return gradient / (np.sqrt(self.second) + _TINY)
        self.first = own.beta_1 * self.first + (1 - own.beta_1) * gradient
        first = self.first / (1 - own.beta_1**self.steps)
        second = self.second / (1 - own.beta_2**self.steps)
        return first / (np.sqrt(second) + _TINY)


_ARRAYS = ("weights", "first", "second", "expected", "losses", "counts", "steps", "rows")
