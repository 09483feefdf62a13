"""Arithmetic of time series, moment by moment, as metric math has it.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import math
from collections.abc import Callable, Mapping

Series = Mapping[int, float]
"""Values by time, in seconds since the epoch."""
Value = float | Series | list[Series]
Operation = Callable[[float, float], float]


class ExpressionFailed(Exception):
    """The expression has no value; the message says why."""


def one(found: list[Series], name: str) -> Value:
    """A series where there is one, so that arithmetic on it gives one."""
    if not found:
        empty: Series = {}
        return empty
    if len(found) > 1:
        raise ExpressionFailed(f"{name} has data of several units, one of which is to be chosen by MetricStat.Unit")
    return found[0]


def several(value: Value) -> list[Series]:
    if isinstance(value, float):
        raise ExpressionFailed("a number stands where a time series should")
    return value if isinstance(value, list) else [value]


def combine(operation: Operation, left: Value, right: Value) -> Value:
    """Apply an operation to what is there on both sides; where it has no result, there is no value."""
    if isinstance(left, list):
        if isinstance(right, list):
            raise ExpressionFailed("two arrays of time series cannot be combined")
        return [_series(operation, each, right) for each in left]
    if isinstance(right, list):
        return [_series(operation, left, each) for each in right]
    if isinstance(left, float) and isinstance(right, float):
        result = _applied(operation, left, right)
        if result is None:
            raise ExpressionFailed("a number has no value")
        return result
    return _series(operation, left, right)


def _series(operation: Operation, left: float | Series, right: float | Series) -> Series:
    if isinstance(left, float):
        assert not isinstance(right, float)
        pairs = {at: (left, value) for at, value in right.items()}
    elif isinstance(right, float):
        pairs = {at: (value, right) for at, value in left.items()}
    else:
        pairs = {at: (value, right[at]) for at, value in left.items() if at in right}
    results = {at: _applied(operation, *pair) for at, pair in pairs.items()}
    return {at: value for at, value in results.items() if value is not None}


def _applied(operation: Operation, left: float, right: float) -> float | None:
    try:
        result = operation(left, right)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    return float(result) if not isinstance(result, complex) and math.isfinite(result) else None
