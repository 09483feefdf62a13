"""Connections that come in on a port for TLS: what speaks TLS is served, and what does not is told so.

The first byte decides, and it is looked at without being taken: a TLS handshake begins with 22 (RFC 8446, section 5.1),
which no HTTP method does.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sagesmith.http.connection import Connection
from sagesmith.http.sharing import NO_DESCRIPTORS_SECONDS, PASSING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection

    from sagesmith.http.server import Server

logger = logging.getLogger("sagesmith.http")

_HANDSHAKE = b"\x16"
_HANDSHAKE_SECONDS = 20.0
_LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Guard:
    """What a port for TLS lets in.

    Attributes:
        context: the context for a connection that comes in now.
        plain_at: addresses of this machine at which HTTP without TLS is served too: those of its loopback.
        advice: what a client is told that speaks HTTP without TLS at another.
    """

    context: Callable[[], ssl.SSLContext]
    plain_at: Collection[str]
    advice: str


class SecureListener:
    """Accepts the connections of a socket that listens, until it is closed."""

    def __init__(self, server: Server, listening: socket.socket, guard: Guard) -> None:
        self._server = server
        self._listening = listening
        self._guard = guard
        self._entering: set[asyncio.Task[None]] = set()
        self._task = server.loop.create_task(self._accept())

    @property
    def sockets(self) -> list[socket.socket]:
        return [self._listening]

    def close(self) -> None:
        """Accept no more."""
        self._task.cancel()
        for task in self._entering:
            task.cancel()
        self._listening.close()

    async def _accept(self) -> None:
        while True:
            try:
                accepted, _ = await self._server.loop.sock_accept(self._listening)
            except OSError as error:
                if error.errno in PASSING:
                    logger.error("no connection can be accepted: %s", error)
                    await asyncio.sleep(NO_DESCRIPTORS_SECONDS)
                continue
            task = self._server.loop.create_task(self._enter(accepted))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _enter(self, accepted: socket.socket) -> None:
        """Serve a connection, which is closed if that cannot be."""
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = await asyncio.wait_for(self._first_byte(accepted), _HANDSHAKE_SECONDS)
            peer, own = (_address(name) for name in (accepted.getpeername(), accepted.getsockname()))
            if first == _HANDSHAKE:
                await self._server.loop.connect_accepted_socket(
                    lambda: Connection(self._server, "https", None, peer),
                    accepted,
                    ssl=self._guard.context(),
                    ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                )
            elif first and own in self._guard.plain_at:
                await self._server.loop.connect_accepted_socket(lambda: Connection(self._server, peer=peer), accepted)
            elif first:
                await self._server.loop.connect_accepted_socket(lambda: _Advice(self._guard.advice), accepted)
            else:
                accepted.close()
        except (OSError, asyncio.TimeoutError):  # noqa: UP041 (another class before Python 3.11)
            accepted.close()  # A client that does not trust the certificate says so and goes.
        except BaseException:
            accepted.close()
            raise

    async def _first_byte(self, accepted: socket.socket) -> bytes:
        """The first byte that will be read, empty if the peer has closed."""
        loop, readable = self._server.loop, asyncio.Event()
        try:
            return accepted.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            loop.add_reader(accepted, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(accepted)
        return accepted.recv(1, socket.MSG_PEEK)


class _Advice(asyncio.Protocol):
    """Answers whatever comes by saying that the port wants TLS, and closes."""

    def __init__(self, advice: str) -> None:
        body = (advice + "\n").encode()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
        self._answer = head.encode() + b"connection: close\r\n\r\n" + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("asyncio.Transport", transport)
        made.write(self._answer)
        made.write_eof()
        # What the client still sends is taken until it has read: a reset would destroy the answer on its way.
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, made.abort)


def _address(name: tuple[str, int]) -> str:
    """An address without the form in which a socket for IPv6 shows those of IPv4."""
    address = name[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address
