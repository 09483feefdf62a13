"""Subscriptions: who gets a topic's messages. An HTTP server confirms that it wants them; queues of ours need not.

Source: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html,
https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
"""

import hashlib
import re
import secrets
import time
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import orjson

from sagesmith.identifiers import random_uuid
from sagesmith.services.base import Home
from sagesmith.services.sns import deliveries
from sagesmith.services.sns.deliveries import moment
from sagesmith.services.sns.topics import CONFIRMED, PENDING, SUBSCRIPTION, find, invalid, listed, subscriptions_of
from sagesmith.services.sqs import queues
from sagesmith.store import Document, Query, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

CONFIRMABLE_SECONDS = 3 * 86_400
"""How long a subscription waits for its confirmation.

Source: https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
"""

_WEB = ("http", "https")
_ELSEWHERE = frozenset({"email", "email-json", "sms", "application", "lambda", "firehose"})
_PORT = re.compile(r"[^@:\s]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")
_RAW = "RawMessageDelivery"
_PENDING_ARN = "pending confirmation"
_CHOSEN = (
    "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included "
    "in this message."
)


class Subscriptions:
    """Operations on subscriptions."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._store = home.store

    def handlers(self) -> dict[str, Handler]:
        return {
            "ConfirmSubscription": self.confirm_subscription,
            "GetSubscriptionAttributes": self.get_subscription_attributes,
            "ListSubscriptions": self.list_subscriptions,
            "ListSubscriptionsByTopic": self.list_subscriptions_by_topic,
            "SetSubscriptionAttributes": self.set_subscription_attributes,
            "Subscribe": self.subscribe,
            "Unsubscribe": self.unsubscribe,
        }

    def subscribe(self, context: RequestContext, params: Params) -> Params:
        """Make a subscription; the one that is there is told, and asked for its confirmation once more."""
        protocol, endpoint = params["Protocol"], params.get("Endpoint") or ""
        attributes = _checked(params.get("Attributes") or {})
        with self._store.write() as tx:
            topic = find(tx, context, params["TopicArn"])
            self._check_endpoint(tx, context, protocol, endpoint)
            same = (each for each in subscriptions_of(tx, topic) if _is(each, protocol, endpoint))
            subscription = next(same, None) or _create(tx, topic, protocol, endpoint, attributes)
            if subscription.status == PENDING:
                self._ask(tx, context, topic, subscription)
        told = subscription.status == CONFIRMED or params.get("ReturnSubscriptionArn")
        return {"SubscriptionArn": subscription.arn if told else _PENDING_ARN}

    def confirm_subscription(self, context: RequestContext, params: Params) -> Params:
        token = hashlib.sha256(params["Token"].encode()).hexdigest()
        with self._store.write() as tx:
            topic = find(tx, context, params["TopicArn"])
            found = [each for each in subscriptions_of(tx, topic) if each.body.get("token") == token]
            if not found or found[0].body["confirmable_until"] < time.time():
                raise invalid("Token")
            if found[0].status != CONFIRMED:
                tx.update(replace(found[0], status=CONFIRMED))
        return {"SubscriptionArn": found[0].arn}

    def unsubscribe(self, context: RequestContext, params: Params) -> Params:
        with self._store.write() as tx:
            subscription = _find(tx, context, params["SubscriptionArn"])
            tx.delete(SUBSCRIPTION, subscription.region, subscription.key)
        return {}

    def get_subscription_attributes(self, context: RequestContext, params: Params) -> Params:
        with self._store.read() as tx:
            subscription = _find(tx, context, params["SubscriptionArn"])
        summary = _summary(context, subscription)
        attributes = {
            **summary,
            "SubscriptionArn": subscription.arn,
            "PendingConfirmation": str(subscription.status == PENDING).lower(),
            "ConfirmationWasAuthenticated": "false",
            _RAW: subscription.body["attributes"].get(_RAW, "false"),
        }
        return {"Attributes": attributes}

    def set_subscription_attributes(self, context: RequestContext, params: Params) -> Params:
        changed = _checked({params["AttributeName"]: params.get("AttributeValue") or ""})
        with self._store.write() as tx:
            subscription = _find(tx, context, params["SubscriptionArn"])
            attributes = {**subscription.body["attributes"], **changed}
            tx.update(replace(subscription, body={**subscription.body, "attributes": attributes}))
        return {}

    def list_subscriptions(self, context: RequestContext, params: Params) -> Params:
        with self._store.read() as tx:
            page = listed(tx, Query(SUBSCRIPTION, context.region, token=params.get("NextToken")))
        return {"Subscriptions": [_summary(context, each) for each in page.documents], "NextToken": page.next_token}

    def list_subscriptions_by_topic(self, context: RequestContext, params: Params) -> Params:
        with self._store.read() as tx:
            topic = find(tx, context, params["TopicArn"])
            query = Query(SUBSCRIPTION, topic.region, parent=topic.key, token=params.get("NextToken"))
            page = listed(tx, query)
        return {"Subscriptions": [_summary(context, each) for each in page.documents], "NextToken": page.next_token}

    def _check_endpoint(self, tx: Transaction, context: RequestContext, protocol: str, endpoint: str) -> None:
        if protocol in _ELSEWHERE:
            raise NotImplementedException(f"Subscribe with the protocol {protocol} is not implemented.")
        if protocol == "sqs":
            queue = tx.get_by_arn(endpoint)
            if queue is None or queue.kind != queues.KIND:
                raise invalid("SQS endpoint ARN")
            return
        if protocol not in _WEB:
            raise invalid(f"Does not support this protocol string: {protocol}")
        if not _can_be_asked(protocol, endpoint):
            raise invalid("Endpoint must match the specified protocol")
        if context.principal.job_arn is not None:
            # The platform sends it from outside the sandbox, from where this machine's own ports can be reached.
            raise AwsError("AuthorizationError", "Jobs and models cannot subscribe HTTP servers to a topic.", 403)

    def _ask(self, tx: Transaction, context: RequestContext, topic: Document, subscription: Document) -> None:
        """Ask an HTTP server for its confirmation, with a new token."""
        token = secrets.token_hex(64)
        kept = {
            "token": hashlib.sha256(token.encode()).hexdigest(),
            "confirmable_until": time.time() + CONFIRMABLE_SECONDS,
        }
        tx.update(replace(subscription, body={**subscription.body, **kept}))
        message_id = random_uuid()
        document = {
            "Type": "SubscriptionConfirmation",
            "MessageId": message_id,
            "Token": token,
            "TopicArn": topic.arn,
            "Message": _CHOSEN.format(topic=topic.arn),
            "SubscribeURL": self._confirming_url(context, topic, token),
            "Timestamp": moment(time.time()),
        }
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
        deliveries.add(tx, subscription, message_id, "SubscriptionConfirmation", content)

    def _confirming_url(self, context: RequestContext, topic: Document, token: str) -> str:
        """A presigned ConfirmSubscription: who visits it needs no credentials, as at AWS."""
        # Takes a while to load, and the API needs nothing else of it.
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        made = self._home.keyring.mint(
            f"arn:aws:iam::{context.account_id}:role/SubscriptionConfirmation", "sns", CONFIRMABLE_SECONDS
        )
        query = urlencode(
            {"Action": "ConfirmSubscription", "TopicArn": topic.arn, "Token": token, "Version": "2010-03-31"}
        )
        request = AWSRequest("GET", f"{context.origin or self._home.platform.url}/?{query}")
        key = Credentials(made.access_key_id, made.secret_access_key, made.session_token)
        SigV4QueryAuth(key, "sns", context.region, expires=CONFIRMABLE_SECONDS).add_auth(request)
        return str(request.url)


def _create(tx: Transaction, topic: Document, protocol: str, endpoint: str, attributes: Params) -> Document:
    key = random_uuid()
    body = {"Protocol": protocol, "Endpoint": endpoint, "TopicArn": topic.arn, "attributes": attributes}
    status = CONFIRMED if protocol == "sqs" else PENDING
    return tx.create(
        Document(SUBSCRIPTION, topic.region, key, key, f"{topic.arn}:{key}", body, parent=topic.key, status=status)
    )


def _find(tx: Transaction, context: RequestContext, arn: str) -> Document:
    subscription = tx.get_by_arn(arn)
    if subscription is None or subscription.kind != SUBSCRIPTION or subscription.region != context.region:
        raise AwsError("NotFound", "Subscription does not exist", 404)
    return subscription


def _can_be_asked(protocol: str, endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return False
    fits = parts.scheme == protocol and bool(parts.hostname) and bool(_PORT.fullmatch(parts.netloc))
    return fits and port != 0 and endpoint.isascii() and endpoint.isprintable()


def _is(subscription: Document, protocol: str, endpoint: str) -> bool:
    return bool(subscription.body["Protocol"] == protocol and subscription.body["Endpoint"] == endpoint)


def _summary(context: RequestContext, subscription: Document) -> Params:
    return {
        "SubscriptionArn": subscription.arn if subscription.status == CONFIRMED else "PendingConfirmation",
        "Owner": context.account_id,
        **{member: subscription.body[member] for member in ("Protocol", "Endpoint", "TopicArn")},
    }


def _checked(attributes: Params) -> Params:
    for name, value in attributes.items():
        if name != _RAW:
            raise NotImplementedException(f"The subscription attribute {name} is not implemented.")
        if value.lower() not in ("true", "false"):
            raise invalid(f"Attributes Reason: {_RAW}: Invalid value [{value}]. Must be true or false.")
    return {name: value.lower() for name, value in attributes.items()}
