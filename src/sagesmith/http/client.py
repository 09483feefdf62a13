"""An HTTP/1.1 client for our own processes and the object store: kept-alive connections to one address, streams."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

from sagesmith.http.client_connection import ClientConnection
from sagesmith.http.errors import BadAnswer, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Response
from sagesmith.http.unix import socket_at

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["BadAnswer", "Client", "ConnectFailed", "TimedOut"]

_IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS"))


class Client:
    """A pool of connections to one address. Belongs to the loop that it is first used on.

    Args:
        address: `unix:/path`, `http://host:port`, `https://host:port`, or `tls:TOKEN@host:port` of a model server on
            another node, with `/NUMBER` behind it of one of several: the token is said once a connection, before its
            first request.
        connect_seconds: how long connecting may take.
        answer_seconds: how long the answer's head may take, from the end of the request's body.
        stall_seconds: how long the peer may take to send the next piece of a body, or to take one.
        idle_seconds: how long a connection is kept for the next request; less than the peer keeps it.
        max_idle: how many are kept.
        ca_file: a file of certificates to trust beside the system's, for `https`; the only one to trust, whatever name
            is in it, for `tls`.
    """

    def __init__(
        self,
        address: str,
        *,
        connect_seconds: float = 5.0,
        answer_seconds: float = 60.0,
        stall_seconds: float = 120.0,
        idle_seconds: float = 60.0,
        max_idle: int = 64,
        ca_file: Path | None = None,
    ) -> None:
        self.address = address
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self.stall_seconds = stall_seconds
        self._idle_seconds = idle_seconds
        self._max_idle = max_idle
        self._idle: list[ClientConnection] = []
        self._connecting = 0
        self._all: set[ClientConnection] = set()
        self._path: str | None = None
        self._host, self._port = "", 0
        self._tls: ssl.SSLContext | None = None
        self._greeting = b""
        scheme, _, rest = address.partition("://")
        if address.startswith("unix:"):
            self._path = address[len("unix:") :]
            self._authority = b"localhost"
        elif address.startswith("tls:"):
            token, _, authority = address[len("tls:") :].rpartition("@")
            authority, _, container = authority.partition("/")
            host, _, port = authority.rpartition(":")
            self._host, self._port = host.strip("[]"), int(port)
            self._authority = b"localhost"
            self._tls = _pinned_context(ca_file)
            self._greeting = f"{token} model{f'/{container}' if container else ''}\n".encode()
        elif scheme in ("http", "https"):
            authority = rest.rstrip("/")
            host, _, port = authority.rpartition(":")
            if not host:
                raise ValueError(f"an address without a port: {address}")
            self._host, self._port = host.strip("[]"), int(port)
            self._authority = authority.encode()
            self._tls = _tls_context(ca_file) if scheme == "https" else None
        else:
            raise ValueError(f"not an address: {address}")

    @property
    def outstanding(self) -> int:
        """Requests under way: connections that are not idle, and those that are being made."""
        return len(self._all) - len(self._idle) + self._connecting

    async def request(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        answer_seconds: float | None = None,
    ) -> Response:
        """Send a request and wait for the head of its answer.

        An answer that came whole has a `bytes` body. Any other has an `IncomingBody` (an iterator with `read`), whose
        reader calls `close` when it stops before the end. Framing is the client's: `content-length` among the
        headers counts for an iterator only (without it the body is sent chunked), hop-by-hop headers and `expect`
        are dropped, in both directions. Cancelling closes the connection.

        A request that finds its kept-alive connection closed is sent once more on a new one if the peer cannot have
        acted on it, or may do so twice (idempotent methods), and if its body is `bytes`.

        An answer that comes before all of an iterator was sent ends the sending: the peer has made up its mind.

        Args:
            answer_seconds: how long the answer's head may take, in place of the client's own figure.

        Raises:
            ConnectFailed: no connection.
            Disconnected: the peer closed it before it answered.
            TimedOut: see there.
            BadAnswer: see there.
            Exception: what `body` raised; the request is broken off, so that the peer does not act on it.
        """
        seconds = self._answer_seconds if answer_seconds is None else answer_seconds
        connection = self._take_idle()
        if connection is not None:
            try:
                return await connection.request(method, target, headers, body, seconds)
            except Disconnected:
                replayable = isinstance(body, bytes) and not connection.heard
                if not replayable or not (method in _IDEMPOTENT or connection.refused):
                    raise
        self._connecting += 1
        try:
            connection = await self._connect()
        finally:
            self._connecting -= 1
        return await connection.request(method, target, headers, body, seconds)

    def close(self) -> None:
        """Close all connections; requests under way are broken off."""
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()

    def _take_idle(self) -> ClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(self._idle_seconds):
                return connection
            connection.abort()
        return None

    async def _connect(self) -> ClientConnection:
        loop = asyncio.get_running_loop()

        def made() -> ClientConnection:
            return ClientConnection(self, self._authority, self._path is not None)

        connecting: Any
        try:
            with contextlib.ExitStack() as held:
                if self._path is not None:
                    path = held.enter_context(socket_at(self._path))
                    connecting = loop.create_unix_connection(made, path)
                else:
                    connecting = loop.create_connection(made, self._host, self._port, ssl=self._tls)
                _, connection = await asyncio.wait_for(connecting, self._connect_seconds)
        except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 (another class before Python 3.11)
            raise ConnectFailed(f"{self.address}: {error or 'timed out'}") from error
        connected = cast("ClientConnection", connection)
        if connected.closed:
            raise ConnectFailed(f"{self.address}: closed at once")
        if self._greeting:
            connected.greet(self._greeting)
        return connected

    def opened(self, connection: ClientConnection) -> None:
        self._all.add(connection)

    def closed(self, connection: ClientConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def released(self, connection: ClientConnection) -> None:
        if len(self._idle) < self._max_idle:
            self._idle.append(connection)
        else:
            connection.abort()


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _pinned_context(ca_file: Path | None) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
