"""What K-Means knows of a stream of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.kmeans.lloyd import Lloyd, chosen
from sagesmith.algorithms.kmeans.model import assigned
from sagesmith.algorithms.run.reservoir import Reservoir

_ROWS_A_CENTRE = 500
_FEWEST_ROWS = 20_000
_LARGEST_SAMPLE = 1 << 25
AUTO_EXTRA = 4
_EACH = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows are clustered: see the hyperparameters.

    Attributes:
        extra: how many times k centres a pass keeps, of which the model's are made.
        half_life: after so many rows a row counts half; 0: never.
        rank: this instance's.
    """

    k: int
    columns: int
    extra: int = AUTO_EXTRA
    init: str = "random"
    half_life: int = 0
    lloyd: Lloyd = field(default_factory=Lloyd)
    seed: int = 0
    rank: int = 0

    @property
    def centres(self) -> int:
        return self.k * self.extra

    @property
    def sampled(self) -> int:
        """How many rows are kept: so many that centres of them are as good as those of all (the loss differs by about
        the share of k in them), and no more than fit in some memory."""
        wanted = max(_FEWEST_ROWS, _ROWS_A_CENTRE * self.k)
        return max(self.centres, min(wanted, _LARGEST_SAMPLE // self.columns))


@dataclass(slots=True)
class Clusters:
    """The state of K-Means: see `run.state.State`.

    While it learns it has two views of the rows: more centres than asked for, each the (decaying) mean of the rows
    closest to it, as AWS's algorithm; and a sample of the rows. Models of any k up to that number of centres are made
    of them. Once a model is chosen, further passes are exact steps of Lloyd's algorithm over all rows (`refine`), or
    where late rows count more, more of the stream (`carry_on`).

    Attributes:
        means, weights: of the many centres; empty until there are enough rows to choose them from.
        model: the centres that were chosen, empty before.
        sums, counts, distance: of the pass that refines them.
        reached: the sum of squared distances of all rows, as well as the last pass told it.
    """

    plan: Plan
    sample: Reservoir
    means: Any
    weights: Any
    model: Any
    sums: Any
    counts: Any
    distance: float = 0.0
    reached: float = 0.0

    @classmethod
    def empty(cls, plan: Plan) -> "Clusters":
        none = np.zeros((0, plan.columns))
        return cls(plan, _reservoir(plan), none, np.zeros(0), none, none, np.zeros(0))

    @property
    def seen(self) -> int:
        return self.sample.seen

    @property
    def rows(self) -> Any:
        """The sample, in random order."""
        found = self.sample.shuffled()
        return np.zeros((0, self.plan.columns), np.float32) if found is None else found

    def update(self, batch: Batch) -> None:
        rows = batch.dense()
        if self._refines:
            self._step(rows)
        else:
            self._learn(rows)

    def merge(self, others: list["Clusters"]) -> None:
        if self._refines:
            for other in others:
                self.sums = self.sums + other.sums
                self.counts = self.counts + other.counts
                self.distance += other.distance
            return
        if not len(self.model):
            self.sample.merge([other.sample for other in others])
        means = np.concatenate([self.means, *(other.means for other in others)])
        weights = np.concatenate([self.weights, *(other.weights for other in others)])
        if len(means) > self.plan.centres:
            fewer = Lloyd(trials=1).fit(means, self.plan.centres, weights).centres
            sums, total, _ = assigned(fewer, means.astype(np.float32), weights)
            used = total > 0
            means, weights = sums[used] / total[used, None], total[used]
        self.means, self.weights = means, weights

    def arrays(self) -> Mapping[str, Any]:
        return {
            **{f"sample_{name}": value for name, value in self.sample.arrays().items()},
            "means": self.means,
            "weights": self.weights,
            "model": self.model,
            "sums": self.sums,
            "counts": self.counts,
            "distance": self.distance,
            "reached": self.reached,
        }

    def restore(self, arrays: Mapping[str, Any]) -> None:
        sampled = {name.removeprefix("sample_"): each for name, each in arrays.items() if name.startswith("sample_")}
        if "rows" in sampled and sampled["rows"].shape[1:] != (self.plan.columns,):
            raise ValueError(f"it is of rows of {sampled['rows'].shape[1]} features, not {self.plan.columns}")
        # One of its own: others may have begun with this one.
        self.sample = _reservoir(self.plan)
        self.sample.restore(sampled)
        self.means, self.weights, self.model = arrays["means"], arrays["weights"], arrays["model"]
        self.sums, self.counts = arrays["sums"], arrays["counts"]
        self.distance, self.reached = float(arrays["distance"]), float(arrays["reached"])

    def centres(self, k: int) -> tuple[Any, float]:
        """The best k centres that it knows, and their mean squared distance: Lloyd's algorithm on the sample, begun
        several times, once from what the many centres come to; of the many centres alone where late rows count more."""
        rows, lloyd, many = self.rows, self.plan.lloyd, None
        decaying = self.plan.half_life > 0
        if k <= len(self.means) and (decaying or not self.sample.complete):
            many = lloyd.fit(self.means, k, self.weights).centres
            if decaying:
                return many, assigned(many, rows)[2] / len(rows)
        best = lloyd.fit(rows, k, also=many)
        return best.centres, best.loss / len(rows)

    def refine(self, model: Any) -> None:
        """Begin a pass that improves these centres."""
        self.model = model
        self.sums, self.counts, self.distance = np.zeros_like(model), np.zeros(len(model)), 0.0

    def carry_on(self, model: Any, instances: int) -> None:
        """Begin another pass of the stream, of which a model was made already.

        Args:
            instances: how many begin it with this state: what it knows is to count once where they merge.
        """
        self.model = model
        self.weights = self.weights / instances

    def refined(self) -> Any:
        """The centres after a pass: each the mean of its rows. After one that was not finished, as they were."""
        if self.counts.sum() != self.seen:
            return self.model
        return np.where(self.counts[:, None] > 0, self.sums / np.maximum(self.counts, 1)[:, None], self.model)

    @property
    def _refines(self) -> bool:
        return len(self.model) > 0 and not self.plan.half_life

    def _step(self, rows: Any) -> None:
        sums, counts, distance = assigned(self.model, rows)
        self.sums = self.sums + sums
        self.counts = self.counts + counts
        self.distance += distance

    def _learn(self, rows: Any) -> None:
        if not len(self.model):
            # In further passes the same rows come again.
            self.sample.update(Batch(rows))
        if not len(self.means):
            if self.seen < self.plan.centres:
                return
            rows = self.rows
            self.means = self._first(rows).astype(np.float64)
            self.weights = np.zeros(len(self.means))
        # The many centres move little any more once there are more rows than the sample has room for.
        each = 1 if self.plan.half_life or self.seen <= self.plan.sampled else _EACH
        sums, counts, _ = assigned(self.means, rows[::each])
        sums, counts = each * sums, each * counts
        if self.plan.half_life:
            self.weights = self.weights * 0.5 ** (len(rows) / self.plan.half_life)
        self.weights = self.weights + counts
        gained = counts > 0
        share = (1 / self.weights[gained])[:, None]
        means = self.means.copy()
        means[gained] += (sums[gained] - counts[gained, None] * means[gained]) * share
        self.means = means

    def _first(self, rows: Any) -> Any:
        return chosen(rows, self.plan.centres, self.plan.init, np.random.default_rng(self.plan.seed))


def _reservoir(plan: Plan) -> Reservoir:
    return Reservoir(plan.sampled, plan.rank, plan.seed)
