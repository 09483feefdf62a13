"""Statistics by their names, the extended ones included: percentiles, trimmed and winsorized means, and their like.

Percentiles are interpolated between the values that are nearest to them.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from sagesmith.store import StatisticSet

Statistic = Callable[[StatisticSet], float | None]
"""The value of a statistic; None where the set has not what it needs."""

SIMPLE: dict[str, Callable[[StatisticSet], float]] = {
    "SampleCount": lambda values: values.count,
    "Average": lambda values: values.sum / values.count,
    "Sum": lambda values: values.sum,
    "Minimum": lambda values: values.minimum,
    "Maximum": lambda values: values.maximum,
}

_NUMBER = r"\d{1,3}(?:\.\d{1,10})?"
_ONE = re.compile(rf"(p|tm|tc|ts|wm)({_NUMBER})", re.IGNORECASE)
_BOUND = r"-?\d+(?:\.\d{1,10})?"
_TWO = re.compile(rf"(TM|TC|TS|WM|PR)\(({_BOUND})?(%)?:({_BOUND})?(%)?\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Range:
    """Which values count: by rank, from one part of all to another, or by value, the lower bound not included."""

    low: float
    high: float
    by_rank: bool


class _Samples:
    """The samples of a set in their order, with how many there are up to each."""

    def __init__(self, values: StatisticSet) -> None:
        samples = sorted((values.samples or {}).items())
        self.values = [value for value, _ in samples]
        self.counts = [count for _, count in samples]
        self.up_to = list(accumulate(self.counts))
        self.count = self.up_to[-1]

    def at(self, part: float) -> float:
        """The value below which a part (0 to 1) of all are."""
        position = part * (self.count - 1)
        below = bisect_left(self.up_to, int(position) + 1)
        above = bisect_left(self.up_to, min(int(position) + 2, self.count))
        fraction = position - int(position)
        return self.values[below] + (self.values[above] - self.values[below]) * fraction

    def within(self, wanted: _Range) -> list[tuple[float, float]]:
        """The values that count, and how often each of them does."""
        if not wanted.by_rank:
            pairs = zip(self.values, self.counts, strict=True)
            return [(value, count) for value, count in pairs if wanted.low < value <= wanted.high]
        first, last = wanted.low * self.count, wanted.high * self.count
        found = []
        for value, count, end in zip(self.values, self.counts, self.up_to, strict=True):
            share = min(end, last) - max(end - count, first)
            if share > 0:
                found.append((value, share))
        return found


def statistic(name: str) -> Statistic | None:
    """The statistic of a name; None if there is none of that name."""
    if name in SIMPLE:
        return SIMPLE[name]
    found = _parse(name)
    if found is None:
        return None
    kind, wanted = found
    compute = _COMPUTE[kind]

    def value(values: StatisticSet) -> float | None:
        # CloudWatch has no percentiles of metrics that are negative.
        if not values.samples or (wanted.by_rank and values.minimum < 0):
            return None
        return compute(_Samples(values), wanted)

    return value


def needs_samples(name: str) -> bool:
    return name not in SIMPLE


def _parse(name: str) -> tuple[str, _Range] | None:
    if name.upper() == "IQM":
        return "TM", _Range(0.25, 0.75, True)
    one = _ONE.fullmatch(name)
    if one is not None:
        part = float(one[2]) / 100
        return (one[1].upper(), _Range(0.0, part, True)) if part <= 1 else None
    two = _TWO.fullmatch(name)
    if two is None or (two[2] is None and two[4] is None):
        return None
    return _bounds(two[1].upper(), two[2], two[4], bool(two[3] or two[5]), bool(two[3]) != bool(two[5]))


def _bounds(kind: str, low: str | None, high: str | None, by_rank: bool, mixed: bool) -> tuple[str, _Range] | None:
    # A percent sign that stands at one bound must stand at the other, unless there is no other.
    if (mixed and low is not None and high is not None) or (kind == "PR" and by_rank):
        return None
    if by_rank:
        wanted = _Range(float(low or 0) / 100, float(high or 100) / 100, True)
        in_range = wanted.low >= 0 and wanted.high <= 1
    else:
        wanted = _Range(float(low or "-inf"), float(high or "inf"), False)
        in_range = True
    return (kind, wanted) if in_range and wanted.low < wanted.high else None


def _percentile(samples: _Samples, wanted: _Range) -> float | None:
    return samples.at(wanted.high)


def _trimmed_mean(samples: _Samples, wanted: _Range) -> float | None:
    found = samples.within(wanted)
    count = sum(count for _, count in found)
    return sum(value * count for value, count in found) / count if count else None


def _trimmed_count(samples: _Samples, wanted: _Range) -> float | None:
    return float(sum(count for _, count in samples.within(wanted)))


def _trimmed_sum(samples: _Samples, wanted: _Range) -> float | None:
    return sum(value * count for value, count in samples.within(wanted))


def _winsorized_mean(samples: _Samples, wanted: _Range) -> float | None:
    low, high = (samples.at(wanted.low), samples.at(wanted.high)) if wanted.by_rank else (wanted.low, wanted.high)
    pairs = zip(samples.values, samples.counts, strict=True)
    return sum(min(max(value, low), high) * count for value, count in pairs) / samples.count


def _percentile_rank(samples: _Samples, wanted: _Range) -> float | None:
    return 100 * sum(count for _, count in samples.within(wanted)) / samples.count


_COMPUTE: dict[str, Callable[[_Samples, _Range], float | None]] = {
    "P": _percentile,
    "TM": _trimmed_mean,
    "TC": _trimmed_count,
    "TS": _trimmed_sum,
    "WM": _winsorized_mean,
    "PR": _percentile_rank,
}
