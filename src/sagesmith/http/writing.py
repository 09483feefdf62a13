"""What goes out: heads, framing and the wait for a peer that reads slowly."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from sagesmith.http.messages import Disconnected, Headers

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""Headers that speak of one connection, not of the message (RFC 9110, section 7.6.1): framing is ours alone."""

_INLINE_SIZE = 64 << 10
"""A body up to this size is copied behind its head: one packet costs less than the copy."""

_date = (0, b"")


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


def http_date() -> bytes:
    """The Date header's value (RFC 9110, section 5.6.7), made once a second."""
    global _date  # noqa: PLW0603
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True).encode())
    return _date[1]


def join_head(first_line: bytes, headers: Headers) -> bytes:
    """A message's head.

    Raises:
        ValueError: a name or value has a line break, which would let its author write headers of his own.
    """
    lines = [name + b": " + value for name, value in headers]
    head = first_line + b"\r\n".join(lines) + b"\r\n\r\n" if lines else first_line + b"\r\n"
    if head.count(b"\n") != len(lines) + 2 or head.count(b"\r") != len(lines) + 2:
        raise ValueError("a line break in a header")
    return head


def write_message(write: Callable[[bytes], None], head: bytes, body: bytes) -> None:
    """Write a message whose body is at hand."""
    if len(body) <= _INLINE_SIZE:
        write(head + body)
    else:
        write(head)
        write(body)


class Framing:
    """How a body that comes in pieces stands on the wire (RFC 9112, sections 6 and 7).

    Args:
        write: takes the bytes.
        length: the Content-Length that was announced, None if none was.
        chunked: whether it goes in chunks; a body with neither ends with the connection.
    """

    __slots__ = ("_chunked", "_length", "_sent", "_write")

    def __init__(self, write: Callable[[bytes], None], length: int | None, *, chunked: bool) -> None:
        self._write = write
        self._length = length
        self._chunked = chunked
        self._sent = 0

    @property
    def complete(self) -> bool:
        """Whether all that was announced is written."""
        return self._sent == self._length

    def write(self, piece: bytes) -> None:
        """Write a piece; an empty one is nothing, not the end.

        Raises:
            ValueError: there is more than was announced.
        """
        if not piece:
            return
        self._sent += len(piece)
        if self._length is not None and self._sent > self._length:
            raise ValueError("a body longer than its Content-Length")
        if self._chunked:
            self._write(b"%x\r\n" % len(piece))
            self._write(piece)
            self._write(b"\r\n")
        else:
            self._write(piece)

    def end(self) -> None:
        """Write what ends it.

        Raises:
            ValueError: there is less than was announced.
        """
        if self._length is not None and self._sent < self._length:
            raise ValueError("a body shorter than its Content-Length")
        if self._chunked:
            self._write(b"0\r\n\r\n")


class Outlet:
    """The write side's flow control, mixed into a protocol."""

    def __init__(self) -> None:
        self._full = False
        self._room: asyncio.Future[None] | None = None
        self._lost = False

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake_writer()

    def _wake_writer(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _lose(self) -> None:
        self._lost = True
        self._wake_writer()

    async def _drain(self) -> None:
        """Wait until the peer took enough.

        Raises:
            Disconnected: the connection is gone.
        """
        while self._full and not self._lost:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None
        if self._lost:
            raise Disconnected
