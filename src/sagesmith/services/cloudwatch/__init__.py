"""Amazon CloudWatch: metrics that jobs and programs put, their statistics, and alarms. Dashboards are not built.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html. All times are seconds
since the epoch.
"""

from sagesmith.services.base import Home, StoreOperation, on_store
from sagesmith.services.cloudwatch import alarms
from sagesmith.services.cloudwatch.data import get_metric_data
from sagesmith.services.cloudwatch.listing import list_metrics
from sagesmith.services.cloudwatch.putting import put_metric_data
from sagesmith.services.cloudwatch.statistics import get_metric_statistics
from sagesmith.services.cloudwatch.watching import AlarmWatch
from sagesmith.services.reconcile import Reconciler
from sagesmith.wire.context import Handler

_OPERATIONS: dict[str, StoreOperation] = {
    "DeleteAlarms": alarms.delete_alarms,
    "DescribeAlarmHistory": alarms.describe_alarm_history,
    "DescribeAlarms": alarms.describe_alarms,
    "DescribeAlarmsForMetric": alarms.describe_alarms_for_metric,
    "DisableAlarmActions": alarms.disable_alarm_actions,
    "EnableAlarmActions": alarms.enable_alarm_actions,
    "GetMetricData": get_metric_data,
    "GetMetricStatistics": get_metric_statistics,
    "ListMetrics": list_metrics,
    "ListTagsForResource": alarms.list_tags_for_resource,
    "PutMetricAlarm": alarms.put_metric_alarm,
    "PutMetricData": put_metric_data,
    "SetAlarmState": alarms.set_alarm_state,
    "TagResource": alarms.tag_resource,
    "UntagResource": alarms.untag_resource,
}


def reconcilers() -> list[Reconciler]:
    """What gives alarms a life of their own."""
    return [AlarmWatch()]


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    return on_store(home, _OPERATIONS)
