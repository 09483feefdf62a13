"""A message on its way to everybody who subscribes to a topic.

Source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html,
https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sagesmith.identifiers import random_uuid
from sagesmith.services.base import Home
from sagesmith.services.sns import deliveries
from sagesmith.services.sns.deliveries import moment
from sagesmith.services.sns.topics import CONFIRMED, find, invalid, subscriptions_of
from sagesmith.services.sqs import messages
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import NotImplementedException

MAX_MESSAGE_BYTES = 262_144
MAX_SUBJECT_CHARACTERS = 100
_SENDER = "AIDAISMY7JYY5F7RTT6AO"
"""Who SQS says has sent what comes from a topic, at AWS."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published.

    Attributes:
        texts: by protocol, with `default` for all that are not named.
        attributes: in the form of a notification: Type and Value by name.
    """

    texts: Mapping[str, str]
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, protocol: str) -> str:
        return self.texts.get(protocol, self.texts["default"])


class Publishing:
    """The operation Publish."""

    def __init__(self, home: Home) -> None:
        self._store = home.store

    def handlers(self) -> dict[str, Handler]:
        return {"Publish": self.publish}

    def publish(self, context: RequestContext, params: Params) -> Params:
        if params.get("PhoneNumber"):
            raise NotImplementedException("Publish with PhoneNumber is not implemented.")
        for member in ("MessageGroupId", "MessageDeduplicationId"):
            if params.get(member):
                raise NotImplementedException(f"Publish with {member} is not implemented.")
        arn = params.get("TopicArn") or params.get("TargetArn")
        if arn is None:
            raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
        message = _read(params)
        with self._store.write() as tx:
            return {"MessageId": publish(tx, find(tx, context, arn), message)}


def publish(tx: Transaction, topic: Document, message: Message) -> str:
    """Put a message on its way to all that have confirmed; its id."""
    message_id, now = random_uuid(), time.time()
    for subscription in subscriptions_of(tx, topic):
        if subscription.status != CONFIRMED:
            continue
        protocol = subscription.body["Protocol"]
        raw = subscription.body["attributes"].get("RawMessageDelivery") == "true"
        text = message.of(protocol) if raw else _notification(topic, message, protocol, message_id, now)
        if protocol == "sqs":
            queue = tx.get_by_arn(subscription.body["Endpoint"])
            if queue is not None:
                messages.put(tx, queue, text, _SENDER)
        else:
            deliveries.add(tx, subscription, message_id, "Notification", text, raw=raw)
    return message_id


def _notification(topic: Document, message: Message, protocol: str, message_id: str, now: float) -> str:
    """The document around a message. It is not signed: there is no certificate of AWS's to sign it with."""
    document: dict[str, Any] = {"Type": "Notification", "MessageId": message_id, "TopicArn": topic.arn}
    if message.subject is not None:
        document["Subject"] = message.subject
    document |= {"Message": message.of(protocol), "Timestamp": moment(now)}
    if message.attributes:
        document["MessageAttributes"] = message.attributes
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _read(params: Params) -> Message:
    text, subject = params["Message"], params.get("Subject")
    if not text:
        raise invalid("Empty message")
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise invalid("Message too long")
    if subject is not None and not 0 < len(subject) <= MAX_SUBJECT_CHARACTERS:
        raise invalid("Subject")
    texts = {"default": text}
    if (structure := params.get("MessageStructure")) is not None:
        texts = _by_protocol(structure, text)
    attributes = {
        name: {"Type": value["DataType"], "Value": _value(value)}
        for name, value in (params.get("MessageAttributes") or {}).items()
    }
    return Message(texts, subject, attributes)


def _by_protocol(structure: str, text: str) -> dict[str, str]:
    if structure != "json":
        raise invalid("MessageStructure")
    try:
        found = orjson.loads(text)
    except ValueError as error:
        raise invalid("Message Structure - JSON message body failed to parse") from error
    if not isinstance(found, dict) or not isinstance(found.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _value(value: Params) -> str:
    if "BinaryValue" in value:
        return base64.b64encode(value["BinaryValue"]).decode()
    return str(value.get("StringValue") or "")
