"""Built-in algorithms against the implementations that people trust, in the same run.

A module an algorithm, with `quality()` and `speed()`, each of which yields rows for the tables of docs/algorithms.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside that of a reference.

    Attributes:
        algorithm: its package.
        data: the data set.
        metric: what is measured, with its unit.
        ours, theirs: the figures.
        reference: whose the other one is.
    """

    algorithm: str
    data: str
    metric: str
    ours: float
    theirs: float
    reference: str

    @property
    def ratio(self) -> float:
        """Ours by theirs."""
        return self.ours / self.theirs if self.theirs else float("nan")
