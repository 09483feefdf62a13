"""What was measured of an endpoint under load, read from its CloudWatch metrics; and what follows from it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-interpret-results.html: the figures are
those of the time when invocations begin to level off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sagesmith.services.cloudwatch.extended import statistic
from sagesmith.services.sagemaker.recommender.traffic import Level
from sagesmith.store import Metric, StatisticSet, Transaction, Window

FLAT = 0.05
"""Invocations that grow by less than this part from level to level have levelled off."""
SETTLING_SECONDS = 2.5
"""After so long what a router noted is among the metrics: it writes once a second, and is read once a second."""
_WARM_UP_FROM_SECONDS = 3.0
_INVOCATIONS, _INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one level.

    Attributes:
        per_minute: invocations that were answered well.
        latency_ms: the model's, at the percentile that was asked for; NaN if nothing was answered.
        error_share: the part of the invocations that failed.
    """

    users: int
    per_minute: float
    latency_ms: float
    error_share: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a load test is over before its traffic is.

    Attributes:
        percentile: of the model's latency, such as `p95`.
        latency_ms: above which nothing counts any more; None if there is no bound.
        per_minute: invocations that are enough; None if there is no such number.
        flat: whether it is over when invocations have levelled off.
    """

    percentile: str = "p95"
    latency_ms: float | None = None
    per_minute: int | None = None
    flat: bool = True


def of_levels(
    tx: Transaction,
    region: str,
    dimensions: tuple[tuple[str, str], ...],
    levels: Sequence[Level],
    began: float,
    percentile: str,
    until: float = math.inf,
) -> list[Measured]:
    """What was measured of the levels that are over, in their order.

    Args:
        dimensions: of the variant's metrics.
        began: when the first level did, in seconds since the epoch.
        until: up to when the metrics are there.
    """
    found = []
    for level in levels:
        end = began + level.seconds
        if end > until:
            break
        found.append(_of_level(tx, region, dimensions, level, began, percentile))
        began = end
    return found


def _of_level(
    tx: Transaction, region: str, dimensions: tuple[tuple[str, str], ...], level: Level, began: float, percentile: str
) -> Measured:
    start = math.ceil(began) + (1 if level.seconds >= _WARM_UP_FROM_SECONDS else 0)
    end = max(math.floor(began + level.seconds), start + 1)

    def values(name: str) -> StatisticSet | None:
        window = Window(start, end, end - start, samples=True)
        aggregates = tx.statistics(region, Metric(_INVOCATIONS, name, dimensions), window)
        return aggregates[0].values if aggregates else None

    invocations, latency = values("Invocations"), values("ModelLatency")
    failed = sum(found.sum for name in ("4XX", "5XX") if (found := values(f"Invocation{name}Errors")) is not None)
    count = invocations.sum if invocations is not None else 0.0
    at = statistic(percentile)
    microseconds = at(latency) if at is not None and latency is not None else None
    milliseconds = math.nan if microseconds is None else microseconds / 1000
    answered = 60 * (count - failed) / (end - start)
    return Measured(level.users, answered, milliseconds, failed / count if count else 0.0)


def over(measured: Sequence[Measured], conditions: Conditions) -> str:
    """Which condition ends a test, in words; empty if none does."""
    if not measured:
        return ""
    last, before = measured[-1], [each.per_minute for each in measured[:-1]]
    if conditions.latency_ms is not None and last.latency_ms > conditions.latency_ms:
        return f"the model's latency ({conditions.percentile}) is {last.latency_ms:.0f} ms"
    if conditions.per_minute is not None and last.per_minute >= conditions.per_minute:
        return f"there are {last.per_minute:.0f} invocations a minute"
    if conditions.flat and before and last.per_minute < (1 + FLAT) * max(before):
        return f"invocations have levelled off at {max(last.per_minute, *before):.0f} a minute"
    return ""


def best(measured: Sequence[Measured], conditions: Conditions) -> Measured | None:
    """The level at which invocations begin to level off, of those whose latency is within its bound; None if there is
    no such level."""
    good = [
        each
        for each in measured
        if each.per_minute > 0
        and not math.isnan(each.latency_ms)
        and (conditions.latency_ms is None or each.latency_ms <= conditions.latency_ms)
        and each.error_share < 0.5
    ]
    most = max((each.per_minute for each in good), default=0.0)
    return next((each for each in good if each.per_minute >= (1 - FLAT) * most), None)


def utilization(
    tx: Transaction, region: str, dimensions: tuple[tuple[str, str], ...], began: float, ended: float
) -> dict[str, float]:
    """The highest CPUUtilization and MemoryUtilization of a variant's instances, in percent, as far as there are any;
    its samples are of five seconds each, by the minute."""
    start = math.floor(began / 60) * 60
    window = Window(start, math.ceil(ended / 60) * 60 + 60, math.ceil((ended - start) / 60) * 60 + 60)
    found = {}
    for name in ("Cpu", "Memory"):
        metric = Metric(_INSTANCES, f"{'CPU' if name == 'Cpu' else name}Utilization", dimensions)
        if aggregates := tx.statistics(region, metric, window):
            found[f"{name}Utilization"] = max(each.values.maximum for each in aggregates)
    return found
