"""Topics: a document each, whose subscriptions are its children."""

import re
from dataclasses import replace

from sagesmith.store import Document, InvalidToken, Page, Query, Store, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

KIND, SUBSCRIPTION = "sns-topic", "sns-subscription"
CONFIRMED, PENDING = "Confirmed", "Pending"
PAGE = 100

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_KEPT = frozenset({"DisplayName", "Policy"})


class Topics:
    """Operations on topics."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateTopic": self.create_topic,
            "DeleteTopic": self.delete_topic,
            "GetTopicAttributes": self.get_topic_attributes,
            "ListTopics": self.list_topics,
            "SetTopicAttributes": self.set_topic_attributes,
        }

    def create_topic(self, context: RequestContext, params: Params) -> Params:
        """Make a topic; the one that is there is told."""
        name, attributes = params["Name"], params.get("Attributes") or {}
        if name.endswith(".fifo"):
            raise NotImplementedException("CreateTopic: first-in-first-out topics are not implemented.")
        if not _NAME.fullmatch(name):
            raise invalid("Topic Name")
        for attribute in attributes:
            _require_kept(attribute)
        arn = f"arn:aws:sns:{context.region}:{context.account_id}:{name}"
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags") or ()}
        with self._store.write() as tx:
            if tx.lock(KIND, context.region, name, exclusive=True) is None:
                tx.create(Document(KIND, context.region, name, name, arn, dict(attributes)), tags)
        return {"TopicArn": arn}

    def delete_topic(self, context: RequestContext, params: Params) -> Params:
        """Remove a topic and its subscriptions; that there is none is no error."""
        with self._store.write() as tx:
            topic = tx.get_by_arn(params["TopicArn"])
            if topic is not None and topic.kind == KIND:
                for subscription in subscriptions_of(tx, topic):
                    tx.delete(SUBSCRIPTION, subscription.region, subscription.key)
                tx.delete(KIND, topic.region, topic.key)
        return {}

    def get_topic_attributes(self, context: RequestContext, params: Params) -> Params:
        with self._store.read() as tx:
            topic = find(tx, context, params["TopicArn"])
            states = [each.status for each in subscriptions_of(tx, topic)]
        attributes = {
            "DisplayName": "",
            **topic.body,
            "TopicArn": topic.arn,
            "Owner": context.account_id,
            "SubscriptionsConfirmed": str(states.count(CONFIRMED)),
            "SubscriptionsPending": str(states.count(PENDING)),
            "SubscriptionsDeleted": "0",
        }
        return {"Attributes": attributes}

    def set_topic_attributes(self, context: RequestContext, params: Params) -> Params:
        _require_kept(params["AttributeName"])
        with self._store.write() as tx:
            topic = find(tx, context, params["TopicArn"])
            changed = {params["AttributeName"]: params.get("AttributeValue") or ""}
            tx.update(replace(topic, body={**topic.body, **changed}))
        return {}

    def list_topics(self, context: RequestContext, params: Params) -> Params:
        with self._store.read() as tx:
            page = listed(tx, Query(KIND, context.region, token=params.get("NextToken")))
        return {"Topics": [{"TopicArn": each.arn} for each in page.documents], "NextToken": page.next_token}


def find(tx: Transaction, context: RequestContext, arn: str) -> Document:
    """
    Raises:
        AwsError: it is no topic's ARN, or there is none of it in the request's region.
    """
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sns":
        raise invalid("TopicArn")
    topic = tx.get_by_arn(arn)
    if topic is None or topic.kind != KIND or topic.region != context.region:
        raise AwsError("NotFound", "Topic does not exist", 404)
    return topic


def subscriptions_of(tx: Transaction, topic: Document) -> list[Document]:
    """All of a topic's."""
    found: list[Document] = []
    token = None
    while True:
        page = tx.list(Query(SUBSCRIPTION, topic.region, parent=topic.key, limit=PAGE, token=token))
        found += page.documents
        token = page.next_token
        if token is None:
            return found


def listed(tx: Transaction, query: Query) -> Page[Document]:
    """One page.

    Raises:
        AwsError: the token is none.
    """
    try:
        return tx.list(replace(query, sort="name", descending=False, limit=PAGE))
    except InvalidToken as error:
        raise invalid("NextToken") from error


def invalid(what: str) -> AwsError:
    return AwsError("InvalidParameter", f"Invalid parameter: {what}")


def _require_kept(attribute: str) -> None:
    if attribute not in _KEPT:
        raise NotImplementedException(f"The topic attribute {attribute} is not implemented.")
