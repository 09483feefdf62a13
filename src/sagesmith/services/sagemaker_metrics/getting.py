"""BatchGetMetrics: one statistic of a metric for each minute, hour or iteration.

Of what Start, End and XAxisValues count AWS's reference says nothing. Here they count as the x axis does: iterations,
or seconds since the epoch, as the API's timestamps do on the wire. Both ends are included.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_metrics_BatchGetMetrics.html
"""

from collections import defaultdict
from collections.abc import Sequence

from sagesmith.services.sagemaker import task_metrics
from sagesmith.services.sagemaker.engine import Call
from sagesmith.services.sagemaker.experiments import TRIAL_COMPONENT
from sagesmith.services.sagemaker_metrics.statistics import Statistics
from sagesmith.store import Document, MetricPoint
from sagesmith.wire.context import Params

_ITERATION = "IterationNumber"
_PERIOD_SECONDS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}


def batch_get(call: Call, params: Params) -> Params:
    """Answer each query for itself."""
    return {"MetricQueryResults": [_result(call, query) for query in params["MetricQueries"]]}


def _result(call: Call, query: Params) -> Params:
    component = TRIAL_COMPONENT.seek(call.tx, call.context, query["ResourceArn"])
    start, end = query.get("Start"), query.get("End")
    if component is None:
        return _refused(TRIAL_COMPONENT.not_found(call.context, query["ResourceArn"]).message)
    if start is not None and end is not None and start > end:
        return _refused("Start must not be after End.")
    if query["XAxisType"] == _ITERATION:
        points = call.tx.metric_points(component.arn, query["MetricName"], first_step=start, last_step=end)
    else:
        since_ms, until_ms = (None if each is None else each * 1000 for each in (start, end))
        points = call.tx.metric_points(component.arn, query["MetricName"], since_ms, until_ms)
        points = points or _of_job(call, component, query["MetricName"], since_ms, until_ms)
    values = _values(points, query)
    return {
        "Status": "Complete",
        "XAxisValues": [x for x, _ in values],
        "MetricValues": [value for _, value in values],
    }


def _of_job(
    call: Call, component: Document, name: str, since_ms: int | None, until_ms: int | None
) -> list[MetricPoint]:
    """What the output of the training job had that the component is of; nothing if it is of none."""
    source = component.body.get("Source", {})
    job = call.tx.get_by_arn(source["SourceArn"]) if source.get("SourceType") == "SageMakerTrainingJob" else None
    return task_metrics.points(call.tx, job, name, since_ms, until_ms) if job is not None else []


def _refused(message: str) -> Params:
    return {"Status": "ValidationError", "Message": message, "XAxisValues": [], "MetricValues": []}


def _values(points: Sequence[MetricPoint], query: Params) -> list[tuple[int, float]]:
    """The value of each period in the order of the x axis, on which a period stands where it begins."""
    period, axis = query["Period"], query["XAxisType"]
    groups: dict[int, list[MetricPoint]] = defaultdict(list)
    for point in points:
        if point.step is None and _ITERATION in (period, axis):
            continue
        groups[_group(point, period)].append(point)
    return sorted((_place(number, group, period, axis), _statistic(group, query)) for number, group in groups.items())


def _group(point: MetricPoint, period: str) -> int:
    if period == _ITERATION:
        assert point.step is not None
        return point.step
    seconds = _PERIOD_SECONDS[period]
    return point.at_ms // 1000 // seconds * seconds


def _place(number: int, group: Sequence[MetricPoint], period: str, axis: str) -> int:
    """Where a group is on the x axis: its number if that is what the axis counts, else where its first point is."""
    if (period == _ITERATION) == (axis == _ITERATION):
        return number
    if axis == _ITERATION:
        return min(each.step for each in group if each.step is not None)
    return group[0].at_ms // 1000


def _statistic(group: Sequence[MetricPoint], query: Params) -> float:
    statistics = Statistics()
    for point in group:
        statistics.add(point)
    return statistics.of(query["MetricStat"])
