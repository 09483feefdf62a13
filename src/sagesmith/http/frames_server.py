"""A server's side of a connection of frames, see `frames`."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, cast  # noqa: UP035

from sagesmith.http import frames
from sagesmith.http.messages import Headers, Response
from sagesmith.http.writing import HOP_BY_HOP

if TYPE_CHECKING:
    from sagesmith.http.server import Server

Take = Callable[[Headers, bytes, Callable[[Response], None]], Callable[[], None]]
"""What takes a request: its headers, its body, and where its answer goes, once, at once or later. Gives what cancels
it: nobody waits for the answer any more."""

logger = logging.getLogger("sagesmith.http")

NEVER = float("inf")


class FramesConnection(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server, take: Take) -> None:
        self._server = server
        self._take = take
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._reader = frames.Reader()
        self._under_way: Dict[int, Callable[[], None]] = {}  # noqa: UP006
        self._streams: Dict[int, _Stream] = {}  # noqa: UP006
        self._lost = False
        self.deadline = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.opened(self)
        if self._server.closing:
            self.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._on_loop(self._server.closed, self)
        under_way, self._under_way = self._under_way, {}
        for cancel in under_way.values():
            cancel()
        self._on_loop(self._cancel_streams)

    def pause_writing(self) -> None:
        """A peer that does not take its answers may not ask on."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                if frame.kind == frames.ASK:
                    self._ask(frame)
                elif frame.kind == frames.CANCEL:
                    self._cancel(frame.number)
                elif frame.kind == frames.TAKEN:
                    self._on_loop(self._taken, frame.number, frame.amount)
        except frames.BadFrame:
            self._transport.abort()

    def finish(self) -> None:
        """Let the client ask no more; it closes when it has its answers."""
        self._transport.write(frames.frame(frames.LEAVE, 0))

    def abort(self) -> None:
        self._transport.abort()

    def expire(self) -> None:
        """There is no deadline."""

    def _ask(self, frame: frames.Frame) -> None:
        number = frame.number
        self._under_way[number] = _nothing
        cancel = self._take(frames.read_headers(frame.head), frame.body, partial(self._answer, number))
        if number in self._under_way:
            self._under_way[number] = cancel

    def _cancel(self, number: int) -> None:
        cancel = self._under_way.pop(number, None)
        if cancel is not None:
            cancel()
        self._on_loop(self._cancel_stream, number)

    def _on_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        """Do what belongs to the event loop's thread, which is this one but for who says otherwise."""
        call(*arguments)

    def _taken(self, number: int, amount: int) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.taken(amount)

    def _cancel_stream(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.cancel()

    def _cancel_streams(self) -> None:
        for stream in list(self._streams.values()):
            stream.cancel()

    def _answer(self, number: int, response: Response) -> None:
        if self._under_way.pop(number, None) is None:
            self._drop(number, response)
            return
        try:
            head = frames.write_headers([item for item in response.headers if item[0] not in HOP_BY_HOP])
        except ValueError:
            logger.exception("an answer could not be written")
            response, head = Response(500), b""
        body = response.body
        if isinstance(body, bytes) and len(head) + len(body) <= frames.MAX_PAYLOAD_BYTES // 4:
            self._transport.write(frames.frame(frames.ANSWER, number, response.status, head, body))
            return
        self._transport.write(frames.frame(frames.BEGIN, number, response.status, head))
        self._on_loop(self._begin, number, response, True)

    def _begin(self, number: int, response: Response, wanted: bool) -> None:
        stream = self._streams[number] = _Stream(number, response, self._transport.write)
        stream.task.add_done_callback(lambda _: self._streams.pop(number, None))
        if not wanted or self._lost:
            stream.cancel()

    def _drop(self, number: int, response: Response) -> None:
        """An answer that nobody waits for any more: who makes it must learn that."""
        if not isinstance(response.body, bytes):
            self._on_loop(self._begin, number, response, False)
        elif response.close is not None:
            response.close()


class _Stream:
    """An answer in pieces that is being sent."""

    def __init__(self, number: int, response: Response, write: Callable[[bytes], None]) -> None:
        self._number = number
        self._response = response
        self._write = write
        self._window = frames.WINDOW_BYTES
        self._room = asyncio.Event()
        self._begun = self._unwanted = False
        self.task = asyncio.get_running_loop().create_task(self._send())

    def taken(self, amount: int) -> None:
        self._window += amount
        self._room.set()

    def cancel(self) -> None:
        """Send no more. A task that has not begun is not cancelled: it would not close what it was to send."""
        self._unwanted = True
        if self._begun:
            self.task.cancel()

    async def _send(self) -> None:
        self._begun = True
        pieces: Any = self._response.body
        if isinstance(pieces, bytes):
            pieces = _cut(pieces)
        try:
            if self._unwanted:
                return
            async for piece in pieces:
                for part in _parts(piece):
                    while self._window <= 0:
                        self._room.clear()
                        await self._room.wait()
                    self._window -= len(part)
                    self._write(frames.frame(frames.PIECE, self._number, body=part))
            self._write(frames.frame(frames.END, self._number))
        except Exception:
            logger.exception("an answer broke off")
            self._write(frames.frame(frames.BROKEN, self._number))
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()
            if self._response.close is not None:
                self._response.close()


_PART_BYTES = frames.MAX_PAYLOAD_BYTES // 4


def _parts(piece: bytes) -> list[bytes]:
    if len(piece) <= _PART_BYTES:
        return [piece]
    return [piece[begin : begin + _PART_BYTES] for begin in range(0, len(piece), _PART_BYTES)]


async def _cut(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _nothing() -> None:
    pass
