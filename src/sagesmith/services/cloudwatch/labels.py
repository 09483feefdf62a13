"""Labels of results: plain text with dynamic parts such as `${AVG}` or `${PROP('Dim.Host')}`.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone

from sagesmith.services.cloudwatch.arithmetic import Series

_PART = re.compile(r"\$\{([A-Z_]+|PROP\('([^']+)'\))\}")
_OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)")

Describe = Callable[[list[tuple[int, float]], timezone], str]


def timezone_of(offset: str) -> timezone | None:
    """The time zone of `+0130`; None if it is none."""
    found = _OFFSET.fullmatch(offset)
    if found is None or int(found[2]) > 23:
        return None
    delta = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-delta if found[1] == "-" else delta)


def filled_in(label: str, series: Series, properties: Mapping[str, str], zone: timezone = UTC) -> str:
    """A label with its dynamic parts replaced; what is not known stays as it is.

    Args:
        properties: by the names that PROP knows, such as `MetricName`, `Stat`, `Dim.Host`.
        zone: of the times in it.
    """
    points = sorted(series.items())

    def part(found: re.Match[str]) -> str:
        if found[2] is not None:
            return properties.get(found[2], found[0])
        if found[1] == "LABEL":
            return properties.get("MetricName", "")
        describe = _PARTS.get(found[1])
        if describe is None:
            return found[0]
        return describe(points, zone) if points or found[1] == "DATAPOINT_COUNT" else "--"

    return _PART.sub(part, label)


def _number(value: float) -> str:
    return f"{value:.15g}"


def _time(at: int, zone: timezone) -> str:
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S %Z").replace("UTC+", "+").replace("UTC-", "-")


def _value(choose: Callable[[list[tuple[int, float]]], tuple[int, float]]) -> Describe:
    return lambda points, zone: _number(choose(points)[1])


def _moment(choose: Callable[[list[tuple[int, float]]], tuple[int, float]]) -> Describe:
    return lambda points, zone: _time(choose(points)[0], zone)


def _least(points: list[tuple[int, float]]) -> tuple[int, float]:
    return min(points, key=lambda point: point[1])


def _greatest(points: list[tuple[int, float]]) -> tuple[int, float]:
    return max(points, key=lambda point: point[1])


_PARTS: dict[str, Describe] = {
    "AVG": lambda points, zone: _number(sum(value for _, value in points) / len(points)),
    "DATAPOINT_COUNT": lambda points, zone: str(len(points)),
    "FIRST": _value(lambda points: points[0]),
    "FIRST_LAST_RANGE": lambda points, zone: _number(abs(points[-1][1] - points[0][1])),
    "FIRST_TIME": _moment(lambda points: points[0]),
    "LAST": _value(lambda points: points[-1]),
    "LAST_TIME": _moment(lambda points: points[-1]),
    "MAX": _value(_greatest),
    "MAX_TIME": _moment(_greatest),
    "MIN": _value(_least),
    "MIN_MAX_RANGE": lambda points, zone: _number(_greatest(points)[1] - _least(points)[1]),
    "MIN_TIME": _moment(_least),
    "SUM": lambda points, zone: _number(sum(value for _, value in points)),
}
