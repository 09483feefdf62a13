"""The frames in which our own processes exchange small requests and answers, many at once on one connection.

HTTP/1.1 needs a connection for each request under way, and two system calls, a parser and a head at each end of it. A
prediction of a small model takes less than those. A client asks for frames by `CONNECT` to `TARGET`; a server that
knows them answers 200, and from then on both send frames: a head of 16 bytes, the headers, the body.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Iterator, NamedTuple  # noqa: UP035

if TYPE_CHECKING:
    from sagesmith.http.messages import Headers

TARGET = b"sagesmith.frames:1"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
OFFER = (b"x-sagesmith-frames", b"1")
"""The header of an HTTP answer by which a server says that it knows frames."""

MAX_PAYLOAD_BYTES = 1 << 20
"""Of one frame. What is larger goes in pieces."""

WINDOW_BYTES = 1 << 20
"""As much of an answer in pieces may be on its way, or wait for its reader."""

ASK, CANCEL, ANSWER, BEGIN, PIECE, END, BROKEN, TAKEN, LEAVE = range(1, 10)
"""What a frame is: of a client, a request, the end of interest in its answer, and how many bytes of an answer in
pieces were taken; of a server, a whole answer, or its head, pieces and end, good or bad; and that it is about to go,
so that nothing more is asked on this connection."""

_HEAD = struct.Struct("<IIBxHI")


class BadFrame(Exception):
    """The peer does not send frames."""


class Frame(NamedTuple):
    """A frame.

    Attributes:
        number: of the exchange, chosen by the client.
        value: the status of `ANSWER` and `BEGIN`.
        head: headers as `read_headers` reads them.
        amount: of `TAKEN`, in bytes.
    """

    kind: int
    number: int
    value: int
    head: bytes
    body: bytes
    amount: int


def frame(kind: int, number: int, value: int = 0, head: bytes = b"", body: bytes = b"") -> bytes:
    """A frame as it is sent."""
    return _HEAD.pack(len(head) + len(body), number, kind, value, len(head)) + head + body


def taken(number: int, amount: int) -> bytes:
    """`TAKEN`, as it is sent."""
    return _HEAD.pack(0, number, TAKEN, 0, amount)


def write_headers(headers: Headers) -> bytes:
    """Headers as a frame has them.

    Raises:
        ValueError: a name or value has a line break.
    """
    head = b"\n".join([name + b":" + value for name, value in headers])
    if b"\r" in head or (headers and head.count(b"\n") != len(headers) - 1):
        raise ValueError("a line break in a header")
    return head


def read_headers(head: bytes) -> Headers:
    """The headers of a frame."""
    found = []
    for line in head.split(b"\n") if head else ():
        name, _, value = line.partition(b":")
        found.append((name, value))
    return found


class Reader:
    """Makes frames of what arrives."""

    __slots__ = ("_missing", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._missing = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now.

        Raises:
            BadFrame: what came is none.
        """
        if self._rest:
            self._rest += data
            if len(data) < self._missing:
                self._missing -= len(data)
                return
            data = bytes(self._rest)
            self._rest.clear()
        position, size = 0, len(data)
        while size - position >= _HEAD.size:
            payload, number, kind, value, head_size = _HEAD.unpack_from(data, position)
            begin = position + _HEAD.size
            end = begin + payload
            if payload > MAX_PAYLOAD_BYTES or not ASK <= kind <= LEAVE or (head_size > payload and kind != TAKEN):
                raise BadFrame(f"a frame of kind {kind} with {payload} bytes")
            if end > size:
                self._missing = end - size
                break
            split = begin + head_size if kind != TAKEN else begin
            yield Frame(kind, number, value, data[begin:split], data[split:end], head_size)
            position = end
        else:
            self._missing = _HEAD.size - (size - position)
        if position < size:
            self._rest += data[position:]
