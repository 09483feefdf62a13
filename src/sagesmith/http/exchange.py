"""What the heads of a request and of its answer say of their bodies and of the connection (RFC 9112, sections 6 to 9).

Pure functions of the messages: the reading and the writing is `connection`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagesmith.http.writing import HOP_BY_HOP, http_date, join_head, status_line

if TYPE_CHECKING:
    from sagesmith.http.incoming import IncomingBody
    from sagesmith.http.messages import Headers, Request, Response


class Refused(Exception):
    """Raised in a parser's callback to stop it: the request is answered with this status and the connection ends."""

    def __init__(self, status: int) -> None:
        self.status = status


class Exchange:
    """A request and what its answer must keep to; or, without a request, the status that refuses what came."""

    __slots__ = ("body", "http10", "keep_alive", "refusal", "request", "response")

    def __init__(self, request: Request | None, body: IncomingBody, keep_alive: bool, http10: bool) -> None:
        self.request = request
        self.body = body
        self.keep_alive = keep_alive
        self.http10 = http10
        self.refusal = 0
        self.response: Response | None = None
        """Its answer, where that is known before a task writes it."""


def request_framing(headers: Headers, limit: int) -> tuple[int, int, bool, bool, bool]:
    """A request's Content-Length, number of Host headers, whether it is chunked, waits for a 100, is the last.

    Args:
        limit: bytes that its head may have.

    Raises:
        Refused: its headers are too large, or ask for what we do not do.
    """
    length = hosts = size = 0
    coded = expects = closes = False
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name == b"content-length":
            length = int(value)
        elif name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            coded = True
            if value.lower() != b"chunked":
                raise Refused(501)
        elif name == b"connection":
            # The parser overlooks a `close` beside an old client's `keep-alive`.
            closes = closes or b"close" in value.lower()
        elif name == b"expect":
            expects = value.lower() == b"100-continue"
            if not expects:
                raise Refused(417)
    if size > limit:
        raise Refused(431)
    return length, hosts, coded, expects, closes


def answer_head(exchange: Exchange, response: Response, size: int | None, *, closing: bool) -> tuple[bytes, bool]:
    """An answer's head and whether a body follows it; `exchange.keep_alive` becomes what the head says.

    Args:
        size: of a body that is at hand; None for one that comes in pieces.
        closing: whether the server wants to be rid of its connections.
    """
    request, status = exchange.request, response.status
    is_head = request is not None and request.method == "HEAD"
    bodiless = status < 200 or status in {204, 304}
    headers, length, wants_close = _message_headers(response.headers)
    keep_alive = exchange.keep_alive and not closing and not wants_close
    if size is not None and not ((is_head or status == 304) and length is not None):
        length = b"%d" % size
    if length is not None and (not bodiless or status == 304):
        headers.append((b"content-length", length))
    elif not bodiless and length is None:
        if exchange.http10:
            keep_alive = False
        else:
            headers.append((b"transfer-encoding", b"chunked"))
    if not keep_alive:
        headers.append((b"connection", b"close"))
    elif exchange.http10:
        headers.append((b"connection", b"keep-alive"))
    exchange.keep_alive = keep_alive
    return join_head(status_line(status), headers), not (is_head or bodiless)


def _message_headers(headers: Headers) -> tuple[Headers, bytes | None, bool]:
    """An answer's headers without those of framing, with a Date; its Content-Length; whether it asks to close."""
    kept: Headers = []
    length: bytes | None = None
    dated = closes = False
    for item in headers:
        name = item[0]
        if name == b"content-length":
            length = item[1]
        elif name in HOP_BY_HOP:
            closes = closes or (name == b"connection" and item[1].lower() == b"close")
        else:
            dated = dated or name == b"date"
            kept.append(item)
    if not dated:
        kept.append((b"date", http_date()))
    return kept, length, closes
