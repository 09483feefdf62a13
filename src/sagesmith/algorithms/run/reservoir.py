"""A uniform sample of a stream's rows: the state of algorithms that learn from a sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch

_LEAST_SLACK = 1024
_FIRST = 4096


@dataclass(slots=True)
class Reservoir:
    """Up to `size` of the rows that went by, without replacement, all with the same chance: see `run.state.State`.

    Every row gets a random key; those with the smallest keys stay. So a sample of several instances' rows is the union
    of their samples, cut to size. Memory is that of `size` rows and an eighth.

    Args:
        size: the most rows that are kept.
        rank: of the instance, so that each draws numbers of its own.
        prepare: makes of rows what is kept of them, an array of as many rows: only those that come in are prepared.

    Attributes:
        seen: how many rows went by.
    """

    size: int
    rank: int = 0
    seed: int = 0
    prepare: Callable[[Any], Any] | None = None
    seen: int = 0
    _count: int = 0
    _limit: float = 1.0
    _keys: Any = field(default_factory=lambda: np.empty(0, np.float64))
    _rows: Any = None
    _labels: Any = None

    def update(self, batch: Batch) -> None:
        keys = np.random.default_rng((self.seed, self.rank, self.seen)).random(len(batch))
        self.seen += len(batch)
        rows, labels = batch.dense(), batch.labels
        if self._limit < 1.0:
            chosen = np.flatnonzero(keys < self._limit)
            keys, rows, labels = keys[chosen], rows[chosen], None if labels is None else labels[chosen]
        if len(keys):
            self._take(keys, rows if self.prepare is None else self.prepare(rows), labels)

    def sample(self) -> tuple[Any, Any]:
        """The rows and their labels (None if they have none), in no order that means anything.

        Before there are any rows it is None and None.
        """
        self._shrink()
        if self._rows is None:
            return None, None
        return self._rows[: self._count], None if self._labels is None else self._labels[: self._count]

    def shuffled(self) -> Any:
        """The rows, in an order that is random and the same wherever they were drawn; None before there are any."""
        rows, _ = self.sample()
        return None if rows is None else rows[np.argsort(self._keys[: self._count], kind="stable")]

    @property
    def complete(self) -> bool:
        """Whether it has all rows that went by."""
        return self.seen <= self.size

    def merge(self, others: list["Reservoir"]) -> None:
        for other in others:
            rows, labels = other.sample()
            self.seen += other.seen
            if rows is not None:
                self._take(other._keys[: other._count], rows, labels)

    def arrays(self) -> Mapping[str, Any]:
        rows, labels = self.sample()
        arrays = {"seen": self.seen, "limit": self._limit, "keys": self._keys[: self._count]}
        arrays |= {} if rows is None else {"rows": rows}
        return arrays | ({} if labels is None else {"labels": labels})

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.seen, self._limit = int(arrays["seen"]), float(arrays["limit"])
        self._keys, self._rows, self._labels = arrays["keys"], arrays.get("rows"), arrays.get("labels")
        self._count = len(self._keys)

    def _take(self, keys: Any, rows: Any, labels: Any) -> None:
        start = 0
        while start < len(keys):
            self._make_room(len(keys) - start, rows, labels)
            end = start + min(len(self._keys) - self._count, len(keys) - start)
            place = slice(self._count, self._count + end - start)
            self._keys[place], self._rows[place] = keys[start:end], rows[start:end]
            if labels is not None:
                self._labels[place] = labels[start:end]
            self._count, start = place.stop, end

    def _make_room(self, wanted: int, rows: Any, labels: Any) -> None:
        """Room for at least one more row: by growing, and once that is at its end by letting go of what is too many."""
        most = self.size + max(self.size // 8, _LEAST_SLACK)
        if self._count + wanted > len(self._keys) < most:
            capacity = min(most, max(2 * len(self._keys), self._count + wanted, _FIRST))
            self._keys = _grown(self._keys, capacity)
            self._rows = _grown(
                np.empty((0, *rows.shape[1:]), rows.dtype) if self._rows is None else self._rows, capacity
            )
            if labels is not None:
                former = np.empty((0, *labels.shape[1:]), labels.dtype) if self._labels is None else self._labels
                self._labels = _grown(former, capacity)
        if self._count == len(self._keys):
            self._shrink()

    def _shrink(self) -> None:
        """Keep the smallest keys, in place."""
        if self._count <= self.size:
            return
        kept = np.zeros(self._count, bool)
        kept[np.argpartition(self._keys[: self._count], self.size - 1)[: self.size]] = True
        holes = np.flatnonzero(~kept[: self.size])
        moved = self.size + np.flatnonzero(kept[self.size :])
        for values in (self._keys, self._rows, self._labels):
            if values is not None:
                values[holes] = values[moved]
        self._count = self.size
        self._limit = float(self._keys[: self.size].max())


def _grown(values: Any, capacity: int) -> Any:
    grown = np.empty((capacity, *values.shape[1:]), values.dtype)
    grown[: len(values)] = values
    return grown
