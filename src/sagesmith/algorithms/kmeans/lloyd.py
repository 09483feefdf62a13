"""Lloyd's algorithm on rows in memory: several beginnings, of which the best one is carried on."""

import warnings
from dataclasses import dataclass
from typing import Any

# Iterations after which beginnings are compared, and those between two looks at the loss.
_SHORT, _STEP = 10, 10
AUTO_TRIALS = 5


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

    def fit(self, rows: Any, k: int, weights: Any = None, also: Any = None) -> Any:
        """The centres and their loss as a fitted `sklearn.cluster.KMeans`.

        Args:
            also: centres to begin from beside the others.
        """
        short = min(_SHORT, self.iterations)
        begin = {"kmeans++": "k-means++"}.get(self.init, self.init)
        tried = [self._fit(rows, k, weights, begin, short, self.seed + trial) for trial in range(self.trials)]
        if also is not None:
            tried.append(self._fit(rows, k, weights, also.astype(rows.dtype), short, self.seed))
        best, left = min(tried, key=lambda each: float(each.inertia_)), self.iterations - short
        while left > 0:
            after = self._fit(rows, k, weights, best.cluster_centers_, min(_STEP, left), self.seed)
            settled = best.inertia_ - after.inertia_ <= self.tolerance * best.inertia_
            best = min(best, after, key=lambda each: float(each.inertia_))
            if settled:
                break
            left -= _STEP
        return best

    @staticmethod
    def _fit(rows: Any, k: int, weights: Any, init: Any, iterations: int, seed: int) -> Any:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            # Fewer distinct rows than k, so that some centres are the same; or more iterations to come.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = KMeans(k, init=init, n_init=1, max_iter=iterations, tol=0, random_state=seed)
            return fit.fit(rows, sample_weight=weights)
