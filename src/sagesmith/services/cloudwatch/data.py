"""GetMetricData.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, timezone

import orjson

from sagesmith.services.cloudwatch import labels, rules
from sagesmith.services.cloudwatch.arithmetic import Series
from sagesmith.services.cloudwatch.queries import Evaluation, Query, parse, refused
from sagesmith.store import InvalidToken, Store
from sagesmith.store.tokens import decode_token, encode_token
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError

MAX_DATAPOINTS = 100_800
_EMPTY: Series = {}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: the query, which of its series, and the time of the last point that was answered."""

    query: int = 0
    series: int = 0
    after: int | None = None


def get_metric_data(store: Store, context: RequestContext, params: Params) -> Params:
    """One page of the points of all queries, one query after the other."""
    queries = parse(params["MetricDataQueries"], context.account_id)
    start, end = rules.clamped(params["StartTime"]), math.ceil(rules.clamped(params["EndTime"]))
    if not params["StartTime"] < params["EndTime"]:
        raise refused("The parameter StartTime must be less than the parameter EndTime.")
    budget = params.get("MaxDatapoints", MAX_DATAPOINTS)
    if not 0 < budget <= MAX_DATAPOINTS:
        raise refused(f"The value for parameter MaxDatapoints must be between 1 and {MAX_DATAPOINTS:,}.")
    zone = _zone(params)
    request = _request_of(params)
    place = _place(params.get("NextToken"), request)
    descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results: list[Params] = []
    with store.read() as tx:
        evaluation = Evaluation(tx, context.region, queries, start, end)
        for at, query, series in _series_from(queries, evaluation, place):
            if budget == 0:
                return _answer(results, encode_token("data", request, at.query, at.series, _shown(at.after)))
            points = sorted(series.items(), reverse=descending)
            if at.after is not None:
                last = at.after
                points = [point for point in points if (point[0] < last if descending else point[0] > last)]
            page, rest = points[:budget], points[budget:]
            budget -= len(page)
            results.append(_result(query, series, page, not rest, zone))
            if rest:
                return _answer(results, encode_token("data", request, at.query, at.series, page[-1][0]))
    return _answer(results, None)


def _series_from(
    queries: Sequence[Query], evaluation: Evaluation, place: _Place
) -> Iterator[tuple[_Place, Query, Series]]:
    for number, query in enumerate(queries):
        if number < place.query or not query.returned:
            continue
        for index, series in enumerate(evaluation.of(query) or [_EMPTY]):
            if number > place.query or index >= place.series:
                here = (number, index) == (place.query, place.series)
                yield _Place(number, index, place.after if here else None), query, series


def _result(query: Query, series: Series, page: list[tuple[int, float]], complete: bool, zone: timezone) -> Params:
    return {
        "Id": query.id,
        "Label": labels.filled_in(query.label, series, query.properties, zone),
        "Timestamps": [float(at) for at, _ in page],
        "Values": [value for _, value in page],
        "StatusCode": "Complete" if complete else "PartialData",
    }


def _answer(results: list[Params], token: str | None) -> Params:
    return {"MetricDataResults": results, "NextToken": token}


def _zone(params: Params) -> timezone:
    offset = params.get("LabelOptions", {}).get("Timezone")
    if offset is None:
        return UTC
    zone = labels.timezone_of(offset)
    if zone is None:
        raise refused(f"The value {offset} for parameter LabelOptions.Timezone is invalid.")
    return zone


def _request_of(params: Params) -> int:
    """What a token is good for: a request that asks for the same."""
    same = {name: value for name, value in params.items() if name not in ("NextToken", "MaxDatapoints")}
    return zlib.crc32(orjson.dumps(same, option=orjson.OPT_SORT_KEYS))


def _shown(after: int | None) -> int:
    return -1 if after is None else after


def _place(token: str | None, request: int) -> _Place:
    if token is None:
        return _Place()
    try:
        match decode_token(token):
            case ["data", int(of), int(query), int(series), int(after)] if of == request:
                return _Place(query, series, None if after < 0 else after)
    except InvalidToken:
        pass
    raise AwsError("InvalidNextToken", "The specified next token is invalid.")
