"""How many instances a policy wants: pure functions of its settings and of what was measured.

Source: https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html,
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

import math
from collections.abc import Sequence

from sagesmith.wire.context import Params


def tracked(current: int, value: float, target: float) -> int:
    """The capacity at which a metric that is shared among instances would be at its target.

    A metric of no instance at all is measured as that of one, see `gateway.asynchronous.metering`.
    """
    if current == 0 and value <= target:
        return 0
    return math.ceil(max(1, current) * value / target - 1e-9)


def stepped(settings: Params, current: int, breach: float) -> int | None:
    """The capacity that a step scaling policy wants, None if no step is meant for this breach.

    Args:
        breach: the metric less the alarm's threshold.
    """
    adjustment = _adjustment(settings["StepAdjustments"], breach)
    if adjustment is None:
        return None
    if settings["AdjustmentType"] == "ExactCapacity":
        return adjustment
    if settings["AdjustmentType"] == "ChangeInCapacity":
        return current + adjustment
    change = current * adjustment / 100
    # Rounded as documented: between 0 and 1 to one, else towards zero; and no less than the least that was asked for.
    size = max(1, math.floor(abs(change))) if change else 0
    size = max(size, settings.get("MinAdjustmentMagnitude") or 0) if adjustment else 0
    return current + (size if adjustment > 0 else -size)


def _adjustment(steps: Sequence[Params], breach: float) -> int | None:
    for step in steps:
        low = step.get("MetricIntervalLowerBound", -math.inf)
        high = step.get("MetricIntervalUpperBound", math.inf)
        # A bound towards zero belongs to the step: above the threshold the lower one, below it the upper one.
        within = low <= breach < high if breach >= 0 and low >= 0 else low < breach <= high
        if within:
            return int(step["ScalingAdjustment"])
    return None


def chosen(current: int, wanted: Sequence[int], least: int, most: int) -> int:
    """What becomes of the wishes of several policies: the largest growth counts, and less only if nobody wants more."""
    bounded = [min(max(each, least), most) for each in wanted]
    return max(bounded, default=current)
