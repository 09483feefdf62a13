"""HTTP/1.1 messages as our servers and clients hand them around. Header names are lower case bytes.

The package runs in model containers, whose Python may be as old as 3.8: what is evaluated at run time keeps to that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import AsyncIterator, Awaitable, Callable, List, Optional, Protocol, Tuple  # noqa: UP035

Headers = List[Tuple[bytes, bytes]]  # noqa: UP006


class Body(Protocol):
    """A request's or an answer's body while it arrives. Reading is flow control: what is not read is not taken in."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: it has more than `limit` bytes (by its Content-Length, or as counted).
            Disconnected: the peer went away before its end.
        """
        ...


class BodyTooLarge(Exception):
    """A body has more bytes than the reader takes."""


class Disconnected(Exception):
    """The peer closed the connection in the middle of a message."""


@dataclass
class Request:
    """A request as it came in.

    Attributes:
        target: the raw request target, path and query as the client sent (and signed) it.
        scheme: `http` or `https`, as the client sees it.
        peer: the client's address.
        host: for a request through the CONNECT proxy, the host that was asked for; else None.
    """

    method: str
    target: bytes
    headers: Headers
    body: Body
    scheme: str = "http"
    peer: str = ""
    host: str | None = None

    def header(self, name: bytes) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]


@dataclass
class Response:
    """An answer. A `bytes` body gets a Content-Length; an iterator is sent by the Content-Length among `headers`, or
    chunked where there is none. `close` is called once when the answer was sent or the client has gone."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""
    close: Callable[[], None] | None = None


Handler = Callable[[Request], Awaitable[Response]]


class Reply(Protocol):
    """Where the answer goes to a request that was taken at once. One of the two is called, once, in the loop's thread;
    what is called after the client has gone counts for nothing."""

    def answer(self, response: Response) -> None:
        """Send this."""
        ...

    def leave(self) -> None:
        """Let the server's handler answer after all."""
        ...


AtOnce = Callable[[Request, bytes, Reply], Optional[Callable[[], None]]]  # noqa: UP045
"""Takes a request with its body without a task of its own: what cancels it, should the client go; or None: the server's
handler is to answer, and the reply is not used. It does not raise."""
