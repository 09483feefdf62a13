"""The state of a job: its models as they are trained, and the best that was seen of them."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.linear_learner.descent import Descent
from sagesmith.algorithms.linear_learner.newton import Newton
from sagesmith.algorithms.linear_learner.squares import Squares


@dataclass(slots=True)
class Learner:
    """See `run.state.State`.

    Attributes:
        value: how good the kept model is by the job's criterion, more is better; `loss` breaks ties.
        kept: its weights, shape (classes, width); `model` is its place among the candidates.
        threshold: its own.
        waited: passes since the criterion has improved by more than the tolerance.
        seen: rows of each label, of a classifier.
    """

    method: Newton | Descent | Squares
    seen: Any
    value: float = -np.inf
    loss: float = np.inf
    kept: Any = None
    model: int = 0
    threshold: float = 0.0
    waited: int = 0
    passed: int = 0
    _names: tuple[str, ...] = field(
        default=("seen", "value", "loss", "kept", "model", "threshold", "waited", "passed"), repr=False
    )

    def __post_init__(self) -> None:
        self.kept = self.method.weights[0].astype(np.float64)

    def update(self, batch: Batch) -> None:
        self.method.update(batch)
        if len(self.seen) and self.passed == 0:
            self.seen = self.seen + np.bincount(batch.labels.astype(np.intp), minlength=len(self.seen))

    def merge(self, others: list["Learner"]) -> None:
        methods: list[Any] = [other.method for other in others]
        self.method.merge(methods)
        if self.passed == 0:
            self.seen = sum((other.seen for other in others), self.seen)

    def arrays(self) -> Mapping[str, Any]:
        own = {name: getattr(self, name) for name in self._names}
        return own | {f"method_{name}": array for name, array in self.method.arrays().items()}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        own = self.arrays()
        for name in own:
            if np.shape(arrays[name]) != np.shape(own[name]):
                raise ValueError(f"{name} has the shape {np.shape(arrays[name])} instead of {np.shape(own[name])}")
        # Whoever this is a copy of keeps its own.
        self.method = copy(self.method)
        self.method.restore({name: arrays[f"method_{name}"] for name in self.method.arrays()})
        self.seen, self.kept = arrays["seen"], arrays["kept"]
        self.value, self.loss, self.threshold = (float(arrays[name]) for name in ("value", "loss", "threshold"))
        self.model, self.waited, self.passed = (int(arrays[name]) for name in ("model", "waited", "passed"))

    def consider(self, values: Any, losses: Any, thresholds: Any, tolerance: float, *, falls: bool = False) -> bool:
        """Keep the best model of a pass if it is better than the one that is kept; whether it is.

        Args:
            values, losses, thresholds: of each model, by the job's criterion.
            tolerance: a smaller relative improvement counts as none for early stopping.
            falls: passes make the models better for sure; by how much, the values only estimate.
        """
        best = int(np.lexsort((losses, -values))[0])
        value, loss = float(values[best]), float(losses[best])
        gained = value - self.value
        enough = not np.isfinite(self.value) or gained > tolerance * abs(self.value)
        self.waited = 0 if enough else self.waited + 1
        better = falls or gained > 0 or (gained == 0 and loss < self.loss)
        if better:
            self.value, self.loss, self.model = value, loss, best
            self.kept = self.method.weights[best].astype(np.float64)
            self.threshold = float(thresholds[best])
        return better
