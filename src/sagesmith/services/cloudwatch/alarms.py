"""Metric alarms: what is asked for, and what is told of them. What state they are in is the reconciler's (`watching`).

Alarms are documents. What came of their actions (`actions`) stands in their history.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from sagesmith.identifiers import random_uuid
from sagesmith.services import offset_pages
from sagesmith.services.cloudwatch import actions, alarm_checks, alarm_rules, queries, rules
from sagesmith.services.cloudwatch.alarm_rules import ALARM, INSUFFICIENT_DATA
from sagesmith.store import Document, Query, Store, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError

T = TypeVar("T")

KIND = "cloudwatch-alarm"
MOST_HISTORY = 100
DEFAULT_PAGE = 100
_SCALING_POLICY = ":scalingPolicy:"
_ACTIONS = {"OK": "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}


def put_metric_alarm(store: Store, context: RequestContext, params: Params) -> Params:
    """Create an alarm, or replace its settings; its state stays until it is looked at."""
    with store.write() as tx:
        put(tx, context, params, time.time())
    return {}


def put(tx: Transaction, context: RequestContext, params: Params, now: float) -> Document:
    """The same within a transaction.

    Raises:
        AwsError: ValidationError, with all that is wrong.
        NotImplementedException: what is asked for is not built.
    """
    alarm_checks.check(params, context.account_id)
    name = params["AlarmName"]
    settings = {member: value for member, value in params.items() if member != "Tags"}
    settings = {"ActionsEnabled": True, **settings, "AlarmConfigurationUpdatedTimestamp": now}
    tx.schedule(KIND, context.region, name, now)
    before = tx.lock(KIND, context.region, name, exclusive=True)
    if before is None:
        arn = f"arn:aws:cloudwatch:{context.region}:{context.account_id}:alarm:{name}"
        body = {**settings, **_unchecked(now), "_history": []}
        document = Document(KIND, context.region, name, name, arn, body, status=INSUFFICIENT_DATA)
        document = noted(document, "ConfigurationUpdate", f'Alarm "{name}" created', _told(settings), now)
        return tx.create(document, {each["Key"]: each["Value"] for each in params.get("Tags", ())})
    kept = {each: before.body[each] for each in (*_unchecked(now), "_history") if each in before.body}
    document = replace(before, body={**settings, **kept})
    return tx.update(noted(document, "ConfigurationUpdate", f'Alarm "{name}" updated', _told(settings), now))


def describe_alarms(store: Store, context: RequestContext, params: Params) -> Params:
    """One page of the alarms that match, by name."""
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
    if names and prefix:
        raise queries.refused(rules.both("AlarmNames", "AlarmNamePrefix"))
    if "MetricAlarm" not in params.get("AlarmTypes", ["MetricAlarm"]):
        return {"MetricAlarms": [], "CompositeAlarms": []}
    state, action = params.get("StateValue"), params.get("ActionPrefix")
    with store.read() as tx:
        found = [
            document
            for document in every_alarm(tx, context.region)
            if (not names or document.name in names)
            and (not prefix or document.name.startswith(prefix))
            and (not state or document.status == state)
            and (not action or any(each.startswith(action) for each in _all_actions(document)))
        ]
    page, token = _page(found, params, "alarms")
    return {"MetricAlarms": [described(each) for each in page], "CompositeAlarms": [], "NextToken": token}


def describe_alarms_for_metric(store: Store, context: RequestContext, params: Params) -> Params:
    """The alarms on one metric."""
    wanted = rules.metric_of(params)
    same = [each for each in ("Statistic", "ExtendedStatistic", "Period", "Unit") if each in params]
    with store.read() as tx:
        found = [
            document
            for document in every_alarm(tx, context.region)
            if "MetricName" in document.body
            and rules.metric_of(document.body) == wanted
            and all(document.body.get(each) == params[each] for each in same)
        ]
    return {"MetricAlarms": [described(each) for each in found]}


def describe_alarm_history(store: Store, context: RequestContext, params: Params) -> Params:
    """What became of one alarm, or of all, the newest first; of each no more than the last hundred items are kept."""
    start, end = params.get("StartDate", 0.0), params.get("EndDate", float("inf"))
    name, kind = params.get("AlarmName"), params.get("HistoryItemType")
    with store.read() as tx:
        items = [
            {"AlarmName": document.name, "AlarmType": "MetricAlarm", **item}
            for document in every_alarm(tx, context.region)
            if name in (None, document.name)
            for item in document.body["_history"]
            if kind in (None, item["HistoryItemType"]) and start <= item["Timestamp"] < end
        ]
    descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    items.sort(key=lambda item: item["Timestamp"], reverse=descending)
    page, token = _page(items, params, "history")
    return {"AlarmHistoryItems": page, "NextToken": token}


def set_alarm_state(store: Store, context: RequestContext, params: Params) -> Params:
    """Put an alarm into a state, until it is looked at again."""
    with store.write() as tx:
        document = _require(tx, context, params["AlarmName"])
        data = params.get("StateReasonData")
        move(tx, document, params["StateValue"], params["StateReason"], data, time.time())
    return {}


def delete_alarms(store: Store, context: RequestContext, params: Params) -> Params:
    """Delete all the alarms that are named, or none if one of them is not there."""
    with store.write() as tx:
        for name in dict.fromkeys(params["AlarmNames"]):
            _require(tx, context, name)
            tx.delete(KIND, context.region, name)
    return {}


def enable_alarm_actions(store: Store, context: RequestContext, params: Params) -> Params:
    return _set_enabled(store, context, params, enabled=True)


def disable_alarm_actions(store: Store, context: RequestContext, params: Params) -> Params:
    return _set_enabled(store, context, params, enabled=False)


def list_tags_for_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.read() as tx:
        _require_arn(tx, context, params["ResourceARN"])
        found = tx.tags(params["ResourceARN"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}


def tag_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        _require_arn(tx, context, params["ResourceARN"])
        tx.put_tags(params["ResourceARN"], {each["Key"]: each["Value"] for each in params["Tags"]})
    return {}


def untag_resource(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        _require_arn(tx, context, params["ResourceARN"])
        tx.remove_tags(params["ResourceARN"], params["TagKeys"])
    return {}


def tripped(tx: Transaction, region: str, names: Sequence[str]) -> list[str]:
    """Those of the alarms that are in ALARM."""
    found = ((name, tx.get(KIND, region, name)) for name in names)
    return [name for name, alarm in found if alarm is not None and alarm.status == ALARM]


def every_alarm(tx: Transaction, region: str) -> Iterator[Document]:
    """Alarms by name."""
    return tx.every(Query(KIND, region, sort="name", descending=False, limit=100))


def described(document: Document) -> Params:
    shown = {member: value for member, value in document.body.items() if not member.startswith("_")}
    empty: Params = {"OKActions": [], "AlarmActions": [], "InsufficientDataActions": [], "Dimensions": []}
    if "Metrics" in document.body:
        del empty["Dimensions"]
    return {**empty, **shown, "AlarmArn": document.arn, "StateValue": document.status}


def condition(document: Document) -> alarm_rules.Condition:
    body = document.body
    return alarm_rules.Condition(
        body["ComparisonOperator"],
        body["Threshold"],
        body["EvaluationPeriods"],
        body.get("DatapointsToAlarm") or body["EvaluationPeriods"],
        body.get("TreatMissingData") or alarm_rules.MISSING,
    )


def move(tx: Transaction, document: Document, state: str, why: str, data: str | None, now: float) -> Document:
    """Put an alarm into a state and tell of it: in its history and, if it is another one, as an event."""
    before = document.status
    body = {**document.body, "StateReason": why, "StateUpdatedTimestamp": now}
    body.pop("StateReasonData", None)
    if data is not None:
        body["StateReasonData"] = data
    moved = replace(document, status=state, body=body)
    if state == before:
        return tx.update(moved)
    moved.body["StateTransitionedTimestamp"] = now
    summary = f"Alarm updated from {before} to {state}"
    old = {"stateValue": before, "stateReason": document.body["StateReason"]}
    new = {"stateValue": state, "stateReason": why}
    moved = noted(moved, "StateUpdate", summary, {"version": "1.0", "oldState": old, "newState": new}, now)
    for action in moved.body.get(_ACTIONS[state], ()) if moved.body["ActionsEnabled"] else ():
        if _SCALING_POLICY in action:  # it looks at its alarms itself, and keeps activities of its own
            continue
        taken = actions.take(tx, action, document, moved)
        moved = noted(moved, "Action", taken.summary, taken.data, now)
    tx.put_event(document.region, _event(document, moved, now))
    return tx.update(moved)


def noted(document: Document, kind: str, summary: str, data: Params, now: float) -> Document:
    """The alarm with one more item in its history."""
    item = {
        "HistoryItemType": kind,
        "HistorySummary": summary[:255],
        "HistoryData": json.dumps(data)[:4095],
        "Timestamp": now,
    }
    return replace(document, body={**document.body, "_history": [*document.body["_history"], item][-MOST_HISTORY:]})


def _event(before: Document, after: Document, now: float) -> dict[str, Any]:
    """As EventBridge gets it: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html"""

    def state(document: Document) -> Params:
        at = datetime.fromtimestamp(document.body["StateUpdatedTimestamp"], UTC)
        found = {"value": document.status, "reason": document.body["StateReason"], "timestamp": at.isoformat()}
        data = document.body.get("StateReasonData")
        return found if data is None else {**found, "reasonData": data}

    return {
        "version": "0",
        "id": random_uuid(),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": after.arn.split(":")[4],
        "time": datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": after.region,
        "resources": [after.arn],
        "detail": {"alarmName": after.name, "state": state(after), "previousState": state(before)},
    }


def _unchecked(now: float) -> Params:
    return {
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }


def _told(settings: Params) -> Params:
    return {"version": "1.0", "type": "Update", "updatedAlarm": settings}


def _set_enabled(store: Store, context: RequestContext, params: Params, *, enabled: bool) -> Params:
    """Alarms that are not there are passed over, as CloudWatch does."""
    with store.write() as tx:
        for name in dict.fromkeys(params["AlarmNames"]):
            document = tx.lock(KIND, context.region, name, exclusive=True)
            if document is not None and document.body["ActionsEnabled"] != enabled:
                tx.update(replace(document, body={**document.body, "ActionsEnabled": enabled}))
    return {}


def _require(tx: Transaction, context: RequestContext, name: str) -> Document:
    document = tx.lock(KIND, context.region, name, exclusive=True)
    if document is None:
        raise AwsError("ResourceNotFound", f"Alarm {name} does not exist", 404)
    return document


def _require_arn(tx: Transaction, context: RequestContext, arn: str) -> None:
    document = tx.get_by_arn(arn)
    if document is None or document.kind != KIND or document.region != context.region:
        raise AwsError("ResourceNotFoundException", f"Unknown: {arn}", 404)


def _all_actions(document: Document) -> Iterator[str]:
    for member in _ACTIONS.values():
        yield from document.body.get(member, ())


def _page(found: Sequence[T], params: Params, of: str) -> tuple[list[T], str | None]:
    size = params.get("MaxRecords", DEFAULT_PAGE)
    return offset_pages.page_of(found, params.get("NextToken"), size, of, _invalid_token)


def _invalid_token() -> AwsError:
    return AwsError("InvalidNextToken", "The specified next token is invalid.")
