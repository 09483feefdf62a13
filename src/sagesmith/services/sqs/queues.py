"""Queues: a document each, whose messages are its children."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from sagesmith.services.base import Home
from sagesmith.store import Document, InvalidToken, Query, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

KIND, MESSAGE = "sqs-queue", "sqs-message"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NUMBERS: Mapping[str, tuple[int, int, int]] = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
}
"""Least, most and default.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""
_KEPT = frozenset({"Policy"})
"""What is told as it was given: nobody's policies are evaluated here."""
_NOT_BUILT = frozenset(
    {
        "FifoQueue",
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoThroughputLimit",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "RedrivePolicy",
        "RedriveAllowPolicy",
    }
)
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
_OWN = (*_COUNTS, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn", "SqsManagedSseEnabled")
_DEFAULT_PAGE = 1000


class Queues:
    """Operations on queues."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._store = home.store

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateQueue": self.create_queue,
            "DeleteQueue": self.delete_queue,
            "GetQueueAttributes": self.get_queue_attributes,
            "GetQueueUrl": self.get_queue_url,
            "ListQueues": self.list_queues,
            "PurgeQueue": self.purge_queue,
            "SetQueueAttributes": self.set_queue_attributes,
        }

    def create_queue(self, context: RequestContext, params: Params) -> Params:
        """Make a queue; one that is there with the same attributes is told."""
        name, attributes = params["QueueName"], _checked(params.get("Attributes") or {})
        if name.endswith(".fifo"):
            raise NotImplementedException("CreateQueue: first-in-first-out queues are not implemented.")
        if not _NAME.fullmatch(name):
            raise AwsError(
                "InvalidParameterValue",
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            )
        arn = f"arn:aws:sqs:{context.region}:{context.account_id}:{name}"
        with self._store.write() as tx:
            there = tx.lock(KIND, context.region, name, exclusive=True)
            if there is None:
                tx.create(Document(KIND, context.region, name, name, arn, attributes), params.get("tags") or {})
            for each, value in attributes.items():
                if there is not None and attribute(there, each) != value:
                    raise AwsError(
                        "QueueAlreadyExists",
                        f"A queue already exists with the same name and a different value for attribute {each}",
                        shape="QueueNameExists",
                    )
        return {"QueueUrl": self._url_of(context, name)}

    def delete_queue(self, context: RequestContext, params: Params) -> Params:
        with self._store.write() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            _remove_messages(tx, queue)
            tx.delete(KIND, queue.region, queue.key)
        return {}

    def get_queue_url(self, context: RequestContext, params: Params) -> Params:
        with self._store.read() as tx:
            queue = tx.get(KIND, context.region, params["QueueName"])
        if queue is None or params.get("QueueOwnerAWSAccountId", context.account_id) != context.account_id:
            raise no_queue()
        return {"QueueUrl": self._url_of(context, queue.name)}

    def list_queues(self, context: RequestContext, params: Params) -> Params:
        prefix, limit = params.get("QueueNamePrefix", ""), params.get("MaxResults", _DEFAULT_PAGE)
        require("MaxResults", limit, 1, _DEFAULT_PAGE)
        query = Query(KIND, context.region, sort="name", descending=False, limit=limit, token=params.get("NextToken"))
        try:
            with self._store.read() as tx:
                page = tx.list(query)
        except InvalidToken as error:
            raise AwsError("InvalidParameterValue", "The NextToken is invalid.") from error
        urls = [self._url_of(context, each.name) for each in page.documents if each.name.startswith(prefix)]
        return {"QueueUrls": urls, "NextToken": page.next_token if "MaxResults" in params else None}

    def get_queue_attributes(self, context: RequestContext, params: Params) -> Params:
        asked = set(params.get("AttributeNames") or ())
        known = {*_NUMBERS, *_KEPT, *_OWN}
        for name in asked - known - {"All"} - _NOT_BUILT:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        now = time.time()
        with self._store.read() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            visible = tx.count(Query(MESSAGE, queue.region, parent=queue.key, updated_before=now))
            whole = tx.count(Query(MESSAGE, queue.region, parent=queue.key))
        found = {
            **{name: attribute(queue, name) for name in _NUMBERS},
            **{name: str(queue.body[name]) for name in _KEPT if queue.body.get(name)},
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesNotVisible": str(whole - visible),
            "ApproximateNumberOfMessagesDelayed": "0",
            "CreatedTimestamp": str(int(queue.created_at)),
            "LastModifiedTimestamp": str(int(queue.updated_at)),
            "QueueArn": queue.arn,
            "SqsManagedSseEnabled": "false",
        }
        return {"Attributes": {name: value for name, value in found.items() if "All" in asked or name in asked}}

    def set_queue_attributes(self, context: RequestContext, params: Params) -> Params:
        attributes = _checked(params["Attributes"])
        with self._store.write() as tx:
            queue = queue_at(tx, context, params["QueueUrl"])
            tx.update(replace(queue, body={**queue.body, **attributes}))
        return {}

    def purge_queue(self, context: RequestContext, params: Params) -> Params:
        with self._store.write() as tx:
            _remove_messages(tx, queue_at(tx, context, params["QueueUrl"]))
        return {}

    def _url_of(self, context: RequestContext, name: str) -> str:
        return f"{context.origin or self._home.platform.url}/{context.account_id}/{name}"


def queue_at(tx: Transaction, context: RequestContext, url: str) -> Document:
    """The queue of a URL, whatever host is in it.

    Raises:
        AwsError: there is none.
    """
    account, _, name = urlsplit(url).path.strip("/").rpartition("/")
    queue = tx.get(KIND, context.region, name)
    if queue is None or account != context.account_id:
        raise no_queue()
    return queue


def require(name: str, value: int | None, least: int, most: int) -> None:
    """Make sure that a number is within its limits, if it is given.

    Raises:
        AwsError: InvalidParameterValue.
    """
    if value is not None and not least <= value <= most:
        message = (
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
        )
        raise AwsError("InvalidParameterValue", message)


def attribute(queue: Document, name: str) -> str:
    """An attribute's value, as AWS spells it: a text."""
    value = queue.body.get(name)
    if value is not None:
        return str(value)
    return str(_NUMBERS[name][2]) if name in _NUMBERS else ""


def no_queue() -> AwsError:
    code = "AWS.SimpleQueueService.NonExistentQueue"
    return AwsError(code, "The specified queue does not exist.", shape="QueueDoesNotExist")


def _checked(attributes: Mapping[str, str]) -> dict[str, str]:
    for name, value in attributes.items():
        if name == "SqsManagedSseEnabled" and value == "false":
            continue
        if name in _NOT_BUILT or name == "SqsManagedSseEnabled":
            raise NotImplementedException(f"The queue attribute {name} is not implemented.")
        if name not in _NUMBERS and name not in _KEPT:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _NUMBERS:
            least, most, _ = _NUMBERS[name]
            if not value.isdigit() or not least <= int(value) <= most:
                raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    return dict(attributes)


def _remove_messages(tx: Transaction, queue: Document) -> None:
    while page := tx.list(Query(MESSAGE, queue.region, parent=queue.key, limit=100)).documents:
        for message in page:
            tx.delete(MESSAGE, message.region, message.key)
