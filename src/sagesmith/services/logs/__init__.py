"""Amazon CloudWatch Logs: groups, streams, and the lines that jobs and endpoints write.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html. All times are
milliseconds since the epoch.
"""

from sagesmith.services.base import Home, StoreOperation, on_store
from sagesmith.services.logs import events, groups
from sagesmith.wire.context import Handler

_OPERATIONS: dict[str, StoreOperation] = {
    "CreateLogGroup": groups.create_log_group,
    "CreateLogStream": groups.create_log_stream,
    "DeleteLogGroup": groups.delete_log_group,
    "DeleteLogStream": groups.delete_log_stream,
    "DeleteRetentionPolicy": groups.delete_retention_policy,
    "DescribeLogGroups": groups.describe_log_groups,
    "DescribeLogStreams": groups.describe_log_streams,
    "FilterLogEvents": events.filter_log_events,
    "GetLogEvents": events.get_log_events,
    "ListTagsForResource": groups.list_tags_for_resource,
    "PutLogEvents": events.put_log_events,
    "PutRetentionPolicy": groups.put_retention_policy,
    "TagResource": groups.tag_resource,
    "UntagResource": groups.untag_resource,
}


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    return on_store(home, _OPERATIONS)
