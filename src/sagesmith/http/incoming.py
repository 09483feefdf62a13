"""A message's body while it arrives, with flow control: the part that a server and a client have in common."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from sagesmith.http.messages import BodyTooLarge, Disconnected

HIGH_WATER = 1 << 20
"""Bytes that may wait in a body before its connection stops reading."""

_JOIN_BELOW = 64 << 10


class BodyOwner(Protocol):
    """The connection that a body arrives on."""

    def body_wanted(self) -> None:
        """A reader waits for more."""
        ...

    def body_taken(self) -> None:
        """A reader took a piece, so that there is room for more."""
        ...


class IncomingBody:
    """The `Body` of `sagesmith.http.messages`. One reader at a time; an iteration that was broken off can be resumed.

    Args:
        owner: the connection, which is told when to read on.
        length: the Content-Length, None where the body is chunked or ends with the connection.
    """

    __slots__ = ("_discarding", "_error", "_owner", "_pieces", "_waiter", "buffered", "ended", "length", "received")

    def __init__(self, owner: BodyOwner, length: int | None) -> None:
        self._owner = owner
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._discarding = False
        self.length = length
        self.buffered = 0
        self.received = 0
        self.ended = False

    def __aiter__(self) -> IncomingBody:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.ended:
                raise StopAsyncIteration
            await self._wait()
        if len(self._pieces) > 1 and self.buffered <= _JOIN_BELOW:
            piece = b"".join(self._pieces)
            self._pieces.clear()
        else:
            piece = self._pieces.popleft()
        self.buffered -= len(piece)
        if not self.ended:
            self._owner.body_taken()
        return piece

    async def read(self, limit: int) -> bytes:
        """The rest of the body, in one piece.

        Raises:
            BodyTooLarge: it has more than `limit` bytes (by its Content-Length, or as counted).
            Disconnected: the peer went away before its end.
        """
        if self.length is not None and self.length > limit:
            raise BodyTooLarge
        if self.ended and self.buffered <= limit:
            return self.take()
        taken = []
        size = 0
        async for piece in self:
            size += len(piece)
            if size > limit:
                raise BodyTooLarge
            taken.append(piece)
        return b"".join(taken)

    def peek(self) -> bytes:
        """What has arrived, which stays for its reader."""
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if len(self._pieces) > 1:
            self._pieces = deque((content,))
        return content

    def take(self) -> bytes:
        """What has arrived and was not read yet."""
        pieces = self._pieces
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        return content

    def feed(self, piece: bytes) -> None:
        self.received += len(piece)
        if self._discarding:
            return
        self._pieces.append(piece)
        self.buffered += len(piece)
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def fail(self, error: BaseException | None = None) -> None:
        """End the body early: its reader gets the pieces that arrived, then the error."""
        if not self.ended and self._error is None:
            self._error = error or Disconnected()
            self._wake()

    def discard(self) -> None:
        """Drop what arrived and what will: nobody reads it."""
        self._discarding = True
        self._pieces.clear()
        self.buffered = 0

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("a body has one reader at a time")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._owner.body_wanted()
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
