"""What an alarm does when its state changes: a notification to a topic of SNS, whoever subscribes to that.

Other actions (of EC2, Lambda, Systems Manager) have nobody here to take them.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html. What a message
has is documented by example: https://repost.aws/knowledge-center/cloudwatch-configure-alarm-notifications
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from sagesmith.services.sns import publishing, topics
from sagesmith.services.sns.publishing import MAX_SUBJECT_CHARACTERS, Message
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params

_NOT_TAKEN = "Actions of alarms other than notifications by SNS are not taken by Sagesmith."
_TOPIC = ":sns:"
_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an action, as the alarm's history says it."""

    summary: str
    data: Params


def take(tx: Transaction, action: str, before: Document, after: Document) -> Taken:
    """Take an action of an alarm whose state has changed, in the transaction that changes it."""
    if _TOPIC not in action:
        return _failed(action, _NOT_TAKEN)
    topic = tx.get_by_arn(action)
    if topic is None or topic.kind != topics.KIND:
        return _failed(action, "Topic does not exist")
    subject = f'{after.status}: "{after.name}" in {after.region}'
    text = orjson.dumps(notification(before, after)).decode()
    message_id = publishing.publish(tx, topic, Message({"default": text}, subject[:MAX_SUBJECT_CHARACTERS]))
    done = {"actionState": "Succeeded", "notificationResource": action, "messageId": message_id}
    return Taken(f"Successfully executed action {action}", done)


def notification(before: Document, after: Document) -> Params:
    """The message of a change. Its `Region` is the region's code; AWS has the name that its console shows."""
    body = after.body
    return {
        "AlarmName": after.name,
        "AlarmDescription": body.get("AlarmDescription"),
        "AWSAccountId": after.arn.split(":")[4],
        "AlarmConfigurationUpdatedTimestamp": _moment(body["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": after.status,
        "NewStateReason": body["StateReason"],
        "StateChangeTime": _moment(body["StateUpdatedTimestamp"]),
        "Region": after.region,
        "AlarmArn": after.arn,
        "OldStateValue": before.status,
        **{each: body.get(each, []) for each in _LISTS},
        "Trigger": _trigger(body),
    }


def _trigger(body: Params) -> Params:
    compared = {
        "Period": body.get("Period"),
        "EvaluationPeriods": body["EvaluationPeriods"],
        **({"DatapointsToAlarm": body["DatapointsToAlarm"]} if "DatapointsToAlarm" in body else {}),
        "ComparisonOperator": body["ComparisonOperator"],
        "Threshold": body["Threshold"],
        "TreatMissingData": body.get("TreatMissingData", ""),
        "EvaluateLowSampleCountPercentile": body.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "Metrics" in body:
        return {**compared, "Metrics": body["Metrics"]}
    extended = body.get("ExtendedStatistic")
    statistic = (
        {"StatisticType": "Statistic", "Statistic": body["Statistic"].upper()}
        if extended is None
        else {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
    )
    dimensions = [{"value": each["Value"], "name": each["Name"]} for each in body.get("Dimensions", ())]
    named = {"MetricName": body["MetricName"], "Namespace": body["Namespace"]}
    return {**named, **statistic, "Unit": body.get("Unit"), "Dimensions": dimensions, **compared}


def _failed(action: str, why: str) -> Taken:
    told = {"actionState": "Failed", "notificationResource": action, "error": why}
    return Taken(f"Failed to execute action {action}", told)


def _moment(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"
