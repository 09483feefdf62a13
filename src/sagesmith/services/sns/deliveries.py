"""What is to be sent to HTTP servers: a document each until the server has taken it, or was asked often enough.

The document's time of change is when it is due. Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sagesmith import logging
from sagesmith.identifiers import random_uuid
from sagesmith.store import Document, NotFound, Query, Store, Transaction, VersionConflict

KIND = "sns-delivery"
INTERVAL_SECONDS = 1.0
ATTEMPTS = 4
RETRY_SECONDS = 20.0
"""Three more after the first, 20 seconds apart: what AWS does where no policy says otherwise."""

ANSWER_SECONDS = 15.0
_REGION = "all"
"""Deliveries are found by one look, whatever region they are from."""
_AT_ONCE = 4
_PAGE = 50

log = logging.get("sns")


def add(
    tx: Transaction, subscription: Document, message_id: str, kind: str, content: str, *, raw: bool = False
) -> None:
    """Have something sent to an HTTP server.

    Args:
        kind: its `Type`.
        raw: it is a message without the document around it.
    """
    key = random_uuid()
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": subscription.body["TopicArn"],
        **({"x-amz-sns-subscription-arn": subscription.arn} if kind == "Notification" else {}),
        **({"x-amz-sns-rawdelivery": "true"} if raw else {}),
    }
    body = {"url": subscription.body["Endpoint"], "headers": headers, "content": content, "attempts": 0}
    tx.create(Document(KIND, _REGION, key, key, "", body))


class Deliveries:
    """Sends what is due. One thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def deliver(self) -> None:
        """Send all that is due now, several at once; what is not taken is due again later."""
        now = time.time()
        with self._store.read() as tx:
            query = Query(KIND, _REGION, updated_before=now, sort="updated_at", descending=False, limit=_PAGE)
            due = tx.list(query).documents
        servers: dict[str, list[Document]] = {}
        for delivery in due:
            servers.setdefault("/".join(delivery.body["url"].split("/", 3)[:3]), []).append(delivery)
        if servers:
            with ThreadPoolExecutor(min(_AT_ONCE, len(servers)), thread_name_prefix="sns") as pool:
                list(pool.map(self._attempt_all, servers.values()))

    def _attempt_all(self, deliveries: list[Document]) -> None:
        """What is due at one server. One that does not answer is not waited for again for each of them."""
        away = None
        for delivery in deliveries:
            problem = away
            if away is None:
                try:
                    problem = _send(delivery)
                # ValueError: of a URL that cannot be asked, such as one whose host is none.
                except (OSError, http.client.HTTPException, ValueError) as error:
                    problem = repr(error)
                    away = problem if isinstance(error, OSError) else None
            self._note(delivery, problem)

    def _note(self, delivery: Document, problem: str | None) -> None:
        attempts = delivery.body["attempts"] + 1
        if problem is not None:
            log.warning("a notification was not taken", url=delivery.body["url"], attempt=attempts, reason=problem)
        try:
            with self._store.write() as tx:
                if problem is None or attempts >= ATTEMPTS:
                    tx.delete(KIND, delivery.region, delivery.key)
                else:
                    body = {**delivery.body, "attempts": attempts}
                    tx.update(replace(delivery, body=body, updated_at=time.time() + RETRY_SECONDS), touch=False)
        except (NotFound, VersionConflict):
            return  # Another process has sent it, too.


def _send(delivery: Document) -> str | None:
    """Why it was not taken, None if it was. Redirects are not followed.

    Raises:
        OSError, HTTPException, ValueError: it was not answered.
    """
    parts = urlsplit(delivery.body["url"])
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # The connection's own limit is that of one read: who answers byte by byte would hold up all others.
    late = threading.Timer(ANSWER_SECONDS, _cut, (connection,))
    late.daemon = True
    try:
        connection.connect()
        late.start()
        connection.request("POST", target, delivery.body["content"].encode(), delivery.body["headers"])
        status = connection.getresponse().status
    finally:
        late.cancel()
        connection.close()
    return None if 200 <= status < 300 else f"status {status}"


def _cut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError, AttributeError):  # it is closed already
        connection.sock.shutdown(socket.SHUT_RDWR)


def moment(seconds: float) -> str:
    """A time as notifications have it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
