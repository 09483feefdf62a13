"""The squared loss: one pass sums products of the columns, which determine the best weights for any penalty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.cores import pool
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.linear_learner.newton import CHUNK, Prepare
from sagesmith.algorithms.linear_learner.penalties import Penalties, least

_CLOSE = 1e-12


@dataclass(slots=True)
class Squares:
    """Sums over rows, whatever the number of models: see `run.state.State`.

    Attributes:
        weights: those that are best for the rows up to the last `step`, shape (models, 1, width); as they began before.
        products: sums of products of any two columns of prepared rows, of which the last is the label, float64.
        count: of the rows.
        expected: the mean losses with these weights.
    """

    penalties: Penalties
    prepare: Prepare
    weights: Any
    products: Any = field(init=False)
    count: int = 0
    expected: Any = field(init=False)

    def __post_init__(self) -> None:
        size = self.weights.shape[-1] + 1
        self.products = np.zeros((size, size))
        self.expected = np.full(len(self.weights), np.inf)

    def update(self, batch: Batch) -> None:
        for products in pool().map(self._products, batch.pieces(CHUNK)):
            self.products = self.products + products
        self.count += len(batch)

    def merge(self, others: list["Squares"]) -> None:
        for other in others:
            self.products = self.products + other.products
            self.count += other.count

    def mean_losses(self) -> Any:
        """Of the models that `step` has found."""
        return self.expected

    def step(self) -> bool:
        """Find the best weights. No further pass is needed."""
        means = self.products / max(self.count, 1)
        hessian, gradient = 2 * means[:-1, :-1], -2 * means[None, :-1, -1]
        models = range(len(self.weights))
        start = np.zeros_like(self.weights[0])
        self.weights = np.stack(
            [least(start, gradient, hessian, self.penalties, each, close=_CLOSE)[0] for each in models]
        )
        ways = np.concatenate([self.weights[:, 0], np.full((len(models), 1), -1.0)], axis=1)
        self.expected = np.maximum(np.einsum("mi,ij,mj->m", ways, means, ways), 0.0)
        self.products, self.count = np.zeros_like(self.products), 0
        return True

    def arrays(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in ("weights", "products", "count", "expected")}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.weights, self.products, self.expected = (arrays[name] for name in ("weights", "products", "expected"))
        self.count = int(arrays["count"])

    def _products(self, batch: Batch) -> Any:
        rows, labels = self.prepare(batch)
        size = rows.shape[1]
        found = np.empty((size + 1, size + 1))
        found[:size, :size] = rows.T @ rows
        found[size, :size] = found[:size, size] = labels @ rows
        found[size, size] = labels @ labels
        return found
