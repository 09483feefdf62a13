"""An HTTP/1.1 server (RFC 9112): one handler, called once a request, over TCP or a unix socket.

Bodies stream in both directions under back-pressure. Pipelined requests are answered in order, one at a time. What is
malformed, too large or too slow is refused here, so that no handler sees it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sagesmith.http.connection import Connection
from sagesmith.http.messages import AtOnce, Handler, Request
from sagesmith.http.secure import Guard, SecureListener
from sagesmith.http.sharing import SharedListener
from sagesmith.http.unix import listen_at

if TYPE_CHECKING:
    from pathlib import Path

    from sagesmith.http.connect import Takeover

    ConnectHandler = Callable[[Request, Takeover], Awaitable[None]]

logger = logging.getLogger("sagesmith.http")


@dataclass(frozen=True)
class Limits:
    """What a server puts up with. Sizes are bytes.

    Attributes:
        target_size: of a request's target; longer ones are answered 414.
        head_size: of a request's head; larger ones are answered 431.
        head_seconds: how long a head may take to arrive, from its first byte.
        idle_seconds: how long a connection may wait for its next request.
        stall_seconds: how long a peer may take to send the next piece of a body, or to take one.
        drain_size: of a body that no handler read; a larger rest costs the connection.
    """

    target_size: int = 32 << 10
    head_size: int = 64 << 10
    head_seconds: float = 20.0
    idle_seconds: float = 120.0
    stall_seconds: float = 120.0
    drain_size: int = 256 << 10


class Served(Protocol):
    """A connection as its server knows it.

    Attributes:
        deadline: when it is given up, by the loop's clock.
    """

    deadline: float

    def expire(self) -> None:
        """The deadline has passed."""
        ...

    def finish(self) -> None:
        """End as soon as what is under way has been answered."""
        ...

    def abort(self) -> None:
        """End."""
        ...


class Server:
    """A running server. Made by `serve`."""

    def __init__(
        self, handler: Handler, limits: Limits, on_connect: ConnectHandler | None, at_once: AtOnce | None = None
    ) -> None:
        self.handler = handler
        self.at_once = at_once
        self.limits = limits
        self.on_connect = on_connect
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.connections: set[Served] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._listener: asyncio.AbstractServer | SecureListener | SharedListener | None = None
        self.addresses: list[tuple[str, int]] = []
        """The TCP addresses that it listens on."""

    @property
    def port(self) -> int:
        """The TCP port: the one that was taken where 0 was asked for."""
        return self.addresses[0][1]

    def listen(self, listener: asyncio.AbstractServer | SecureListener | SharedListener) -> None:
        self._listener = listener
        for one in getattr(listener, "sockets", None) or ():
            if one.family in {socket.AF_INET, socket.AF_INET6}:
                self.addresses.append(one.getsockname()[:2])

    def opened(self, connection: Served) -> None:
        self.connections.add(connection)
        self._empty.clear()
        if self._sweep is None:
            self._sweep = self.loop.call_later(1.0, self._sweep_connections)

    def closed(self, connection: Served) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def close(self, grace_seconds: float = 10.0) -> None:
        """Stop listening, let what is under way be answered, then cut what is left after `grace_seconds`."""
        self.closing = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.finish()
        if self.connections:
            try:
                await asyncio.wait_for(self._empty.wait(), grace_seconds)
            except asyncio.TimeoutError:  # noqa: UP041 (another class before Python 3.11)
                for connection in list(self.connections):
                    connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _sweep_connections(self) -> None:
        """One timer for all connections: a deadline is a number, setting one costs nothing."""
        now = self.loop.time()
        for connection in [one for one in self.connections if one.deadline < now]:
            connection.expire()
        self._sweep = self.loop.call_later(1.0, self._sweep_connections) if self.connections else None


async def serve(
    handler: Handler,
    *,
    unix: str | Path | None = None,
    tcp: tuple[str, int] | None = None,
    listening: socket.socket | None = None,
    guard: Guard | None = None,
    limits: Limits | None = None,
    on_connect: ConnectHandler | None = None,
    at_once: AtOnce | None = None,
) -> Server:
    """Start to serve on the running loop.

    Args:
        handler: called for each request; what it raises is logged and answered 500.
        unix: a socket's path; a socket that a dead process left there is replaced. It is made with mode 0600.
        tcp: host and port, in place of `unix`; port 0 takes a free one.
        listening: a socket that listens already, perhaps for several processes, in place of either.
        guard: makes of `listening` a port for TLS.
        limits: what to put up with.
        on_connect: takes CONNECT requests, which are refused (405) without it.
        at_once: sees each small request that has arrived whole before `handler`, see `AtOnce`.

    Raises:
        OSError: the address is taken, or not ours to take.
    """
    server = Server(handler, limits or Limits(), on_connect, at_once)
    if unix is not None:
        server.listen(await _listen_unix(server, os.fspath(unix)))
    elif tcp is not None:
        server.listen(await server.loop.create_server(lambda: Connection(server), tcp[0], tcp[1], backlog=1024))
    elif listening is not None:
        listening.setblocking(False)
        if guard is not None:
            server.listen(SecureListener(server, listening, guard))
        else:
            server.listen(SharedListener(server, listening))
    else:
        raise TypeError("no socket and no address to serve on")
    return server


async def _listen_unix(server: Server, path: str) -> asyncio.AbstractServer:
    listening = listen_at(path)
    try:
        listening.setblocking(False)
        return await server.loop.create_unix_server(lambda: Connection(server), sock=listening)
    except BaseException:
        listening.close()
        raise
