"""Whether a search still gets anywhere.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-progress.html
"""

from collections.abc import Iterable
from dataclasses import dataclass

SIGNIFICANT = 0.01
"""What less than this share of the best value brings is no improvement."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a search went.

    Attributes:
        best: the best value, None if there is none.
        not_improving: how many values came since the last that was significantly better than all before.
    """

    best: float | None
    not_improving: int


def progress(values: Iterable[float], maximize: bool) -> Progress:
    """How a search went whose trials ended with these values, in this order."""
    best: float | None = None
    milestone = 0.0
    since = 0
    for value in values:
        if best is None:
            best = milestone = value
            continue
        gain = value - milestone if maximize else milestone - value
        if gain > SIGNIFICANT * abs(milestone):
            milestone, since = value, 0
        else:
            since += 1
        best = max(best, value) if maximize else min(best, value)
    return Progress(best, since)


def patience(parameters: int) -> int:
    """How many trials without a significant improvement mean that a search has converged: ten, and five for each
    parameter that is searched. AWS says only that it found its own rule by benchmarks."""
    return 10 + 5 * parameters


def reaches(value: float, target: float, maximize: bool) -> bool:
    """Whether a value is as good as the target."""
    return value >= target if maximize else value <= target
