"""Whatever bytes come: a handler sees no request that a strict reader would not have seen in the same place."""

import asyncio
import socket
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sagesmith.http.connection import Connection
from sagesmith.http.messages import BodyTooLarge, Request, Response
from sagesmith.http.server import Limits, Server
from tests.unit.http import strict
from tests.unit.http.strict import Message

_TURNS = 40
"""More turns of the loop than anything takes that was sent before: both ends are in this process."""

LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /endpoints/a/invocations HTTP/1.1",
        b"POST / HTTP/1.0",
        b"POST  / HTTP/1.1",
        b"POST /a b HTTP/1.1",
        b"POST / HTTP/2.0",
        b"POST http://x/ HTTP/1.1",
        b"GET /smuggled HTTP/1.1",
    ]
)
FIELDS = st.sampled_from(
    [
        b"host: x",
        b"Host : x",
        b"host:y",
        b"content-length: 5",
        b"content-length: 0",
        b"content-length: 05",
        b"content-length: +5",
        b"content-length: 5, 5",
        b"content-length: 0x5",
        b"content-length: -1",
        b"content-length:\t5",
        b"transfer-encoding: chunked",
        b"Transfer-Encoding: Chunked",
        b"transfer-encoding: gzip, chunked",
        b"transfer-encoding: chunked, identity",
        b"transfer-encoding: xchunked",
        b"transfer-encoding:\x0bchunked",
        b"transfer_encoding: chunked",
        b" folded: line",
        b"\tfolded",
        b"x: a\x00b",
        b"x: a\rb",
        b"x: a\nhost: z",
        b"connection: close",
        b"connection: keep-alive, close",
        b"x",
        b": empty",
        b"x-\xff: \xff",
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"])
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x=y\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"05\r\nhello\r\n00\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nhost: trailer\r\n\r\n",
        b"5\r\nhello\r\n0\r\ncontent-length: 9\r\n\r\n",
        b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n",
        b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A few requests, each of which may be wrong in one way or another."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        usual = draw(st.booleans())
        end = b"\r\n" if usual else draw(ENDS)
        parts.append(draw(LINES) + end + b"host: x\r\n")
        parts += [field + (b"\r\n" if usual else draw(ENDS)) for field in draw(st.lists(FIELDS, max_size=3))]
        parts.append(b"\r\n" + draw(BODIES))
    stream = b"".join(parts)
    if draw(st.booleans()):
        return stream
    place = draw(st.integers(0, len(stream)))
    return stream[:place] + draw(st.binary(max_size=3)) + stream[place + draw(st.integers(0, 3)) :]


async def seen_by_a_handler(stream: bytes, cuts: list[int]) -> list[Message]:
    """The requests that reach a handler whole, of a stream that comes in pieces."""
    seen: list[Message] = []

    async def handler(request: Request) -> Response:
        try:
            body = await request.body.read(1 << 20)
        except BodyTooLarge:
            return Response(413)
        seen.append(Message(request.method.encode(), request.target, body))
        return Response(200)

    server = Server(handler, Limits(), None)
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(lambda: Connection(server), ours)
    try:
        start = 0
        for cut in [*sorted(cuts), len(stream)]:
            try:
                theirs.sendall(stream[start:cut])
            except OSError:
                break  # it was refused already
            start = max(start, cut)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
    finally:
        cast("Connection", protocol).abort()
        theirs.close()
        await server.close(0)
    return seen


@settings(deadline=None, max_examples=300)
@given(stream=streams(), cuts=st.lists(st.integers(0, 120), max_size=2))
@example(
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled", []
)
def test_a_handler_sees_nothing_that_a_strict_reader_would_not(stream: bytes, cuts: list[int]) -> None:
    seen = asyncio.run(seen_by_a_handler(stream, [min(cut, len(stream)) for cut in cuts]))
    expected = [one for one in strict.read(stream) if one.method != b"CONNECT"]
    assert seen == expected[: len(seen)]


def test_the_strict_reader_reads_what_is_right() -> None:
    right = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nt: 1\r\n\r\n"
    right += b"\r\nPOST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
    expected = [Message(b"POST", b"/a", b"hello"), Message(b"POST", b"/b", b"hi")]
    assert strict.read(right) == expected
    assert asyncio.run(seen_by_a_handler(right, [7, 60])) == expected


@pytest.mark.parametrize(
    "wrong", [b"x: a\r\n folded\r\n", b"x: a\nhost: y\r\n", b"x : a\r\n", b"content-length: 1\n\n"]
)
def test_the_strict_reader_refuses_what_is_wrong(wrong: bytes) -> None:
    assert strict.read(b"GET / HTTP/1.1\r\nhost: x\r\n" + wrong + b"\r\n") == []
