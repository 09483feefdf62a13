"""What may become of a CONNECT request's connection: refused, ended here under TLS, or tunnelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from sagesmith.http.connection import Connection
    from sagesmith.http.messages import Response
    from sagesmith.http.server import Server

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_HANDSHAKE_SECONDS = 20.0


class Takeover:
    """The connection of one CONNECT request, handed to the server's `on_connect`, which must do one thing with it.

    Attributes:
        peer: the client's address.
    """

    def __init__(self, server: Server, transport: asyncio.Transport, connection: Connection, peer: str) -> None:
        self._server = server
        self._transport = transport
        self._connection = connection
        self.peer = peer
        self.refusal: Response | None = None

    def refuse(self, response: Response) -> None:
        """Answer the CONNECT itself, and close."""
        self.refusal = response

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Accept, and serve the requests inside, with scheme `https` and the given host, by the same handler."""
        from sagesmith.http.connection import Connection  # each needs the other

        self._transport.write(_ESTABLISHED)
        inner = Connection(self._server, "https", host, self.peer)
        self._connection.leave()
        try:
            transport = await self._server.loop.start_tls(
                self._transport, inner, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE_SECONDS
            )
        except (OSError, asyncio.TimeoutError):  # noqa: UP041 (another class before Python 3.11)
            self._transport.abort()  # a client that does not trust our CA says so and goes
            return
        if transport is None:
            return
        inner.connection_made(transport)

    def switch(self, make: Callable[[Server], asyncio.Protocol]) -> None:
        """Accept, and let another protocol have the connection."""
        self._transport.write(_ESTABLISHED)
        self._connection.leave()
        protocol = make(self._server)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)

    def tunnel(self, relay: Relay) -> None:
        """Accept, and pass the bytes on to an open connection and back, untouched."""
        self._transport.write(_ESTABLISHED)
        self._connection.leave()
        mine = Relay()
        mine.transport, mine.other = self._transport, relay
        relay.other = mine
        self._transport.set_protocol(mine)
        relay.start()


class Relay(asyncio.Protocol):
    """One half of a tunnel: what arrives here leaves through the other half, no faster than its peer takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Relay | None = None
        self._early: list[bytes] = []
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def start(self) -> None:
        """The other half is there: send it what came before."""
        if self._lost:
            self._close_other()
            return
        for piece in self._early:
            self.data_received(piece)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        other = self.other.transport if self.other is not None else None
        if other is not None and other.can_write_eof() and not other.is_closing():
            other.write_eof()
            return True
        return False

    def pause_writing(self) -> None:
        peer = self.other.transport if self.other is not None else None
        if peer is not None and not peer.is_closing():
            peer.pause_reading()

    def resume_writing(self) -> None:
        peer = self.other.transport if self.other is not None else None
        if peer is not None and not peer.is_closing():
            peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._close_other()

    def _close_other(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
