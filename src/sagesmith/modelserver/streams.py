"""Answers that come in pieces: a handler makes them on its thread, the event loop sends them as they come."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Deque, Iterator  # noqa: UP035

from sagesmith.modelserver import codecs
from sagesmith.modelserver.errors import HandlerFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HIGH_WATER = 1 << 20
"""Bytes that may wait for a client before the handler waits for it, too."""


class BrokenOff(Exception):
    """The handler failed after its answer had begun: all that can be done is not to end it."""


class PieceStream:
    """The pieces of one answer, put in by a worker's thread and taken out by the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: Deque[bytes] = deque()  # noqa: UP006
        self._buffered = 0
        self._changed = threading.Condition()
        self._abandoned = False
        self._ended = False
        self._failed = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, piece: bytes) -> bool:
        """Hand a piece on, after a wait if the client is slow; False if nobody wants any more. For the worker."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffered < HIGH_WATER or self._abandoned)
            if self._abandoned:
                return False
            if not piece:
                return True
            self._pieces.append(piece)
            self._buffered += len(piece)
        self._loop.call_soon_threadsafe(self._wake)
        return True

    @property
    def full(self) -> bool:
        """Whether the next `put` would wait."""
        return self._buffered >= HIGH_WATER

    def end(self, *, failed: bool = False) -> None:
        """No more pieces come. For the worker."""
        self._failed = failed
        self._ended = True
        self._loop.call_soon_threadsafe(self._wake)

    def abandon(self) -> None:
        """Nobody reads on: the handler's generator is closed at its next piece. For anyone."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            ended = self._ended  # looked at before the pieces: the last one may come between
            if self._pieces:
                break
            if ended and self._failed:
                raise BrokenOff
            if ended:
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        with self._changed:
            # Each piece by itself: a router makes one event of each.
            piece = self._pieces.popleft()
            self._buffered -= len(piece)
            self._changed.notify_all()
        return piece

    async def aclose(self) -> None:
        self.abandon()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def is_stream(result: Any) -> bool:
    """Whether a handler's return value is made piece by piece: a generator or another iterator."""
    return isinstance(result, Iterator)


def piece_of(item: Any) -> bytes:
    """What a handler yielded, as it is sent: bytes and text as they are, lists and dictionaries as a line of JSON.

    Raises:
        HandlerFailed: it is none of these.
    """
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode("utf-8")
    if isinstance(item, (bytearray, memoryview)):
        return bytes(item)
    if isinstance(item, (dict, list)):
        return codecs.to_json(item) + b"\n"
    raise HandlerFailed(
        f"The handler yielded {type(item).__name__}; str, bytes, dict or list was expected.", kind="TypeError"
    )
