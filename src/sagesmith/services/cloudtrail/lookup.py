"""LookupEvents: the calls of a region, the latest first, by one attribute and by their time."""

from dataclasses import replace

from sagesmith.services.audit import split_arn
from sagesmith.services.cloudtrail.events import event_id, event_of, service_of, time_of
from sagesmith.store import AuditFilter, AuditPage, AuditQuery, InvalidToken, Store, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError

MAX_RESULTS = 50

_COLUMNS: dict[str, AuditFilter] = {
    "AccessKeyId": "access_key_id",
    "EventName": "operation",
    "EventSource": "service",
    "ResourceName": "resource",
    "ResourceType": "resource_type",
    "Username": "user",
}
"""What each attribute is a column of; EventId and ReadOnly are none."""


def lookup_events(store: Store, context: RequestContext, params: Params) -> Params:
    since, until = params.get("StartTime"), params.get("EndTime")
    if since is not None and until is not None and since > until:
        raise AwsError("InvalidTimeRangeException", "Invalid time range: the start time occurs after the end time.")
    query = AuditQuery(
        context.region,
        None if since is None else int(since * 1_000_000),
        # Times have seconds, so that the end is the whole of its second.
        None if until is None else int(until * 1_000_000) + 999_999,
        limit=params.get("MaxResults", MAX_RESULTS),
        token=params.get("NextToken"),
    )
    attribute, value = _attribute(params)
    if params.get("EventCategory") or (attribute == "ReadOnly" and value == "true"):
        return {"Events": []}
    with store.read() as tx:
        found = _by_id(tx, query, value) if attribute == "EventId" else _page(tx, query, attribute, value)
    return {"Events": [event_of(record) for record in found.records], "NextToken": found.next_token}


def _attribute(params: Params) -> tuple[str, str]:
    """The attribute that is looked for and its value, empty if there is none."""
    attributes = params.get("LookupAttributes") or []
    if not attributes:
        return "", ""
    if len(attributes) > 1:
        raise _invalid("only one lookup attribute can be specified")
    attribute, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if attribute == "ReadOnly" and value not in ("true", "false"):
        raise _invalid("the value of ReadOnly must be true or false")
    return attribute, value


def _invalid(reason: str) -> AwsError:
    return AwsError("InvalidLookupAttributesException", f"Invalid lookup attributes: {reason}.")


def _page(tx: Transaction, query: AuditQuery, attribute: str, value: str) -> AuditPage:
    match attribute:
        case "EventSource":
            value = service_of(value)
        case "ResourceName":
            value = split_arn(value)[1]
    where = {_COLUMNS[attribute]: value} if attribute in _COLUMNS else {}
    try:
        return tx.audit_records(replace(query, where=where))
    except InvalidToken:
        raise AwsError(
            "InvalidNextTokenException",
            "Invalid token: it was not given out here, or belongs to a request with other parameters.",
        ) from None


def _by_id(tx: Transaction, query: AuditQuery, value: str) -> AuditPage:
    at_us = time_of(value)
    record = None if at_us is None else tx.audit_record(query.region, at_us)
    if record is None or event_id(record) != value:
        return AuditPage([], None)
    started = query.since_us is None or record.at_us >= query.since_us
    ended = query.until_us is not None and record.at_us > query.until_us
    return AuditPage([record] if started and not ended else [], None)
