"""Statistic sets: what is kept of many values of a metric."""

import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MAX_SAMPLES = 512
"""Distinct values that a set keeps; of more, those that are close to each other become one."""

_CLOSE = 0.02
"""How far, relative to a value, another that becomes one with it may be at first."""


@dataclass(frozen=True, slots=True)
class StatisticSet:
    """Count, sum, least and greatest of some values, and if they are known the values themselves.

    Attributes:
        samples: value → how often it was there; None if that is not known.
    """

    count: float
    sum: float
    minimum: float
    maximum: float
    samples: Mapping[float, float] | None = None

    @classmethod
    def of(cls, values: Sequence[float], counts: Sequence[float] | None = None) -> "StatisticSet":
        """The set of at least one value, each of which was there as often as `counts` says, or once."""
        samples: dict[float, float] = defaultdict(float)
        for value, count in zip(values, counts or [1.0] * len(values), strict=True):
            samples[value] += count
        total = math.fsum(value * count for value, count in samples.items())
        return cls(sum(samples.values()), total, min(samples), max(samples), _bounded(samples))

    @classmethod
    def stored(
        cls, count: float, total: float, minimum: float, maximum: float, samples: bytes | None
    ) -> "StatisticSet":
        """The set that a row of the database has."""
        if minimum == maximum:
            return cls(count, total, minimum, maximum, {minimum: count})
        return cls(count, total, minimum, maximum, None if samples is None else _unpack(samples))

    def packed(self) -> bytes | None:
        """What a row has for `samples`."""
        if self.samples is None or self.minimum == self.maximum:
            return None
        flat = [each for sample in self.samples.items() for each in sample]
        return struct.pack(f"<{len(flat)}d", *flat)


def merged(sets: Sequence[StatisticSet]) -> StatisticSet:
    """The set of all values of at least one set; of values that one of them does not know, it knows none."""
    if len(sets) == 1:
        return sets[0]
    return StatisticSet(
        math.fsum(each.count for each in sets),
        math.fsum(each.sum for each in sets),
        min(each.minimum for each in sets),
        max(each.maximum for each in sets),
        _together([each.samples for each in sets]),
    )


def _together(known: Iterable[Mapping[float, float] | None]) -> Mapping[float, float] | None:
    together: dict[float, float] = defaultdict(float)
    for samples in known:
        if samples is None:
            return None
        for value, count in samples.items():
            together[value] += count
    return _bounded(together)


def _bounded(samples: Mapping[float, float]) -> Mapping[float, float]:
    """At most MAX_SAMPLES of them, in logarithmic buckets as DDSketch has them (https://doi.org/10.14778/3352063.3352135)."""
    close = _CLOSE
    while len(samples) > MAX_SAMPLES:
        base = math.log1p(close)
        fewer: dict[float, float] = defaultdict(float)
        for value, count in samples.items():
            magnitude = math.exp(round(math.log(abs(value)) / base) * base) if value else 0.0
            fewer[math.copysign(magnitude, value)] += count
        samples, close = fewer, close * 2
    return dict(samples)


def _unpack(packed: bytes) -> dict[float, float]:
    flat = struct.unpack(f"<{len(packed) // 8}d", packed)
    return dict(zip(flat[::2], flat[1::2], strict=True))
