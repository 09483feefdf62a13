"""Lloyd's algorithm on rows in memory: several beginnings, of which the best one is carried on.

Sources: Lloyd, "Least squares quantization in PCM", 1982; Arthur and Vassilvitskii, "k-means++: the advantages of
careful seeding", SODA 2007, with several candidates for each centre.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.kmeans.bounds import Bounded

# Iterations after which beginnings are compared, and those between two looks at the loss.
_SHORT, _STEP = 10, 10
_FEWEST, _FEW_A_CENTRE = 10_000, 100
AUTO_TRIALS = 5


@dataclass(frozen=True, slots=True)
class Fitted:
    """Centres, of shape (k, columns), and the (weighted) sum of squared distances to them."""

    centres: Any
    loss: float


@dataclass(frozen=True, slots=True)
class Lloyd:
    """How it is run: see the hyperparameters `local_lloyd_*`.

    Attributes:
        init: random or kmeans++.
        trials: how many beginnings.
        iterations: at most so many, of the one that is carried on.
        tolerance: it ends when ten iterations lower the loss by no more than this share.
    """

    init: str = "kmeans++"
    trials: int = AUTO_TRIALS
    iterations: int = 300
    tolerance: float = 1e-4
    seed: int = 0

    def fit(self, rows: Any, k: int, weights: Any = None, also: Any = None) -> Fitted:
        """The best centres.

        Args:
            weights: of the rows, of shape (rows,); None where all count alike.
            also: centres to begin from beside the others.
        """
        random = np.random.default_rng(self.seed)
        rows = np.ascontiguousarray(rows, np.float32)
        few, share = rows, weights
        if weights is None and len(rows) > _few(k):
            # Beginnings are drawn and compared by some of the rows.
            few = rows[random.choice(len(rows), _few(k), replace=False)]
        begun = [chosen(few, k, self.init, random, share) for _ in range(self.trials)]
        begun += [] if also is None else [also]
        short = min(_SHORT, self.iterations)
        best = min((_carried(Bounded(few, each, share), short) for each in begun), key=lambda each: each.loss)
        left = self.iterations - short
        if left <= 0 and few is rows:
            return best
        moving = Bounded(rows, best.centres, weights)
        best = Fitted(moving.result, moving.loss)
        while left > 0:
            after = _carried(moving, min(_STEP, left))
            settled = best.loss - after.loss <= self.tolerance * best.loss
            best = min(best, after, key=lambda each: each.loss)
            if settled:
                break
            left -= _STEP
        return best


def _few(k: int) -> int:
    return max(_FEWEST, _FEW_A_CENTRE * k)


def chosen(rows: Any, k: int, init: str, random: np.random.Generator, weights: Any = None) -> Any:
    """Rows to begin from, of shape (k, columns): at random, or each where the rows are far from those before it."""
    share = np.full(len(rows), 1 / len(rows)) if weights is None else weights / weights.sum()
    if init == "random":
        return rows[random.choice(len(rows), k, replace=False)]
    # From their mean, so that products lose nothing.
    near = rows - rows.mean(axis=0)
    norms = np.einsum("ij,ij->i", near, near)
    places = [int(random.choice(len(rows), p=share))]
    apart = _apart(near, norms, places)[:, 0]
    for _ in range(1, k):
        reach = np.cumsum(apart * share)
        drawn = random.random(2 + int(math.log(k))) * reach[-1]
        candidates = np.minimum(np.searchsorted(reach, drawn, "right"), len(rows) - 1)
        closer = np.minimum(apart[:, None], _apart(near, norms, candidates))
        best = int((share @ closer).argmin())
        places.append(int(candidates[best]))
        apart = closer[:, best]
    return rows[places]


def _apart(rows: Any, norms: Any, places: Any) -> Any:
    """The squared distances of all rows to some."""
    return np.maximum(norms[:, None] + norms[places] - 2 * (rows @ rows[places].T), 0)


def _carried(moving: Bounded, iterations: int) -> Fitted:
    for _ in range(iterations):
        if not moving.step():
            break
    return Fitted(moving.result, moving.loss)
