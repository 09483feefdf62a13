"""PutMetricData.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence

from sagesmith.services.cloudwatch import rules
from sagesmith.store import Datum, Metric, StatisticSet, Store, VersionConflict
from sagesmith.store.timeseries import DAY, HOUR
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

MAX_METRICS = 1000
MAX_VALUES = 150
MAX_VALUE = 2.0**360
OLDEST_SECONDS = 14 * DAY
NEWEST_SECONDS = 2 * HOUR

_ATTEMPTS = 5
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def put_metric_data(store: Store, context: RequestContext, params: Params) -> Params:
    """Store all of it, or nothing and say what is wrong."""
    if params.get("EntityMetricData"):
        raise NotImplementedException("PutMetricData with EntityMetricData is not implemented.")
    namespace, given = params["Namespace"], params.get("MetricData")
    if not given:
        raise rules.missing("The parameter MetricData is required.")
    if namespace.startswith("AWS/"):
        raise rules.invalid_value("The value AWS/ for parameter Namespace is invalid.")
    if len(given) > MAX_METRICS:
        raise rules.invalid_value(f"The collection MetricData must not have a size greater than {MAX_METRICS}.")
    now = time.time()
    _check(given, now)
    data = [_datum(namespace, each, number, now) for number, each in enumerate(given, 1)]
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with store.write() as tx:
                tx.put_statistics(context.region, data)
            break
        except VersionConflict:
            if attempt == _ATTEMPTS:
                raise
    return {}


def _check(given: Sequence[Params], now: float) -> None:
    """Look for what is wrong, one kind of mistake after the other: an answer has one code and all that bears it."""
    for code, look in (
        ("InvalidParameterCombination", _combinations),
        ("InvalidParameterValue", lambda datum, path: _values(datum, path, now)),
    ):
        looks: Callable[[Params, str], Iterator[str]] = look
        found = [said for number, datum in enumerate(given, 1) for said in looks(datum, f"MetricData.member.{number}")]
        if found:
            raise AwsError(code, "\n".join(found))


def _combinations(datum: Params, path: str) -> Iterator[str]:
    names = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if not names:
        yield f"At least one of the parameters {path}.Value, {path}.Values, {path}.StatisticValues must be specified."
    if len(names) > 1:
        yield rules.both(f"{path}.{names[0]}", f"{path}.{names[1]}")
    if "Counts" in datum and "Values" not in datum:
        yield f"The parameter {path}.Counts can only be specified with {path}.Values."


def _values(datum: Params, path: str, now: float) -> Iterator[str]:
    values, counts = datum.get("Values"), datum.get("Counts")
    for name, collection in (("Values", values), ("Counts", counts)):
        if collection is not None and not 0 < len(collection) <= MAX_VALUES:
            bound = f"greater than {MAX_VALUES}" if collection else "less than 1"
            yield f"The collection {path}.{name} must not have a size {bound}."
    if counts is not None and values is not None and len(counts) != len(values):
        yield f"The parameters {path}.Values and {path}.Counts must have the same size."
    yield from _numbers(datum, path)
    at = datum.get("Timestamp", now)
    if not at >= now - OLDEST_SECONDS:
        yield f"The parameter {path}.Timestamp must specify a time within the past two weeks."
    if not at <= now + NEWEST_SECONDS:
        yield f"The parameter {path}.Timestamp must specify a time no more than two hours in the future."
    if datum.get("StorageResolution", 60) not in (1, 60):
        yield f"The parameter {path}.StorageResolution must be either 1 or 60."


def _numbers(datum: Params, path: str) -> Iterator[str]:
    numbers = {"Value": datum["Value"]} if "Value" in datum else {}
    numbers |= {f"Values.member.{at}": value for at, value in enumerate(datum.get("Values", ()), 1)}
    statistics = datum.get("StatisticValues")
    if statistics is not None:
        numbers |= {f"StatisticValues.{name}": value for name, value in statistics.items()}
        if not statistics["Minimum"] <= statistics["Maximum"]:
            yield f"The parameter {path}.StatisticValues.Minimum must not be greater than Maximum."
        if not statistics["SampleCount"] > 0:
            yield f"The parameter {path}.StatisticValues.SampleCount must be greater than 0."
    for at, count in enumerate(datum.get("Counts", ()), 1):
        if not 0 < count <= MAX_VALUE:
            yield f"The value {count} for parameter {path}.Counts.member.{at} is invalid."
    for name, value in numbers.items():
        if not math.isfinite(value) or abs(value) > MAX_VALUE:
            yield f"The value {_SPECIAL.get(str(value), value)} for parameter {path}.{name} is invalid."


def _datum(namespace: str, given: Params, number: int, now: float) -> Datum:
    dimensions = rules.dimensions(given.get("Dimensions", ()), f"MetricData.member.{number}.Dimensions")
    resolution = given.get("StorageResolution", 60)
    at = math.floor(given.get("Timestamp", now)) // resolution * resolution
    metric = Metric(namespace, given["MetricName"], dimensions)
    return Datum(metric, at, given.get("Unit", "None"), _statistics(given))


def _statistics(given: Params) -> StatisticSet:
    if "Value" in given:
        return StatisticSet.of([float(given["Value"])])
    if "Values" in given:
        counts = given.get("Counts")
        return StatisticSet.of(
            [float(each) for each in given["Values"]], None if counts is None else [float(each) for each in counts]
        )
    count, total, least, greatest = (
        float(given["StatisticValues"][name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum")
    )
    return StatisticSet(count, total, least, greatest)
