"""A fixed number of rows of a stream, each with the same chance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(slots=True)
class Sample:
    """Part of a state (`run.state.State`): of all rows that were seen, `size` without replacement.

    Each row gets a random priority; those of the highest stay. So the samples of several instances merge into one of
    all their rows, exactly: take the highest of both.

    Attributes:
        size: how many rows stay.
        seed, rank: with the number of rows seen, what the priorities are made of: the same rows give the same sample.
            Each instance has a rank of its own.
        seen: how many rows there were.
    """

    size: int
    columns: int
    seed: int = 0
    rank: int = 0
    seen: int = 0
    _rows: Any = field(init=False)
    _priorities: Any = field(init=False)
    _filled: int = field(default=0, init=False)
    _floor: float = field(default=-1.0, init=False)

    def __post_init__(self) -> None:
        self._rows = np.empty((0, self.columns), np.float32)
        self._priorities = np.empty(0, np.float64)

    def update(self, rows: Any) -> None:
        """Take in some rows, an array of shape (any, columns)."""
        count = len(rows)
        generator = np.random.Generator(np.random.Philox(key=[self.seed, self.rank], counter=[0, self.seen, 0, 0]))
        priorities = generator.random(count)
        self.seen += count
        taken = np.flatnonzero(priorities > self._floor)
        self._add(rows if len(taken) == count else rows[taken], priorities[taken])

    def merge(self, others: "list[Sample]") -> None:
        for other in others:
            rows, priorities = other._highest()
            self._add(rows, priorities)
            self.seen += other.seen

    def rows(self) -> Any:
        """The sample, an array of shape (at most `size`, columns), in random order."""
        return self._highest()[0]

    @property
    def complete(self) -> bool:
        """Whether it has all rows that were seen."""
        return self.seen <= self.size

    def arrays(self) -> Mapping[str, Any]:
        rows, priorities = self._highest()
        return {"sample_rows": rows, "sample_priorities": priorities, "sample_seen": self.seen}

    def restored(self, arrays: Mapping[str, Any]) -> "Sample":
        """A sample like this one with what `arrays` gave."""
        found = Sample(self.size, self.columns, self.seed, self.rank, int(arrays["sample_seen"]))
        if arrays["sample_rows"].shape[1:] != (self.columns,):
            raise ValueError(f"it is of rows of {arrays['sample_rows'].shape[1]} features, not {self.columns}")
        found._add(arrays["sample_rows"], arrays["sample_priorities"])
        return found

    def _add(self, rows: Any, priorities: Any) -> None:
        """Keep rows beyond `size` until there are as many again: to choose costs as much as there are."""
        while len(rows):
            if self._filled == 2 * self.size:
                self._choose()
            space = min(len(rows), 2 * self.size - self._filled)
            self._reserve(self._filled + space)
            self._rows[self._filled : self._filled + space] = rows[:space]
            self._priorities[self._filled : self._filled + space] = priorities[:space]
            self._filled += space
            rows, priorities = rows[space:], priorities[space:]

    def _reserve(self, length: int) -> None:
        if length > len(self._rows):
            length = min(2 * self.size, 2 * length)
            rows = np.empty((length, self.columns), np.float32)
            rows[: self._filled] = self._rows[: self._filled]
            priorities = np.empty(length, np.float64)
            priorities[: self._filled] = self._priorities[: self._filled]
            self._rows, self._priorities = rows, priorities

    def _choose(self) -> None:
        kept = np.argpartition(self._priorities[: self._filled], self._filled - self.size)[self._filled - self.size :]
        self._rows[: self.size] = self._rows[kept]
        self._priorities[: self.size] = self._priorities[kept]
        self._filled = self.size
        self._floor = float(self._priorities[: self.size].min())

    def _highest(self) -> tuple[Any, Any]:
        priorities = self._priorities[: self._filled]
        order = np.argsort(-priorities, kind="stable")[: self.size]
        return self._rows[order], priorities[order]
