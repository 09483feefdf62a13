"""Running means of the rows closest to each of some centres."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.kmeans.model import closest


@dataclass(slots=True)
class Centres:
    """The state of a pass: see `run.state.State`.

    Attributes:
        means: shape (centres, columns).
        counts: how many rows each has; 0 for one that is still to be chosen.
        distance: the sum of squared distances of the rows that were seen.
    """

    means: Any
    counts: Any
    seen: int = 0
    distance: float = 0.0

    @classmethod
    def empty(cls, centres: int, columns: int) -> "Centres":
        return cls(np.zeros((centres, columns), np.float64), np.zeros(centres, np.float64))

    def update(self, batch: Batch) -> None:
        rows = batch.dense()
        chosen = int((self.counts > 0).sum())
        if chosen < len(self.counts):
            taken = rows[: len(self.counts) - chosen]
            self.means[chosen : chosen + len(taken)] = taken
            self.counts[chosen : chosen + len(taken)] = 1
            rows = rows[len(taken) :]
            self.seen += len(taken)
        if not len(rows):
            return
        nearest, distances = closest(self.means, rows)
        sums = np.zeros_like(self.means)
        np.add.at(sums, nearest, rows)
        counts = np.bincount(nearest, minlength=len(self.counts))
        self.counts += counts
        self.means += (sums - counts[:, None] * self.means) / np.maximum(self.counts, 1)[:, None]
        self.seen += len(rows)
        self.distance += float(distances.sum())

    def merge(self, others: list["Centres"]) -> None:
        for other in others:
            self.means = np.concatenate([self.means, other.means])
            self.counts = np.concatenate([self.counts, other.counts])
            self.seen += other.seen
            self.distance += other.distance

    def arrays(self) -> Mapping[str, Any]:
        return {"means": self.means, "counts": self.counts, "seen": self.seen, "distance": self.distance}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.means, self.counts = arrays["means"], arrays["counts"]
        self.seen, self.distance = int(arrays["seen"]), float(arrays["distance"])

    def reduced(self, k: int, iterations: int) -> Any:
        """k centres of these centres."""
        from sklearn.cluster import KMeans

        used = self.counts > 0
        found = KMeans(k, n_init=10, max_iter=iterations, random_state=0)
        return found.fit(self.means[used], sample_weight=self.counts[used]).cluster_centers_
