"""Records of the audit trail in CloudTrail's form.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import re
from datetime import UTC, datetime
from typing import Any

import orjson

from sagesmith.store import AuditRecord
from sagesmith.wire.context import Params
from sagesmith.wire.models import Shape, load_model

EVENT_VERSION = "1.11"
_DOMAIN = ".amazonaws.com"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]([0-9a-f]{3})-([0-9a-f]{12})")
_SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>.+)/[^/]+")


def event_id(record: AuditRecord) -> str:
    """A UUID for ever: the request's, with the record's time, its key, in the last 15 digits, so that it is found again
    without an index."""
    at = f"{record.at_us:015x}"
    return f"{record.details['request_id'][:20]}{at[:3]}-{at[3:]}"


def time_of(value: str) -> int | None:
    """The time of the record of an event id, in microseconds since the epoch; None if it cannot be one."""
    found = _ID.fullmatch(value)
    return None if found is None else int(found[1] + found[2], 16)


def source_of(service: str) -> str:
    return service + _DOMAIN


def service_of(source: str) -> str:
    """The service of an event source; something that no service is called for anything else."""
    return source.removesuffix(_DOMAIN) if source.endswith(_DOMAIN) else f"{source} is none"


def event_of(record: AuditRecord) -> Params:
    """An `Event` of LookupEvents."""
    resources = [{"ResourceType": record.resource_type or None, "ResourceName": record.resource}]
    return {
        "EventId": event_id(record),
        "EventName": record.operation,
        "ReadOnly": "false",
        "AccessKeyId": record.access_key_id,
        "EventTime": record.at_us // 1_000_000,
        "EventSource": source_of(record.service),
        "Username": record.user,
        "Resources": resources if record.resource else [],
        "CloudTrailEvent": orjson.dumps(cloudtrail_record(record)).decode(),
    }


def cloudtrail_record(record: AuditRecord) -> dict[str, Any]:
    """The whole record."""
    details = record.details
    model = load_model(record.service)
    operation = model.operations[record.operation]
    job = details["principal"]["job_arn"]
    made = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": _identity(details["principal"], record.access_key_id),
        "eventTime": datetime.fromtimestamp(record.at_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source_of(record.service),
        "eventName": record.operation,
        "awsRegion": record.region,
        "sourceIPAddress": details["source_ip"],
        "userAgent": details["user_agent"],
        "errorCode": details.get("error_code"),
        "errorMessage": details.get("error_message"),
        "requestParameters": _spelled(details["request"], operation.input, model.shapes),
        "responseElements": _spelled(details["response"], operation.output, model.shapes),
        "additionalEventData": {"jobArn": job} if job else None,
        "requestID": details["request_id"],
        "eventID": event_id(record),
        "readOnly": False,
        "resources": [{"accountId": details["principal"]["account_id"], "type": record.resource_type}]
        if record.resource_type
        else None,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": details["principal"]["account_id"],
        "eventCategory": "Management",
    }
    always = ("requestParameters", "responseElements")
    return {name: value for name, value in made.items() if value is not None or name in always}


def _identity(principal: Any, access_key_id: str) -> dict[str, Any]:
    identity = {
        "type": "AssumedRole",
        "principalId": principal["user_id"],
        "arn": principal["arn"],
        "accountId": principal["account_id"],
        "accessKeyId": access_key_id,
    }
    session = _SESSION.fullmatch(principal["arn"])
    if session is not None:
        identity["sessionContext"] = {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal["user_id"].partition(":")[0],
                "arn": f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}",
                "accountId": session["account"],
                "userName": session["role"],
            },
            "attributes": {"mfaAuthenticated": "false"},
        }
    return identity


def _spelled(value: Any, shape: str | None, shapes: dict[str, Shape]) -> Any:
    """A value as CloudTrail spells it: the names of members begin with a small letter, times are texts."""
    if value is None or shape is None or isinstance(value, str):
        return value
    described = shapes[shape]
    match described["type"]:
        case "structure" if isinstance(value, dict):
            members = described.get("members", {})
            return {
                name[0].lower() + name[1:]: _spelled(each, members[name]["shape"], shapes) if name in members else each
                for name, each in value.items()
                if name in members or value.get("omitted") is True
            }
        case "list" if isinstance(value, list):
            return [_spelled(each, described["member"]["shape"], shapes) for each in value]
        case "map" if isinstance(value, dict):
            return {key: _spelled(each, described["value"]["shape"], shapes) for key, each in value.items()}
        case "timestamp" if isinstance(value, int | float):
            at = datetime.fromtimestamp(value, UTC)
            return f"{at:%b} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S %p}"
    return value
