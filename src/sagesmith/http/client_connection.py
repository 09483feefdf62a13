"""One connection of a client: requests to bytes, bytes to answers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools

from sagesmith.http.errors import BadAnswer, TimedOut
from sagesmith.http.incoming import HIGH_WATER, IncomingBody
from sagesmith.http.messages import Disconnected, Headers, Response
from sagesmith.http.writing import HOP_BY_HOP, Framing, Outlet, join_head, write_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NEVER = float("inf")
_NOT_SENT = HOP_BY_HOP | {b"content-length", b"expect"}


class Pool(Protocol):
    """Whose connections they are."""

    stall_seconds: float

    def opened(self, connection: ClientConnection) -> None:
        """It is connected."""
        ...

    def closed(self, connection: ClientConnection) -> None:
        """It is gone."""
        ...

    def released(self, connection: ClientConnection) -> None:
        """It may take another request."""
        ...


class ClientConnection(Outlet, asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, pool: Pool, authority: bytes, is_unix: bool) -> None:
        super().__init__()
        self._pool = pool
        self._authority = authority
        self._is_unix = is_unix
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Response] | None = None
        self._body: IncomingBody | None = None
        self._headers: Headers = []
        self._status = 0
        self._is_head = False
        self._in_head = True
        self._complete = False
        self._keep = True
        self._until_close = False
        self._raw_left = 0
        self._sending = False
        self._sent_all = False
        self._paused = False
        self._deadline = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._idle_since = 0.0
        self._error: Exception | None = None
        self.heard = False
        """Whether a byte of an answer to the request came."""
        self.refused = False
        """Whether the connection was closed before the peer could read a byte of the request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=512 << 10)
        self._pool.opened(self)

    def greet(self, line: bytes) -> None:
        """Say something before the first request."""
        self._transport.write(line)

    @property
    def closed(self) -> bool:
        return self._lost or self._transport.is_closing()

    def usable(self, idle_seconds: float) -> bool:
        return not self.closed and self._loop.time() - self._idle_since < idle_seconds

    def abort(self) -> None:
        self._transport.abort()

    async def request(
        self, method: str, target: bytes, headers: Headers, body: bytes | AsyncIterator[bytes], answer_seconds: float
    ) -> Response:
        self._answer = self._loop.create_future()
        self._is_head = method == "HEAD"
        self._complete = self.heard = False
        self._keep = True
        length: int | None = len(body) if isinstance(body, bytes) else None
        sent: Headers = []
        hosted = False
        for item in headers:
            name = item[0]
            if name in _NOT_SENT:
                if name == b"content-length" and length is None:
                    length = int(item[1])
                continue
            hosted = hosted or name == b"host"
            sent.append(item)
        if not hosted:
            sent.append((b"host", self._authority))
        if length is None:
            sent.append((b"transfer-encoding", b"chunked"))
        elif length or method in {"POST", "PUT", "PATCH"}:
            sent.append((b"content-length", b"%d" % length))
        try:
            head = join_head(method.encode() + b" " + target + b" HTTP/1.1\r\n", sent)
            if b" " in target:
                raise ValueError("a space in a request's target")
            if isinstance(body, bytes):
                write_message(self._transport.write, head, body)
                self._arm(answer_seconds)
                return await self._answer
            return await self._stream(head, body, length, answer_seconds)
        except BaseException as error:
            self._disarm()
            if self._answer is not None and self._answer.done() and not self._answer.cancelled():
                self._answer.exception()
            self._transport.abort()
            if isinstance(error, Disconnected) and self._error is not None:
                raise self._error from None
            raise

    async def _stream(
        self, head: bytes, pieces: AsyncIterator[bytes], length: int | None, answer_seconds: float
    ) -> Response:
        """Send a body in pieces and listen meanwhile: a peer that refuses it need not take it all."""
        assert self._answer is not None
        answer = self._answer
        self._sending, self._sent_all = True, length == 0
        self._transport.write(head)
        sender = self._loop.create_task(self._send(pieces, length))
        try:
            await asyncio.wait((sender, answer), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or (self._sent_all and answer.exception() is None):
                await sender
                self._sending = False
                if not answer.done():
                    self._arm(answer_seconds)
                elif self._complete:
                    self._release()
                return await answer
            self._sending = self._keep = False
            if self._complete:
                self._transport.close()
            elif self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
            return answer.result()
        finally:
            if not sender.done():
                sender.cancel()
                await asyncio.wait((sender,))
            elif not sender.cancelled():
                sender.exception()
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    async def _send(self, pieces: AsyncIterator[bytes], length: int | None) -> None:
        framing = Framing(self._transport.write, length, chunked=length is None)
        async for piece in pieces:
            framing.write(piece)
            self._sent_all = framing.complete
            if self._full or self._lost:
                self._arm(self._pool.stall_seconds)
                await self._drain()
                self._disarm()
        framing.end()
        self._sent_all = True

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._deadline = NEVER
        if self._raw_left:
            self._receive_raw(data)
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(BadAnswer("the peer's answer is not HTTP"))
            return
        self._deliver()

    # What follows, up to _deliver, are the parser's callbacks.

    def on_message_begin(self) -> None:
        if self._answer is None or self._complete:
            raise BadAnswer("an answer that nobody asked for")
        self._headers = []
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._status = status
        self._in_head = False
        length: int | None = None
        chunked = False
        for name, value in self._headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = True
        self._keep = self._keep and self._parser.should_keep_alive()
        bodiless = self._is_head or status in {204, 304}
        self._until_close = length is None and not chunked and not bodiless
        if self._until_close:
            self._keep = False
        self._body = IncomingBody(self, 0 if bodiless else length)
        self._complete = bodiless

    def on_body(self, piece: bytes) -> None:
        if self._body is not None:
            self._body.feed(piece)

    def on_message_complete(self) -> None:
        if self._body is not None:
            self._complete = True

    def _deliver(self) -> None:
        """Hand on what the parser found in one read."""
        body = self._body
        if body is None:
            return  # the head is not whole yet
        if self._complete:
            body.end()
            if self._is_head:
                self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body
        elif body.length is not None:
            self._raw_left = body.length - body.received
            self._parser = httptools.HttpResponseParser(self)
        answer = self._answer
        if answer is not None and not answer.done():
            headers = [item for item in self._headers if item[0] not in HOP_BY_HOP]
            if self._complete:
                answer.set_result(Response(self._status, headers, body.take()))
            else:
                answer.set_result(Response(self._status, headers, body, partial(self._abandon, body)))
        if self._complete:
            self._body = None
            if not self._sending:
                self._release()
        elif body.buffered > HIGH_WATER:
            self._pause(True)

    def _receive_raw(self, data: bytes) -> None:
        """The rest of a body whose length is known goes past the parser, which would copy every byte once more."""
        body = self._body
        left = self._raw_left = self._raw_left - len(data)
        if body is None or left < 0:
            self._fail(BadAnswer("more bytes than the answer's Content-Length"))
            return
        body.feed(data)
        if left == 0:
            self._complete = True
            self._body = None
            body.end()
            if not self._sending:
                self._release()
        elif body.buffered > HIGH_WATER:
            self._pause(True)

    def _release(self) -> None:
        self._answer = None
        self._pause(False)
        if self._keep and not self._transport.is_closing():
            self._idle_since = self._loop.time()
            self._pool.released(self)
        else:
            self._transport.close()

    def _abandon(self, body: IncomingBody) -> None:
        """The answer's reader has stopped. What it did not read is not worth the connection."""
        if self._body is body:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.closed(self)
        self._lose()
        self._disarm()
        if self._timer is not None:
            self._timer.cancel()
        self.refused = self._is_unix and isinstance(exc, BrokenPipeError)
        body, self._body = self._body, None
        if body is not None:
            if self._until_close and exc is None and self._error is None:
                body.end()
            else:
                body.fail(self._error)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._error or Disconnected("the peer closed the connection"))

    def body_wanted(self) -> None:
        self._pause(False)
        self._arm(self._pool.stall_seconds)

    def body_taken(self) -> None:
        if self._paused and self._body is not None and self._body.buffered < HIGH_WATER // 2:
            self._pause(False)

    def _pause(self, paused: bool) -> None:
        if paused == self._paused or self._transport.is_closing():
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _arm(self, seconds: float) -> None:
        """Give up in `seconds`. A timer that runs already stays if it is not too late: most are never needed."""
        self._deadline = self._loop.time() + seconds
        if self._timer_at > self._deadline:
            self._set_timer()

    def _disarm(self) -> None:
        self._deadline = NEVER

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        if self._deadline is NEVER:
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._fail(TimedOut("the peer took too long"))
