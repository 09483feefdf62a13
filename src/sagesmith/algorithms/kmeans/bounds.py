"""Lloyd's algorithm that measures no more distances than it needs.

Of each row it knows a bound above the distance to its centre, and one below that to any other. Centres that move a
little move the bounds a little; while they do not cross, the row stays where it is (Hamerly, "Making k-means even
faster", SDM 2010). The centres are those of Lloyd's algorithm, but for rows that float32 finds equally far from two.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.cores import pool

_BLOCK = 1 << 19
_SUMMED = 8192


@dataclass(slots=True)
class Bounded:
    """Rows that centres move among.

    Attributes:
        rows: counted from their mean, float32; `squares` are their squared lengths, `weights` None if all count alike.
        centres: counted from there too, float64.
        found: each row's centre; `upper` and `lower` bound the distances to it and to all others.
        sums: of each centre's rows.
    """

    rows: Any
    centres: Any
    weights: Any = None
    mean: Any = field(init=False)
    squares: Any = field(init=False)
    found: Any = field(init=False)
    upper: Any = field(init=False)
    lower: Any = field(init=False)
    sums: Any = field(init=False)

    def __post_init__(self) -> None:
        self.mean = self.rows.mean(axis=0, dtype=np.float64)
        self.rows = self.rows - self.mean.astype(np.float32)
        self.centres = self.centres - self.mean
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)
        if self.weights is not None:
            self.weights = self.weights.astype(np.float32)
        self.found, self.upper, self.lower = self._measured(self.rows, self.squares)
        self.sums = self._sums(slice(None), self.found)

    @property
    def result(self) -> Any:
        """The centres as rows have them."""
        return self.centres + self.mean

    @property
    def loss(self) -> float:
        """The (weighted) sum of squared distances of the rows to their centres."""
        apart = self._apart(slice(None)).astype(np.float64)
        return float(apart.sum() if self.weights is None else self.weights @ apart)

    def step(self) -> bool:
        """Move each centre to the mean of its rows, and rows to the closest centre; whether anything has moved."""
        # Counted anew: what weights leave behind where all rows of a centre have gone would count as one.
        counts = np.bincount(self.found, self.weights, minlength=len(self.centres))
        used = counts > 0
        moved = np.where(used[:, None], self.sums / np.where(used, counts, 1)[:, None], self.centres)
        if not used.all():
            # A centre without rows goes to one of those that are farthest from theirs.
            farthest = np.argsort(-self._apart(slice(None)), kind="stable")[: int((~used).sum())]
            moved[np.flatnonzero(~used)[: len(farthest)]] = self.rows[farthest]
        ways = np.sqrt(((moved - self.centres) ** 2).sum(axis=1)).astype(np.float32)
        if not ways.any():
            return False
        self.centres = moved
        if len(moved) > 1:
            self._follow(ways)
        return True

    def _follow(self, ways: Any) -> None:
        """Let rows change to centres that are closer now."""
        self.upper += ways[self.found]
        first, second = np.argsort(-ways, kind="stable")[:2]
        self.lower -= np.where(self.found == first, ways[second], ways[first])
        safe = np.maximum(self.lower, self._half_ways()[self.found])
        unsure = np.flatnonzero(self.upper > safe)
        if len(unsure) < len(self.rows) / 2:
            self.upper[unsure] = np.sqrt(self._apart(unsure))
            unsure = unsure[self.upper[unsure] > safe[unsure]]
        if not len(unsure):
            return
        before = self.found[unsure]
        found, self.upper[unsure], self.lower[unsure] = self._measured(self.rows[unsure], self.squares[unsure])
        changed = found != before
        if not changed.any():
            return
        rows = unsure[changed]
        self.sums += self._sums(rows, found[changed]) - self._sums(rows, before[changed])
        self.found[rows] = found[changed]

    def _half_ways(self) -> Any:
        """Of each centre half the distance to the closest other one: no row that is closer to it is another's."""
        squares = (self.centres**2).sum(axis=1)
        found = np.empty(len(squares), np.float32)
        size = max(_BLOCK // len(squares), 1)
        for start in range(0, len(squares), size):
            part = self.centres[start : start + size]
            apart = squares[start : start + size, None] + squares - 2 * (part @ self.centres.T)
            own = np.arange(len(apart))
            apart[own, start + own] = np.inf
            found[start : start + size] = np.sqrt(np.maximum(apart.min(axis=1), 0)) / 2
        return found

    def _apart(self, rows: Any) -> Any:
        """The squared distances of some rows to their centres."""
        apart = self.rows[rows] - self.centres.astype(np.float32)[self.found[rows]]
        return np.einsum("ij,ij->i", apart, apart)

    def _measured(self, rows: Any, squares: Any) -> tuple[Any, Any, Any]:
        """Of each row the closest centre, the distance to it, and the distance to the second."""
        across = np.ascontiguousarray((-2 * self.centres).T.astype(np.float32))
        lengths = (self.centres**2).sum(axis=1).astype(np.float32)

        def part(start: int) -> tuple[Any, Any, Any]:
            scores = rows[start : start + size] @ across
            scores += lengths
            found = scores.argmin(axis=1)
            every = np.arange(len(found))
            least = scores[every, found]
            scores[every, found] = np.inf
            own = squares[start : start + size]
            distances = (np.sqrt(np.maximum(each + own, 0)) for each in (least, scores.min(axis=1)))
            return found, *distances

        size = max(_BLOCK // len(self.centres), 256)
        starts = range(0, len(rows), size)
        parts = [part(0)] if len(starts) == 1 else list(pool().map(part, starts))
        found, upper, lower = (np.concatenate(each) for each in zip(*parts, strict=True))
        return found, upper, lower

    def _sums(self, rows: Any, numbers: Any) -> Any:
        """Of each centre the sum of those of some rows that are its own, exact enough to be taken away again."""
        from scipy.sparse import csr_matrix

        weights = np.ones(len(numbers)) if self.weights is None else self.weights[rows].astype(np.float64)
        of = csr_matrix((weights, numbers, np.arange(len(numbers) + 1)), (len(numbers), len(self.centres)))
        sums, chosen = np.zeros(self.centres.shape), self.rows[rows]
        for start in range(0, len(numbers), _SUMMED):
            sums += of[start : start + _SUMMED].T @ chosen[start : start + _SUMMED]
        return sums
