"""When a metric alarm is in which state: pure functions of its settings and of what was measured.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
MISSING, IGNORE, BREACHING, NOT_BREACHING = "missing", "ignore", "breaching", "notBreaching"
TREATMENTS = (BREACHING, NOT_BREACHING, IGNORE, MISSING)
LOOKED_BEYOND = 2
"""How many periods more than EvaluationPeriods are read, so that older values stand in for those that are missing."""

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What an alarm watches for.

    Attributes:
        periods: how many are looked at.
        enough: how many of them must breach.
        treatment: what a period without data counts as.
    """

    comparison: str
    threshold: float
    periods: int
    enough: int
    treatment: str = MISSING

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Point:
    """The value of the period that begins `at` (seconds since the epoch)."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, None for the one that it has, and the points that count."""

    state: str | None
    points: Sequence[Point]


def judge(condition: Condition, points: Sequence[Point]) -> Verdict:
    """
    Args:
        points: the values of the last `periods + LOOKED_BEYOND` periods, those that there are, the oldest first.
    """
    latest = points[-condition.periods :]
    breaching = sum(condition.breaches(point.value) for point in latest)
    absent = condition.periods - len(latest)
    filled = breaching + (absent if condition.treatment == BREACHING else 0)
    if filled >= condition.enough:
        return Verdict(ALARM, latest)
    if absent == 0 or condition.treatment in (BREACHING, NOT_BREACHING):
        return Verdict(OK, latest)
    if not latest:
        return Verdict(None if condition.treatment == IGNORE else INSUFFICIENT_DATA, latest)
    if breaching < len(latest):
        return Verdict(OK, latest)
    return Verdict(None if condition.treatment == IGNORE else ALARM, latest)


def reason(condition: Condition, verdict: Verdict, before: str) -> str:
    """Why an alarm goes from one state to another, in CloudWatch's words."""
    if verdict.state == INSUFFICIENT_DATA:
        many = condition.periods
        return f"Insufficient Data: {many} datapoint{'s were' if many > 1 else ' was'} unknown."
    to_alarm = verdict.state == ALARM
    counted = [point for point in verdict.points if condition.breaches(point.value) == to_alarm]
    least = condition.enough if to_alarm else condition.periods - condition.enough + 1
    if not counted:
        many = condition.periods
        missing = f"no datapoints were received for {many} period{'s' if many > 1 else ''}"
        treated = "[Breaching]" if to_alarm else "[NonBreaching]"
        return f"Threshold Crossed: {missing} and {many} missing datapoint{'s were' if many > 1 else ' was'} " + (
            f"treated as {treated}."
        )
    shown = ", ".join(f"{point.value} ({_moment(point.at)})" for point in reversed(counted))
    words = COMPARISONS[condition.comparison][1]
    verb = "was" if len(counted) == 1 else "were"
    return (
        f"Threshold Crossed: {len(counted)} out of the last {condition.periods} "
        f"datapoint{'s' if condition.periods > 1 else ''} [{shown}] {verb} {'' if to_alarm else 'not '}{words} the "
        f"threshold ({condition.threshold}) (minimum {least} datapoint{'s' if least > 1 else ''} for "
        f"{before} -> {verdict.state} transition)."
    )


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d/%m/%y %H:%M:%S")
