"""Connections that come in on a socket at which several processes listen: each takes its share of them.

An event loop's own server takes all that wait when it wakes, so that a client which opens many at once has one process
for all of them, and the others have nothing to do. Here a process that has taken one leaves the next to the others
for a moment. If some wait still after that it takes two, then four, and so on: however many come, they are soon taken.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING

from sagesmith.http.connection import Connection

if TYPE_CHECKING:
    from sagesmith.http.server import Server

logger = logging.getLogger("sagesmith.http")

TURN_SECONDS = 0.001
"""How long connections are left to the other processes."""
MOST_A_TURN = 256

NO_DESCRIPTORS_SECONDS = 0.5
PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What a loaded machine lacks for a while."""


class SharedListener:
    """Accepts the connections of a TCP socket that listens, which others may accept from too, until it is closed."""

    def __init__(self, server: Server, listening: socket.socket) -> None:
        self._server = server
        self._listening = listening
        self._entering: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._share = 1
        self._server.loop.add_reader(self._listening, self._readable)

    @property
    def sockets(self) -> list[socket.socket]:
        return [self._listening]

    def close(self) -> None:
        """Accept no more."""
        self._server.loop.remove_reader(self._listening)
        if self._pause is not None:
            self._pause.cancel()
        for task in self._entering:
            task.cancel()
        self._listening.close()

    def _readable(self) -> None:
        for _ in range(self._share):
            if not self._accept():
                self._share = 1
                return
        self._leave_to_others(TURN_SECONDS)

    def _leave_to_others(self, seconds: float) -> None:
        self._server.loop.remove_reader(self._listening)
        self._pause = self._server.loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._share = min(2 * self._share, MOST_A_TURN)
        self._server.loop.add_reader(self._listening, self._readable)
        self._readable()

    def _accept(self) -> bool:
        """Take a connection; whether there was one."""
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in PASSING:
                logger.error("no connection can be accepted: %s", error)
                self._leave_to_others(NO_DESCRIPTORS_SECONDS)
                return False
            return True  # its client has gone already
        task = self._server.loop.create_task(self._enter(accepted))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        return True

    async def _enter(self, accepted: socket.socket) -> None:
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._server.loop.connect_accepted_socket(lambda: Connection(self._server), accepted)
        except OSError:
            accepted.close()
        except BaseException:
            accepted.close()
            raise
