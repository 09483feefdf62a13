"""What is to be told of a request that is done, in a file each, for the API process to publish.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
"""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from sagesmith.files import flush_directory, write_durably
from sagesmith.gateway.asynchronous.performing import Answer, Failed
from sagesmith.gateway.asynchronous.records import Record

MAX_INCLUDED_BYTES = 128 << 10
"""Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AsyncInferenceNotificationConfig.html"""

_ELSEWHERE = "Check S3 path location(if configured) or Cloudwatch for additional details."
_CLASSES = ("AlgorithmError:", "ClientError:", "InternalServerError:")
_REQUEST = {
    "accept": "accept",
    "contentType": "content-type",
    "customAttributes": "x-amzn-sagemaker-custom-attributes",
}


def topic_of(record: Record, outcome: Answer | Failed) -> str | None:
    """Who wants to know, None if nobody does."""
    return record.topics.get("ErrorTopic" if isinstance(outcome, Failed) else "SuccessTopic")


def write(
    directory: Path, record: Record, variant: str | None, topic: str, outcome: Answer | Failed, now: float
) -> None:
    """Have somebody told; it is on the disk when this returns. Who writes it again replaces it.

    Raises:
        OSError: it is not.
    """
    if not directory.is_dir():
        directory.mkdir(mode=0o700, exist_ok=True)
        flush_directory(directory.parent)
    notice = {
        "topic": topic,
        "region": record.region,
        "endpoint": record.endpoint,
        "variant": variant,
        "message": orjson.dumps(_message(record, outcome, now)).decode(),
    }
    write_durably(directory / f"{record.entry.id}.json", orjson.dumps(notice))


def _message(record: Record, outcome: Answer | Failed, now: float) -> dict[str, Any]:
    failed = isinstance(outcome, Failed)
    asked = {member: value for member, name in _REQUEST.items() if (value := record.header(name)) is not None}
    asked["endpointName"] = record.endpoint
    if record.input is not None:
        asked["inputLocation"] = record.input
    message: dict[str, Any] = {
        "awsRegion": record.region,
        "eventTime": _moment(now),
        "receivedTime": _moment(record.entry.received_ms / 1000),
        "invocationStatus": "Failed" if failed else "Completed",
    }
    if isinstance(outcome, Failed):
        reason = str(outcome)
        message["failureReason"] = reason if reason.startswith(_CLASSES) else f"ClientError: {reason}"
    message["requestParameters"] = asked
    if said := _said(record, outcome):
        message["responseParameters"] = said
    if ("ERROR_NOTIFICATION_TOPIC" if failed else "SUCCESS_NOTIFICATION_TOPIC") in record.included_in:
        message["responseBody"] = _body(outcome)
    return message | {
        "inferenceId": record.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _said(record: Record, outcome: Answer | Failed) -> dict[str, str]:
    if isinstance(outcome, Failed):
        return {"failureLocation": record.failure} if record.failure is not None else {}
    said = {"contentType": outcome.content_type}
    if outcome.custom_attributes is not None:
        said["customAttributes"] = outcome.custom_attributes
    if record.output is not None:
        said["outputLocation"] = record.output
    return said


def _body(outcome: Answer | Failed) -> dict[str, str]:
    """The answer itself, where it is not too large."""
    if isinstance(outcome, Failed):
        content = str(outcome).encode()
    elif isinstance(outcome.content, bytes):
        content = outcome.content
    else:
        small = outcome.content.stat().st_size <= MAX_INCLUDED_BYTES
        content = outcome.content.read_bytes() if small else bytes(MAX_INCLUDED_BYTES + 1)
    included = base64.b64encode(content).decode() if len(content) <= MAX_INCLUDED_BYTES else ""
    return {"content": included, "message": _ELSEWHERE, "encoding": "BASE64"}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
