"""What the operations have in common: how metrics are named, which periods there are, and the words of refusals."""

import math
import re
import time
from collections.abc import Sequence

from sagesmith.store import Metric
from sagesmith.store.timeseries import DAY
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError

_FINE_PERIODS = frozenset({1, 5, 10, 20, 30})
_NEVER = 2.0**40
_PRINTABLE = re.compile(r"[\x20-\x7e]*\S[\x20-\x7e]*")


def invalid_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def invalid_combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def missing(message: str) -> AwsError:
    return AwsError("MissingParameter", message)


def both(one: str, other: str) -> str:
    """What is said where two members were given of which there may be one."""
    return f"The parameters {one} and {other} are mutually exclusive and you have specified both."


def dimensions(given: Sequence[Params], path: str) -> tuple[tuple[str, str], ...]:
    """Dimensions as the store has them.

    Raises:
        AwsError: InvalidParameterValue, one is not ASCII text, or two have the same name.
    """
    for number, each in enumerate(given, 1):
        for member in ("Name", "Value"):
            if not _PRINTABLE.fullmatch(each[member]) or (member == "Name" and each[member].startswith(":")):
                where = f"{path}.member.{number}.{member}"
                raise invalid_value(f"The value {each[member]} for parameter {where} is invalid.")
    found = {each["Name"]: each["Value"] for each in given}
    if len(found) < len(given):
        raise invalid_value(f"No Metrics matched: the parameter {path} has two dimensions of the same name.")
    return tuple(sorted(found.items()))


def metric_of(params: Params, path: str = "Dimensions") -> Metric:
    """The metric that a request names."""
    return Metric(params["Namespace"], params["MetricName"], dimensions(params.get("Dimensions", ()), path))


def is_period(seconds: int) -> bool:
    """Whether statistics may have this period."""
    return seconds in _FINE_PERIODS or (seconds > 0 and seconds % 60 == 0)


def clamped(seconds: float) -> float:
    """A time that was asked for, kept within those that there can be data of."""
    return min(max(seconds, 0.0), _NEVER)


def first_period(start: float, period: int) -> int:
    """Where the first period begins: `start` rounded down as GetMetricStatistics says of StartTime."""
    age = time.time() - start
    grain = period if period in _FINE_PERIODS else 60 if age < 15 * DAY else 300 if age < 63 * DAY else 3600
    return math.floor(start) // grain * grain
