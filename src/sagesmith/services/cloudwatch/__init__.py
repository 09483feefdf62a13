"""Amazon CloudWatch: metrics that jobs and programs put, and their statistics. Alarms and dashboards are not built.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html. All times are seconds
since the epoch.
"""

from collections.abc import Callable

from sagesmith.services.base import Home
from sagesmith.services.cloudwatch.data import get_metric_data
from sagesmith.services.cloudwatch.listing import list_metrics
from sagesmith.services.cloudwatch.putting import put_metric_data
from sagesmith.services.cloudwatch.statistics import get_metric_statistics
from sagesmith.store import Store
from sagesmith.wire.context import Handler, Params, RequestContext

_OPERATIONS: dict[str, Callable[[Store, RequestContext, Params], Params]] = {
    "GetMetricData": get_metric_data,
    "GetMetricStatistics": get_metric_statistics,
    "ListMetrics": list_metrics,
    "PutMetricData": put_metric_data,
}


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""

    def bind(operation: Callable[[Store, RequestContext, Params], Params]) -> Handler:
        def handle(context: RequestContext, params: Params) -> Params:
            return operation(home.store, context, params)

        return handle

    return {name: bind(operation) for name, operation in _OPERATIONS.items()}
