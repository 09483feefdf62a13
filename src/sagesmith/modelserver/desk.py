"""Connections of frames that a worker reads and answers itself, while the event loop is about something else.

A request that goes by the event loop's thread and comes back by it wakes two threads, which take the interpreter from
each other: for a small model that costs half as much as its prediction. So a worker that is done with a batch sends its
answers, looks what has come meanwhile, and waits for more, all by itself. Only while a handler runs for longer than
`PATIENCE_SECONDS` does the event loop read in its place: requests are refused, taken back and counted whatever a
handler does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, cast  # noqa: UP035

from sagesmith.http.frames_server import FramesConnection

if TYPE_CHECKING:
    from sagesmith.http.frames_server import Take
    from sagesmith.http.messages import Response
    from sagesmith.http.server import Server

PATIENCE_SECONDS = 0.02
"""How long nobody reads while a handler runs. What waits so long would wait for the handler anyway."""

_RECEIVE_BYTES = 256 << 10
_HIGH_WATER = 512 << 10
"""Bytes that may wait for a peer before it is asked nothing more."""

logger = logging.getLogger("sagesmith.modelserver")


class Desk:
    """The connections of one worker. Made by the event loop's thread.

    `lock` is held by whoever reads from a connection or writes to it: mostly the worker, or else the event loop.
    `wait`, `begins` and `ends` are the worker's, `adopt` is the event loop's; the rest is anybody's.

    Args:
        loop: who reads while the worker does not.
        on_help: called by the event loop now and then while the worker is busy for longer than a moment.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_help: Callable[[], None]) -> None:
        self.lock = threading.RLock()
        self._loop = loop
        self._on_help = on_help
        self._poll = select.epoll()
        self._bell, self._ringing = socket.socketpair()
        for end in (self._bell, self._ringing):
            end.setblocking(False)
        self._patience = select.poll()
        for source in (self._poll, self._bell):
            self._patience.register(source, select.POLLIN)
        self._connections: Dict[int, _Transport] = {}  # noqa: UP006
        self._written: List[_Transport] | None = None  # noqa: UP006
        self._since: float | None = None
        self._batches = self._batches_seen = 0
        self._watching = False
        self._helping = True
        loop.add_reader(self._poll.fileno(), self._helped)

    def adopt(self, make: Callable[[], FramesConnection], taken: socket.socket, early: bytes) -> None:
        """Have a connection read here from now on.

        Args:
            taken: its socket, which nobody else reads from.
            early: what was read from it already.
        """
        with self.lock:
            connection = make()
            transport = _Transport(self, self._poll, taken, connection)
            self._connections[taken.fileno()] = transport
            self._poll.register(taken, select.EPOLLIN)
            connection.connection_made(cast("asyncio.Transport", transport))
            if early:
                connection.data_received(early)

    def on_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have the event loop's thread do something, which may be gone at the end of the process."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def look(self) -> None:
        """Take in what has arrived, and send what there is room for."""
        with self.lock:
            for number, happened in self._poll.poll(0):
                transport = self._connections.get(number)
                if transport is not None and not transport.serve(happened):
                    del self._connections[number]

    def wait(self) -> None:
        """Wait until there is something to `look` at, or somebody rings."""
        for number, _ in self._patience.poll():
            if number == self._bell.fileno():
                self._bell.recv(4096)

    def ring(self) -> None:
        """Let the worker look that waits. The bell is for its ears alone: it would miss what the event loop hears."""
        with contextlib.suppress(BlockingIOError):
            self._ringing.send(b"\0")

    def begins(self) -> None:
        """The worker is about to call handlers."""
        with self.lock:
            self._since = time.monotonic()
            self._batches += 1
            watching, self._watching = self._watching, True
        if not watching:
            self.on_loop(self._watch)

    def ends(self) -> None:
        """The worker reads again."""
        self._since = None
        if self._helping:
            self.on_loop(self._stop_helping)

    @contextlib.contextmanager
    def writing(self) -> Any:
        """What is written meanwhile leaves at the end: one call of the system for many answers."""
        with self.lock:
            written: list[_Transport] = []
            self._written = written
            try:
                yield
            finally:
                self._written = None
                for transport in written:
                    transport.flush()

    def wrote(self, transport: _Transport) -> None:
        """There is something to send."""
        if self._written is None:
            transport.flush()
        elif transport not in self._written:
            self._written.append(transport)

    def _watch(self) -> None:
        """Look now and then whether the worker is busy for long; until it has had nothing to do."""
        with self.lock:
            since, seen, self._batches_seen = self._since, self._batches_seen, self._batches
            if since is None and seen == self._batches:
                self._watching = False
                return
        if since is not None and time.monotonic() - since >= PATIENCE_SECONDS:
            self._help()
        self._loop.call_later(PATIENCE_SECONDS, self._watch)

    def _help(self) -> None:
        if not self._helping:
            self._helping = True
            self._loop.add_reader(self._poll.fileno(), self._helped)
        self._on_help()

    def _helped(self) -> None:
        self.look()
        self._on_help()

    def _stop_helping(self) -> None:
        if self._helping:
            self._helping = False
            self._loop.remove_reader(self._poll.fileno())


class DeskConnection(FramesConnection):
    """A connection of frames on a desk: its requests are taken, and answered, by whichever thread has the lock."""

    def __init__(self, desk: Desk, server: Server, take: Take) -> None:
        super().__init__(server, take)
        self._desk = desk

    def _answer(self, number: int, response: Response) -> None:
        with self._desk.lock:
            super()._answer(number, response)

    def _on_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        self._desk.on_loop(call, *arguments)


class Mover(asyncio.Protocol):
    """Takes a connection from an event loop to a desk."""

    def __init__(self, desk: Desk, make: Callable[[], FramesConnection]) -> None:
        self._desk = desk
        self._make = make
        self._early = b""
        self._taken: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        held = transport.get_extra_info("socket")
        try:
            self._taken = socket.socket(fileno=os.dup(held.fileno()))
        except OSError:  # out of descriptors, most likely: the router is told by the end of the connection
            logger.exception("a connection could not be taken over")
            cast("asyncio.Transport", transport).abort()
            return
        cast("asyncio.Transport", transport).pause_reading()
        transport.close()  # which sends what it has still to send before it closes what is its own

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        if self._taken is not None:
            self._desk.adopt(self._make, self._taken, self._early)


class _Transport:
    """What a `FramesConnection` writes to. Whoever calls anything but `write` and `abort` holds the desk's lock."""

    def __init__(self, desk: Desk, poll: select.epoll, taken: socket.socket, connection: FramesConnection) -> None:
        self._desk = desk
        self._poll = poll
        self._socket = taken
        taken.setblocking(False)  # unless told so, it waits as long as `socket.setdefaulttimeout` of a script says
        self._connection = connection
        self._unsent: List[bytes | memoryview] = []  # noqa: UP006
        self._unsent_bytes = 0
        self._waits = self._full = self._closed = False

    def is_closing(self) -> bool:
        return self._closed

    def write(self, data: bytes) -> None:
        with self._desk.lock:
            if self._closed:
                return
            self._unsent.append(data)
            self._unsent_bytes += len(data)
            if self._waits:  # the poll will say when there is room
                self._hold_back()
            else:
                self._desk.wrote(self)

    def abort(self) -> None:
        """End it: whoever reads next finds its end."""
        with self._desk.lock, contextlib.suppress(OSError):
            if not self._closed:
                self._socket.shutdown(socket.SHUT_RDWR)

    def pause_reading(self) -> None:
        self._full = True
        self._register()

    def resume_reading(self) -> None:
        self._full = False
        self._register()

    def serve(self, happened: int) -> bool:
        """Do what the poll says can be done; False: the connection is gone."""
        if happened & select.EPOLLOUT:
            self.flush()
        if happened & ~select.EPOLLOUT:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                data = b""
            if not data:
                self._end()
                return False
            try:
                self._connection.data_received(data)
            except Exception:  # a fault of ours, which is to end neither the worker nor the event loop
                logger.exception("a connection failed")
                self._end()
                return False
        return True

    def flush(self) -> None:
        """Send as much as there is room for."""
        if self._closed or not self._unsent:
            return
        try:
            while self._unsent and self._send():
                pass
        except OSError:
            self._forget()
            self.abort()
            return
        self._hold_back()
        if self._full and self._unsent_bytes < _HIGH_WATER // 4:
            self._connection.resume_writing()
        if bool(self._unsent) is not self._waits:
            self._waits = bool(self._unsent)
            self._register()

    def _send(self) -> bool:
        """Send once; whether there may be room for more. What is large is not copied for each part that leaves."""
        if len(self._unsent) > 1 and len(self._unsent[0]) < _HIGH_WATER:
            self._unsent = [b"".join(self._unsent)]
        data = self._unsent[0]
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return False
        self._unsent_bytes -= sent
        if sent < len(data):
            self._unsent[0] = memoryview(data)[sent:]
            return False
        del self._unsent[0]
        return True

    def _hold_back(self) -> None:
        if self._unsent_bytes > _HIGH_WATER and not self._full:
            self._connection.pause_writing()

    def _forget(self) -> None:
        self._unsent.clear()
        self._unsent_bytes = 0

    def _register(self) -> None:
        if not self._closed:
            wanted = (0 if self._full else select.EPOLLIN) | (select.EPOLLOUT if self._waits else 0)
            self._poll.modify(self._socket, wanted)

    def _end(self) -> None:
        self._closed = True
        self._forget()
        self._poll.unregister(self._socket)
        self._socket.close()
        self._connection.connection_lost(None)
