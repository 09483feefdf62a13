"""Log groups and log streams."""

from typing import Any

from sagesmith.services.logs.naming import (
    existing_group,
    group_arn,
    invalid,
    invalid_token,
    named_group,
    no_group,
    no_stream,
    of_identifier,
    oldest_kept_ms,
)
from sagesmith.store import AlreadyExists, InvalidToken, LogGroup, LogStream, NotFound, Store
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
MAX_TAGS = 50


def create_log_group(store: Store, context: RequestContext, params: Params) -> Params:
    for member, plain in (("kmsKeyId", None), ("logGroupClass", "STANDARD"), ("deletionProtectionEnabled", False)):
        if params.get(member, plain) != plain:
            raise NotImplementedException(f"CreateLogGroup with {member}={params[member]} is not implemented.")
    group = params["logGroupName"]
    with store.write() as tx:
        try:
            tx.create_log_group(context.region, group)
        except AlreadyExists:
            raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists") from None
        tx.put_tags(group_arn(context, group), params.get("tags") or {})
    return {}


def delete_log_group(store: Store, context: RequestContext, params: Params) -> Params:
    group = params["logGroupName"]
    arn = group_arn(context, group)
    with store.write() as tx:
        try:
            tx.delete_log_group(context.region, group)
        except NotFound:
            raise no_group() from None
        tx.remove_tags(arn, tx.tags(arn))
    return {}


def describe_log_groups(store: Store, context: RequestContext, params: Params) -> Params:
    prefix, part = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    identifiers = params.get("logGroupIdentifiers") or []
    if sum(map(bool, (prefix, part, identifiers))) > 1:
        raise invalid(
            "LogGroup name prefix, LogGroup name pattern and LogGroup identifiers are mutually exclusive parameters."
        )
    accounts = params.get("accountIdentifiers") or [context.account_id]
    if params.get("logGroupClass", "STANDARD") != "STANDARD" or context.account_id not in accounts:
        return {"logGroups": []}
    with store.read() as tx:
        if identifiers:
            named = (tx.log_group(context.region, of_identifier(context, each)) for each in identifiers)
            return {"logGroups": [_describe_group(context, group) for group in named if group is not None]}
        try:
            found, token = tx.log_groups(
                context.region, prefix or "", part or "", params.get("limit", 50), params.get("nextToken")
            )
        except InvalidToken:
            raise invalid_token() from None
    return {"logGroups": [_describe_group(context, group) for group in found], "nextToken": token}


def _describe_group(context: RequestContext, group: LogGroup) -> dict[str, Any]:
    arn = group_arn(context, group.name)
    described = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": group.stored_bytes,
        "logGroupClass": "STANDARD",
    }
    if group.retention_days is not None:
        described["retentionInDays"] = group.retention_days
    return described


def put_retention_policy(store: Store, context: RequestContext, params: Params) -> Params:
    group, days = params["logGroupName"], params["retentionInDays"]
    if days not in RETENTION_DAYS:
        allowed = ", ".join(map(str, sorted(RETENTION_DAYS)))
        raise invalid(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{allowed}]"
        )
    with store.write() as tx:
        try:
            tx.set_log_retention(context.region, group, days)
        except NotFound:
            raise no_group() from None
        if (oldest := oldest_kept_ms(existing_group(tx, context, group))) is not None:
            tx.expire_log(context.region, group, oldest)
    return {}


def delete_retention_policy(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        try:
            tx.set_log_retention(context.region, params["logGroupName"], None)
        except NotFound:
            raise no_group() from None
    return {}


def create_log_stream(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        try:
            tx.create_log_stream(context.region, params["logGroupName"], params["logStreamName"])
        except NotFound:
            raise no_group() from None
        except AlreadyExists:
            raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists") from None
    return {}


def delete_log_stream(store: Store, context: RequestContext, params: Params) -> Params:
    group = params["logGroupName"]
    with store.write() as tx:
        existing_group(tx, context, group)
        try:
            tx.delete_log_stream(context.region, group, params["logStreamName"])
        except NotFound:
            raise no_stream() from None
    return {}


def describe_log_streams(store: Store, context: RequestContext, params: Params) -> Params:
    group, prefix = named_group(context, params), params.get("logStreamNamePrefix")
    by_last_event = params.get("orderBy") == "LastEventTime"
    if by_last_event and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    with store.read() as tx:
        try:
            found, token = tx.log_streams(
                context.region,
                group,
                prefix or "",
                "last_event" if by_last_event else "name",
                params.get("descending", False),
                params.get("limit", 50),
                params.get("nextToken"),
            )
        except NotFound:
            raise no_group() from None
        except InvalidToken:
            raise invalid_token() from None
    return {"logStreams": [_describe_stream(context, stream) for stream in found], "nextToken": token}


def _describe_stream(context: RequestContext, stream: LogStream) -> dict[str, Any]:
    described = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.last_ingestion_ms,
        "uploadSequenceToken": f"{stream.last_sequence:056d}",
        "arn": f"{group_arn(context, stream.group)}:log-stream:{stream.name}",
        # AWS has reported 0 for streams since 2019; the group's is the real one.
        "storedBytes": 0,
    }
    return {name: value for name, value in described.items() if value is not None}


def tag_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        group = existing_group(tx, context, of_identifier(context, params["resourceArn"]))
        arn = group_arn(context, group.name)
        if len({*tx.tags(arn), *params["tags"]}) > MAX_TAGS:
            raise AwsError("TooManyTagsException", f"A resource can have at most {MAX_TAGS} tags.")
        tx.put_tags(arn, params["tags"])
    return {}


def untag_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        group = existing_group(tx, context, of_identifier(context, params["resourceArn"]))
        tx.remove_tags(group_arn(context, group.name), params["tagKeys"])
    return {}


def list_tags_for_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.read() as tx:
        group = existing_group(tx, context, of_identifier(context, params["resourceArn"]))
        return {"tags": tx.tags(group_arn(context, group.name))}
