"""A client's side of a connection of frames, see `frames`."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Callable, Dict, List, Union, cast  # noqa: UP035

from sagesmith.http import frames
from sagesmith.http.errors import BadAnswer, FramesRefused, TimedOut
from sagesmith.http.incoming import IncomingBody
from sagesmith.http.messages import Disconnected, Headers, Response
from sagesmith.http.unix import socket_at

if TYPE_CHECKING:
    from pathlib import Path

Answered = Callable[[Union[Response, Exception]], None]  # noqa: UP007
"""Where the answer to a request goes, once: a response, or why there is none (`Disconnected`, `TimedOut`)."""

_HANDSHAKE_BYTES = 4096
_SWEEP_SECONDS = 1.0
_NEVER = float("inf")

logger = logging.getLogger("sagesmith.http")


class FramesClient(asyncio.Protocol):
    """One connection, as many requests at once as its peer takes. Made by `connect`. Belongs to its loop.

    Attributes:
        open: whether it may be asked.
    """

    def __init__(self, answer_seconds: float, stall_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer_seconds = answer_seconds
        self._stall_seconds = stall_seconds
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._reader = frames.Reader()
        self._greeting: bytes | None = b""
        self.established: asyncio.Future[None] = self._loop.create_future()
        self._waiting: Dict[int, tuple[float, Answered]] = {}  # noqa: UP006
        self._bodies: Dict[int, _Pieces] = {}  # noqa: UP006
        self._number = 0
        self._unsent: List[bytes] = []  # noqa: UP006
        self._sweep: asyncio.TimerHandle | None = None
        self._leaving = False
        self.open = False

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._transport.is_closing()

    @property
    def outstanding(self) -> int:
        """Requests under way."""
        return len(self._waiting) + len(self._bodies)

    def ask(self, headers: Headers, body: bytes, answered: Answered) -> Callable[[], None]:
        """Send a request, if others are under way at the end of this turn of the loop; what cancels it, after which
        `answered` is not called.

        An answer that is larger than a frame has a body that is an iterator, as `Client.request` gives it.

        Raises:
            ValueError: a header has a line break.
        """
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        ask = frames.frame(frames.ASK, number, 0, frames.write_headers(headers), body)
        if self._waiting or self._unsent:
            self._send(ask)
        else:  # the peer waits for this one
            self._transport.write(ask)
        self._waiting[number] = (self._loop.time() + self._answer_seconds, answered)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._give_up_late)
        return partial(self._cancel, number)

    def _send(self, frame: bytes) -> None:
        """Send a frame with the others of this turn: for all of them one call of the system, and one of the peer's."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frame)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if not self._transport.is_closing():
            self._transport.write(b"".join(unsent))
            self._leave_if_done()

    def close(self) -> None:
        """Close at once: requests under way are broken off."""
        self.open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=512 << 10)
        self._transport.write(b"CONNECT " + frames.TARGET + b" HTTP/1.1\r\nhost: " + frames.TARGET + b"\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if not self.established.done():
            self.established.set_exception(FramesRefused("the connection was closed"))
        if self._sweep is not None:
            self._sweep.cancel()
        waiting, self._waiting = self._waiting, {}
        bodies, self._bodies = self._bodies, {}
        for _, answered in waiting.values():
            _tell(answered, Disconnected("the peer closed the connection"))
        for pieces in bodies.values():
            pieces.body.fail()

    def pause_writing(self) -> None:
        """The peer does not take what it is asked: others are asked until it does."""
        self.open = False

    def resume_writing(self) -> None:
        self.open = not self._leaving

    def data_received(self, data: bytes) -> None:
        if self._greeting is not None:
            data = self._greet(data)
        try:
            for frame in self._reader.feed(data):
                self._received(frame)
        except (frames.BadFrame, BadAnswer):
            self.close()

    def _greet(self, data: bytes) -> bytes:
        """Take in the answer to the CONNECT; what follows it."""
        self._greeting = greeting = (self._greeting or b"") + data
        if greeting.startswith(frames.ESTABLISHED):
            self._greeting = None
            self.open = True
            if not self.established.done():
                self.established.set_result(None)
            return greeting[len(frames.ESTABLISHED) :]
        if len(greeting) > _HANDSHAKE_BYTES or not frames.ESTABLISHED.startswith(greeting):
            self.close()
        return b""

    def _received(self, frame: frames.Frame) -> None:
        kind, number = frame.kind, frame.number
        if kind == frames.ANSWER or kind == frames.BEGIN:  # noqa: PLR1714 (faster)
            if b"\r" in frame.head:
                raise BadAnswer("a line break in a header")
            waiting = self._waiting.pop(number, None)
            if waiting is None:
                return
            headers = frames.read_headers(frame.head)
            if kind == frames.ANSWER:
                _tell(waiting[1], Response(frame.value, headers, frame.body))
            else:
                pieces = self._bodies[number] = _Pieces(number, self._transport, self._stall_seconds)
                _tell(waiting[1], Response(frame.value, headers, pieces.body, partial(self._cancel, number)))
        elif kind == frames.LEAVE:
            self.open, self._leaving = False, True
        else:
            self._went_on(frame)
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._leaving and not self.outstanding and not self._unsent:
            self._transport.close()

    def _went_on(self, frame: frames.Frame) -> None:
        pieces = self._bodies.get(frame.number)
        if pieces is None:
            return
        if frame.kind == frames.PIECE:
            pieces.heard()
            pieces.body.feed(frame.body)
            if pieces.body.buffered > 2 * frames.WINDOW_BYTES:
                raise BadAnswer("more than the peer was to send")
            return
        del self._bodies[frame.number]
        if frame.kind == frames.END:
            pieces.body.end()
        else:
            pieces.body.fail()

    def _cancel(self, number: int) -> None:
        known = self._waiting.pop(number, None) is not None
        pieces = self._bodies.pop(number, None)
        if pieces is not None:
            pieces.body.fail()  # who reads on, though nobody wants it, is not to wait for ever
        if (known or pieces is not None) and not self._transport.is_closing():
            self._send(frames.frame(frames.CANCEL, number))
            self._leave_if_done()

    def _give_up_late(self) -> None:
        """One timer for all: they were asked in the order of their deadlines."""
        self._sweep = None
        now = self._loop.time()
        late = []
        for number, (deadline, answered) in self._waiting.items():
            if deadline > now:
                break
            late.append((number, answered))
        for number, answered in late:
            self._cancel(number)
            _tell(answered, TimedOut("the peer took too long"))
        for number in [number for number, pieces in self._bodies.items() if pieces.deadline <= now]:
            self._bodies[number].body.fail(TimedOut("the peer took too long"))
            self._cancel(number)
        if self._waiting or self._bodies:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._give_up_late)


class _Pieces:
    """The body of an answer in pieces; tells the peer what its reader took.

    Attributes:
        deadline: when its reader has waited for too long, by the loop's clock.
    """

    def __init__(self, number: int, transport: asyncio.Transport, stall_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._number = number
        self._transport = transport
        self._stall_seconds = stall_seconds
        self._told = 0
        self.body = IncomingBody(self, None)
        self.deadline = _NEVER

    def heard(self) -> None:
        """Something came: a reader that has it to take waits for nothing."""
        self.deadline = _NEVER

    def body_wanted(self) -> None:
        self.deadline = self._loop.time() + self._stall_seconds
        self.body_taken()

    def body_taken(self) -> None:
        taken = self.body.received - self.body.buffered
        if taken - self._told >= frames.WINDOW_BYTES // 4 and not self._transport.is_closing():
            self._transport.write(frames.taken(self._number, taken - self._told))
            self._told = taken


def _tell(answered: Answered, result: Response | Exception) -> None:
    """One exchange's fault is not to be that of the others on its connection."""
    try:
        answered(result)
    except Exception:
        logger.exception("an answer could not be handed on")
        if isinstance(result, Response) and result.close is not None:
            result.close()


async def connect(
    path: str | Path, answer_seconds: float, connect_seconds: float = 5.0, stall_seconds: float = 60.0
) -> FramesClient:
    """A connection to a server at a unix socket.

    Args:
        answer_seconds: how long an answer may take to begin.
        stall_seconds: how long the next piece of one may take to come.

    Raises:
        FramesRefused: there is none.
    """
    loop = asyncio.get_running_loop()
    try:
        with socket_at(str(path)) as short:
            connecting = loop.create_unix_connection(lambda: FramesClient(answer_seconds, stall_seconds), short)
            _, client = await asyncio.wait_for(connecting, connect_seconds)
    except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 (another class before Python 3.11)
        raise FramesRefused(f"{path}: {error or 'timed out'}") from error
    try:
        await asyncio.wait_for(client.established, connect_seconds)
    except asyncio.TimeoutError as error:  # noqa: UP041
        client.close()
        raise FramesRefused(f"{path}: it did not answer") from error
    return client
