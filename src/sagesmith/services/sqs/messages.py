"""Messages: documents whose time of change is when they can be received next, so that the queue is read in that order.

A message is delivered at least once, as AWS's standard queues do.
"""

import base64
import hashlib
import threading
import time
from dataclasses import replace

import orjson

from sagesmith.identifiers import random_uuid
from sagesmith.services.sqs.queues import KIND, MESSAGE, attribute, queue_at, require
from sagesmith.store import Document, Query, Store, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

MOST_WAITING = 4
"""Calls that wait for a message at once; one more is answered at once, as a short poll is. Each has a thread."""

_LOOK_SECONDS = 0.2
_LIMITS = {"MaxNumberOfMessages": (1, 10), "VisibilityTimeout": (0, 43_200), "WaitTimeSeconds": (0, 20)}
"""Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
_NOT_BUILT = (
    "DelaySeconds",
    "MessageAttributes",
    "MessageSystemAttributes",
    "MessageGroupId",
    "MessageDeduplicationId",
)
_SYSTEM = ("ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp")


class Messages:
    """Operations on messages."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def handlers(self) -> dict[str, Handler]:
        return {
            "ChangeMessageVisibility": self.change_message_visibility,
            "DeleteMessage": self.delete_message,
            "DeleteMessageBatch": self.delete_message_batch,
            "ReceiveMessage": self.receive_message,
            "SendMessage": self.send_message,
        }

    def send_message(self, context: RequestContext, params: Params) -> Params:
        for member in _NOT_BUILT:
            if params.get(member):
                raise NotImplementedException(f"SendMessage with {member} is not implemented.")
        with self._store.write() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            if len(params["MessageBody"].encode()) > int(attribute(queue, "MaximumMessageSize")):
                size = attribute(queue, "MaximumMessageSize")
                message = f"One or more parameters are invalid. Reason: Message must be shorter than {size} bytes."
                raise AwsError("InvalidParameterValue", message)
            made = put(tx, queue, params["MessageBody"], context.principal.user_id)
        return {"MessageId": made.key, "MD5OfMessageBody": _md5(params["MessageBody"])}

    def receive_message(self, context: RequestContext, params: Params) -> Params:
        """Up to ten messages; waits for one if there is none and the caller, or the queue, says for how long."""
        for name, (least, most) in _LIMITS.items():
            require(name, params.get(name), least, most)
        with self._store.read() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
        wait = params.get("WaitTimeSeconds", int(attribute(queue, "ReceiveMessageWaitTimeSeconds")))
        found = self._take(context, params)
        if found or not wait or not self._waiting.acquire(blocking=False):
            return {"Messages": found}
        try:
            deadline = time.monotonic() + wait
            while not found and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
                found = self._take(context, params) if self._any(queue) else []
        finally:
            self._waiting.release()
        return {"Messages": found}

    def delete_message(self, context: RequestContext, params: Params) -> Params:
        key = _message_of(params["ReceiptHandle"])
        with self._store.write() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            message = tx.get(MESSAGE, queue.region, key)
            if message is not None and message.parent == queue.key:
                tx.delete(MESSAGE, queue.region, key)
        return {}

    def delete_message_batch(self, context: RequestContext, params: Params) -> Params:
        done: list[Params] = []
        failed: list[Params] = []
        for entry in params["Entries"]:
            try:
                self.delete_message(context, {"QueueUrl": params["QueueUrl"], "ReceiptHandle": entry["ReceiptHandle"]})
                done.append({"Id": entry["Id"]})
            except AwsError as error:
                if error.code != "ReceiptHandleIsInvalid":
                    raise
                failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
        return {"Successful": done, "Failed": failed}

    def change_message_visibility(self, context: RequestContext, params: Params) -> Params:
        require("VisibilityTimeout", params["VisibilityTimeout"], *_LIMITS["VisibilityTimeout"])
        key = _message_of(params["ReceiptHandle"])
        with self._store.write() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            message = tx.get(MESSAGE, queue.region, key)
            if message is None or message.parent != queue.key:
                raise AwsError(
                    "InvalidParameterValue",
                    "The message does not exist or is not available for visibility timeout change.",
                )
            tx.update(replace(message, updated_at=time.time() + params["VisibilityTimeout"]), touch=False)
        return {}

    def _any(self, queue: Document) -> bool:
        with self._store.read() as tx:
            return bool(tx.list(_visible(queue, time.time(), 1)).documents)

    def _take(self, context: RequestContext, params: Params) -> list[Params]:
        """Messages that can be received now; they cannot for a while after that."""
        now = time.time()
        asked = {*(params.get("AttributeNames") or ()), *(params.get("MessageSystemAttributeNames") or ())}
        found: list[Params] = []
        with self._store.write() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            tx.lock(KIND, queue.region, queue.key, exclusive=True)
            hidden = params.get("VisibilityTimeout", int(attribute(queue, "VisibilityTimeout")))
            oldest = now - int(attribute(queue, "MessageRetentionPeriod"))
            for message in tx.list(_visible(queue, now, params.get("MaxNumberOfMessages", 1))).documents:
                if message.created_at < oldest:
                    tx.delete(MESSAGE, message.region, message.key)
                    continue
                body = {**message.body, "count": message.body["count"] + 1}
                body.setdefault("first_at", now)
                tx.update(replace(message, body=body, updated_at=now + hidden), touch=False)
                found.append(_received(message, body, asked))
        return found


def put(tx: Transaction, queue: Document, text: str, sender: str) -> Document:
    """Put a message into a queue."""
    now = time.time() + int(attribute(queue, "DelaySeconds"))
    key = random_uuid()
    body = {"text": text, "count": 0, "sender": sender}
    return tx.create(Document(MESSAGE, queue.region, key, key, "", body, parent=queue.key, updated_at=now))


def expire(store: Store) -> None:
    """Remove the messages that nobody received for as long as their queues keep them."""
    with store.read() as tx:
        queues = [
            queue
            for region in tx.regions()
            for queue in tx.list(Query(KIND, region, sort="name", descending=False, limit=1000)).documents
        ]
    for queue in queues:
        before = time.time() - int(attribute(queue, "MessageRetentionPeriod"))
        query = Query(MESSAGE, queue.region, parent=queue.key, created_before=before, limit=100)
        with store.write() as tx:
            for message in tx.list(query).documents:
                tx.delete(MESSAGE, message.region, message.key)


def _visible(queue: Document, now: float, limit: int) -> Query:
    return Query(
        MESSAGE,
        queue.region,
        parent=queue.key,
        updated_before=now,
        sort="updated_at",
        descending=False,
        limit=limit,
    )


def _received(message: Document, body: Params, asked: set[str]) -> Params:
    system = {
        "ApproximateFirstReceiveTimestamp": str(int(body["first_at"] * 1000)),
        "ApproximateReceiveCount": str(body["count"]),
        "SenderId": body["sender"],
        "SentTimestamp": str(int(message.created_at * 1000)),
    }
    return {
        "MessageId": message.key,
        "ReceiptHandle": base64.b64encode(orjson.dumps([message.key, body["count"]])).decode(),
        "MD5OfBody": _md5(body["text"]),
        "Body": body["text"],
        "Attributes": {name: system[name] for name in _SYSTEM if "All" in asked or name in asked} or None,
    }


def _message_of(handle: str) -> str:
    try:
        key, _ = orjson.loads(base64.b64decode(handle, validate=True))
        return str(key)
    except (ValueError, TypeError) as error:
        raise AwsError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", 404) from error


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
