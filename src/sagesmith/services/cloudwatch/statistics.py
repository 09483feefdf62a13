"""GetMetricStatistics.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

import math
from typing import Any

from sagesmith.services.cloudwatch import rules
from sagesmith.services.cloudwatch.extended import SIMPLE, Statistic, statistic
from sagesmith.store import Aggregate, Store, Window
from sagesmith.wire.context import Params, RequestContext

MAX_DATAPOINTS = 1440


def get_metric_statistics(store: Store, context: RequestContext, params: Params) -> Params:
    """The statistics of a metric, one datum a period and unit in which there are values."""
    simple, extended = params.get("Statistics", []), params.get("ExtendedStatistics", [])
    if bool(simple) == bool(extended):
        both = rules.both("Statistics", "ExtendedStatistics")
        raise rules.invalid_combination(both if simple else "Must specify either Statistics or ExtendedStatistics")
    wanted = _extended(extended)
    window = _window(params, samples=bool(extended))
    with store.read() as tx:
        found = tx.statistics(context.region, rules.metric_of(params), window)
    points = (_datapoint(each, simple, wanted) for each in found)
    return {"Label": params["MetricName"], "Datapoints": [point for point in points if point is not None]}


def _extended(names: list[str]) -> dict[str, Statistic]:
    found = {name: statistic(name) for name in names}
    for number, name in enumerate(names, 1):
        if found[name] is None or name in SIMPLE:
            where = f"ExtendedStatistics.member.{number}"
            raise rules.invalid_value(f"The value {name} for parameter {where} is not supported.")
    return {name: each for name, each in found.items() if each is not None}


def _window(params: Params, samples: bool) -> Window:
    period, start, end = params["Period"], params["StartTime"], params["EndTime"]
    if not rules.is_period(period):
        raise rules.invalid_value("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    if not start < end:
        raise rules.invalid_value("The parameter StartTime must be less than the parameter EndTime.")
    start, end = rules.clamped(start), rules.clamped(end)
    first, last = rules.first_period(start, period), math.ceil(end)
    points = math.ceil((end - start) / period)
    if points > MAX_DATAPOINTS:
        raise rules.invalid_combination(
            f"You have requested up to {points:,} datapoints, which exceeds the limit of {MAX_DATAPOINTS:,}. You may "
            "reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    return Window(first, last, period, params.get("Unit"), samples)


def _datapoint(found: Aggregate, simple: list[str], extended: dict[str, Statistic]) -> dict[str, Any] | None:
    """None where none of the extended statistics is to be had."""
    point: dict[str, Any] = {"Timestamp": float(found.at), "Unit": found.unit}
    point |= {name: SIMPLE[name](found.values) for name in simple}
    if extended:
        values = {name: compute(found.values) for name, compute in extended.items()}
        point["ExtendedStatistics"] = {name: value for name, value in values.items() if value is not None}
    return point if simple or point["ExtendedStatistics"] else None
