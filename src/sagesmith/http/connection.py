"""One connection of the server: bytes to requests, answers to bytes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httptools

from sagesmith.http.exchange import Exchange, Refused, answer_head, request_framing
from sagesmith.http.incoming import HIGH_WATER, IncomingBody
from sagesmith.http.messages import BodyTooLarge, Disconnected, Headers, Request, Response
from sagesmith.http.writing import Framing, Outlet, join_head, write_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagesmith.http.server import Server

logger = logging.getLogger("sagesmith.http")

NEVER = float("inf")
_MAX_PIPELINED = 16
_AT_ONCE_BYTES = 64 << 10
"""A request up to this size may be answered without a task."""
_LINGER_SECONDS = 5.0


class Connection(Outlet, asyncio.Protocol):
    """A client's connection. `scheme` and `host` are what its requests get: those of the tunnel, if it is one."""

    def __init__(self, server: Server, scheme: str = "http", host: str | None = None, peer: str = "") -> None:
        super().__init__()
        self._server = server
        self._scheme = scheme
        self._host = host
        self._peer = peer
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser: Any = None
        self._queue: deque[Exchange] = deque()
        self._active: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._whole: Exchange | None = None
        self._taken: _Taken | None = None
        self._receiving: IncomingBody | None = None
        self._raw_left = 0
        self._continue_for: IncomingBody | None = None
        self._answering = False
        self._reading_paused = False
        self._deaf = False
        self._in_head = False
        self._head_began = False
        self._head_size = 0
        self._target = b""
        self._headers: Headers = []
        self.deadline = NEVER
        """When the connection is given up, by the loop's clock."""

    @property
    def lost(self) -> bool:
        """Whether the client has gone."""
        return self._lost

    @property
    def paused(self) -> bool:
        """Whether nothing is read, since what has come already is not taken."""
        return self._reading_paused

    @property
    def buffered(self) -> int:
        """Bytes of a body that wait for their reader."""
        return self._receiving.buffered if self._receiving is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        if not self._peer:
            peer = transport.get_extra_info("peername")
            self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._server.opened(self)
        self._set_deadline(self._server.limits.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.closed(self)
        self._lose()
        if self._receiving is not None:
            self._receiving.fail()
        if self._task is not None:
            self._task.cancel()
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None
        self._whole = None
        for exchange in self._queue:
            if exchange.response is not None and exchange.response.close is not None:
                exchange.response.close()  # no task had begun to write it
        self._queue.clear()
        self._parser = None

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._raw_left:
            data = self._receive_raw(data)
            if self._whole is not None:
                self._offer(self._whole)
            if not data:
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(refused.status if isinstance(refused, Refused) else 400)
            return
        if self._whole is not None:
            self._offer(self._whole)
        limits = self._server.limits
        if self._in_head:
            # Where in this read the head began is not known: what stands before it is not to count.
            self._head_size += 0 if self._head_began else len(data)
            self._head_began = False
            if self._head_size > limits.head_size + limits.target_size:
                self._refuse(431)
                return
        body = self._receiving
        if body is not None:
            self._set_deadline(limits.stall_seconds)
            if body.length is not None:
                self._go_raw(body)
            if body.buffered > HIGH_WATER:
                self._update_reading()
        elif len(self._queue) > _MAX_PIPELINED:
            self._update_reading()

    # What follows, up to _refuse, are the parser's callbacks.

    def on_message_begin(self) -> None:
        if self._deaf:
            raise Refused(400)
        self._target = b""
        self._headers = []
        self._head_size = 0
        self._head_began = True
        self._in_head = True
        self._set_deadline(self._server.limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        self._target = self._target + url if self._target else url
        if len(self._target) > self._server.limits.target_size:
            raise Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: nobody asked for any
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        length, hosts, coded, expects, closes = request_framing(headers, self._server.limits.head_size)
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refused(505)
        http10 = version == "1.0"
        method = self._parser.get_method().decode()
        if coded and (http10 or any(name == b"content-length" for name, _ in headers)):
            raise Refused(400)
        if hosts > 1 or (hosts == 0 and not http10):
            raise Refused(400)
        if self._parser.should_upgrade() and method != "CONNECT":
            return  # the offer is declined: _upgrade parses the request again without it
        body = IncomingBody(self, None if coded else length)
        self._receiving = body
        if expects and not http10 and (coded or length):
            self._continue_for = body
        request = Request(method, self._target, headers, body, self._scheme, self._peer, self._host)
        exchange = Exchange(request, body, self._parser.should_keep_alive() and not closes, http10)
        if self._server.at_once is not None and 0 < length <= _AT_ONCE_BYTES and self._at_rest and not expects:
            self._whole = exchange
        else:
            self._enqueue(exchange)

    def on_body(self, piece: bytes) -> None:
        if self._receiving is not None:
            self._continue_for = None
            self._receiving.feed(piece)

    def on_message_complete(self) -> None:
        body = self._receiving
        if body is None:
            return
        self._receiving = None
        body.end()
        self._after_message()

    def _refuse(self, status: int) -> None:
        """Answer what cannot be served, after the answers to what came before it, and close."""
        self._deaf = True
        self._in_head = False
        if self._receiving is not None:  # the body of a request that a handler has
            self._receiving.fail()
            self._receiving = None
            if self._at_rest or self._answering:
                self._transport.close()
                return
        exchange = Exchange(None, IncomingBody(self, 0), False, False)
        exchange.body.end()
        exchange.refusal = status
        self._set_deadline(NEVER)
        self._enqueue(exchange)

    def _upgrade(self, rest: bytes) -> None:
        exchange = self._queue[-1] if self._queue else None
        if exchange is not None and exchange.request is not None and exchange.request.method == "CONNECT":
            self._deaf = True
            if rest:  # a client that does not wait for our 200 cannot be handed over with what it sent
                self._transport.abort()
            return
        method = self._parser.get_method()
        kept = [(n, v) for n, v in self._headers if n not in {b"upgrade", b"connection", b"http2-settings"}]
        self._parser = httptools.HttpRequestParser(self)
        self._parse(join_head(method + b" " + self._target + b" HTTP/1.1\r\n", kept) + rest)

    def _go_raw(self, body: IncomingBody) -> None:
        """Take the rest of a body whose length is known past the parser: it would copy every byte once more."""
        self._raw_left = (body.length or 0) - body.received
        self._parser = httptools.HttpRequestParser(self)

    def _receive_raw(self, data: bytes) -> bytes:
        body = self._receiving
        left = self._raw_left - len(data)
        rest = b""
        if left < 0:
            data, rest = data[: self._raw_left], data[self._raw_left :]
            left = 0
        self._raw_left = left
        if body is not None:
            self._continue_for = None
            body.feed(data)
            if left:
                self._set_deadline(self._server.limits.stall_seconds)
                if body.buffered > HIGH_WATER:
                    self._update_reading()
            else:
                self._receiving = None
                body.end()
                self._after_message()
        return rest

    def _after_message(self) -> None:
        self._wait_for_answers()
        if self._at_rest:
            self._idle()

    @property
    def _at_rest(self) -> bool:
        """Whether nothing waits for an answer."""
        return self._task is None and self._taken is None and self._whole is None

    def _enqueue(self, exchange: Exchange) -> None:
        if self._whole is not None:
            first, self._whole = self._whole, None
            self._queue.append(first)
        self._queue.append(exchange)
        if self._task is None and self._taken is None:
            self._task = self._server.loop.create_task(self._serve())

    def _offer(self, exchange: Exchange) -> None:
        """Have a request answered without a task, once it is whole, if somebody takes it so."""
        if not exchange.body.ended:
            return
        self._whole = None
        server, request = self._server, exchange.request
        if server.at_once is None or request is None or self._full:
            self._enqueue(exchange)
            return
        taken = self._taken = _Taken(self, exchange)
        cancel = server.at_once(request, exchange.body.peek(), taken)
        if cancel is None:
            self._taken = None
            self._enqueue(exchange)
        else:
            taken.cancel = cancel

    def settle(self, exchange: Exchange, response: Response | None) -> None:
        """Go on after a request that was taken at once: its answer, None if a task is to find one."""
        self._taken = None
        if response is not None and isinstance(response.body, bytes):
            exchange.body.take()
            try:
                keep = self._write_whole(exchange, response)
            except Exception:
                logger.exception("an answer could not be written")
                self._transport.abort()
                return
            finally:
                self._answering = False
                if response.close is not None:
                    response.close()
            if not keep:
                self._linger(False)
            elif self._queue:
                self._task = self._server.loop.create_task(self._serve())
            else:
                self._idle()
            return
        exchange.response = response
        self._queue.appendleft(exchange)
        self._task = self._server.loop.create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while self._queue and not self._lost:
                if self._full:  # who takes no answers is given no more of them
                    await self._drain_in_time()
                exchange = self._active = self._queue.popleft()
                if exchange.request is None:
                    keep = self._write_whole(exchange, _refusal(exchange.refusal))
                elif exchange.request.method == "CONNECT":
                    if await self._connect(exchange, exchange.request):
                        return
                    keep = False
                else:
                    keep = await self._answer(exchange, exchange.request)
                self._active = None
                self._answering = False
                if not keep:
                    self._linger(exchange.request is None)
                    return
                if self._reading_paused:
                    self._update_reading()
        except Disconnected:
            self._transport.abort()
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception:
            logger.exception("an answer could not be written")
            self._transport.abort()
        finally:
            self._active = None
            self._task = None
        self._idle()

    async def _answer(self, exchange: Exchange, request: Request) -> bool:
        try:
            response = exchange.response or await self._server.handler(request)
        except BodyTooLarge:
            response = _refusal(413)
        except Disconnected:
            raise
        except Exception:
            if self._lost:
                raise Disconnected from None
            logger.exception("a handler failed")
            response = _refusal(500)
        try:
            if not exchange.body.ended:
                self._settle_unread(exchange)
            if isinstance(response.body, bytes):
                return self._write_whole(exchange, response)
            return await self._write_stream(exchange, response)
        finally:
            if response.close is not None:
                response.close()

    async def _connect(self, exchange: Exchange, request: Request) -> bool:
        """Hand the connection over. False: it was refused, and an answer was written."""
        if self._server.on_connect is None:
            self._write_whole(exchange, _refusal(405))
            return False
        from sagesmith.http.connect import Takeover

        takeover = Takeover(self._server, self._transport, self, self._peer)
        self._set_deadline(NEVER)
        try:
            await self._server.on_connect(request, takeover)
        except Exception:
            logger.exception("a CONNECT handler failed")
            self._transport.abort()
            return True
        if takeover.refusal is not None:
            self._write_whole(exchange, takeover.refusal)
            return False
        return True

    def leave(self) -> None:
        """The transport has another protocol now."""
        self._server.closed(self)

    def _settle_unread(self, exchange: Exchange) -> None:
        """The handler answers before it has read the body: a small rest is read and dropped, a large one costs the
        connection, and so does one that the client has not begun to send."""
        body = exchange.body
        rest = None if body.length is None else body.length - body.received
        if self._continue_for is body or rest is None or rest > self._server.limits.drain_size:
            exchange.keep_alive = False
        self._continue_for = None
        body.discard()
        self._update_reading()

    def _write_whole(self, exchange: Exchange, response: Response) -> bool:
        body = response.body
        assert isinstance(body, bytes)
        self._answering = True
        head, has_body = answer_head(exchange, response, len(body), closing=self._server.closing)
        write_message(self._transport.write, head, body if has_body else b"")
        return exchange.keep_alive

    async def _write_stream(self, exchange: Exchange, response: Response) -> bool:
        self._answering = True
        head, has_body = answer_head(exchange, response, None, closing=self._server.closing)
        self._transport.write(head)
        pieces = response.body
        assert not isinstance(pieces, bytes)
        if not has_body:
            await _close(pieces)
            return exchange.keep_alive
        declared = next((int(value) for name, value in response.headers if name == b"content-length"), None)
        framing = Framing(self._transport.write, declared, chunked=declared is None and not exchange.http10)
        try:
            async for piece in pieces:
                framing.write(piece)
                if self._full:
                    await self._drain_in_time()
            framing.end()
        except Disconnected:
            raise
        except Exception:
            logger.exception("an answer broke off")
            raise Disconnected from None
        finally:
            await _close(pieces)
        return exchange.keep_alive

    async def _drain_in_time(self) -> None:
        self._set_deadline(self._server.limits.stall_seconds)
        await self._drain()
        self._set_deadline(NEVER)

    def body_wanted(self) -> None:
        if self._continue_for is not None and self._active is not None and self._active.body is self._continue_for:
            self._continue_for = None
            if not self._answering:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._reading_paused:
            self._update_reading()

    def body_taken(self) -> None:
        if self._reading_paused:
            self._update_reading()

    def _update_reading(self) -> None:
        body = self._receiving
        level = HIGH_WATER // 2 if self._reading_paused else HIGH_WATER
        paused = (body is not None and body.buffered > level) or len(self._queue) > _MAX_PIPELINED
        if paused == self._reading_paused or self._transport.is_closing():
            return
        self._reading_paused = paused
        if paused:
            self._transport.pause_reading()
            self._wait_for_answers()
        else:
            self._transport.resume_reading()
            if body is not None:
                self._set_deadline(self._server.limits.stall_seconds)

    def _idle(self) -> None:
        """Nothing to answer: wait for the next request, or go."""
        if self._lost or self._transport.is_closing() or self._in_head or self._receiving is not None:
            return
        if self._server.closing:
            self._transport.close()
        else:
            self._set_deadline(self._server.limits.idle_seconds)

    def _linger(self, refused: bool) -> None:
        """Close so that the client can read the answer: what it still sends is dropped for a while, since closing on
        unread bytes would reset the connection and take the answer with it (RFC 9112, section 9.6)."""
        self._deaf = True
        self._queue.clear()
        if self._transport.is_closing():
            return
        if not (refused or self._receiving) or not self._transport.can_write_eof():
            self._transport.close()
            return
        if self._receiving is not None:
            self._receiving.discard()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        self._transport.write_eof()
        self._set_deadline(_LINGER_SECONDS)

    def _wait_for_answers(self) -> None:
        """What the client sent is ours to answer, as long as it takes; unless it does not take what is answered."""
        self._set_deadline(self._server.limits.stall_seconds if self._full else NEVER)

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = self._server.loop.time() + seconds

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = NEVER
        if self._in_head and self._at_rest:
            self._refuse(408)
        elif self._receiving is not None and not self._deaf and not self._answering:
            self._receiving.fail(Disconnected("the client stopped sending"))
            self._transport.abort()
        else:
            self._transport.abort()

    def finish(self) -> None:
        """End as soon as what is under way has been answered."""
        if self._at_rest:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


class _Taken:
    """The `Reply` of a request that was taken at once."""

    __slots__ = ("_connection", "_exchange", "cancel")

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection: Connection | None = connection
        self._exchange = exchange
        self.cancel: Callable[[], None] = _nothing

    def answer(self, response: Response) -> None:
        self._settle(response)

    def leave(self) -> None:
        self._settle(None)

    def _settle(self, response: Response | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.lost:
            connection.settle(self._exchange, response)
        elif response is not None and response.close is not None:
            response.close()


def _nothing() -> None:
    pass


def _refusal(status: int) -> Response:
    return Response(status, [(b"connection", b"close")] if status != 500 else [], b"")


async def _close(pieces: Any) -> None:
    """Run an abandoned generator's clean-up now, not when it is collected."""
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
