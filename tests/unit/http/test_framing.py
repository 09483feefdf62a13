"""However the network cuts a stream of messages, the messages are the same."""

import asyncio
import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sagesmith.http.client import Client
from sagesmith.http.messages import Request, Response
from tests.unit.http.peers import serving

BODIES = st.one_of(st.none(), st.binary(max_size=40), st.binary(min_size=1, max_size=3).map(lambda part: part * 50_000))
REQUESTS = st.lists(st.tuples(BODIES, st.booleans(), st.booleans()), min_size=1, max_size=6)
CUTS = st.lists(st.floats(0, 1), max_size=6)


async def digest(request: Request) -> Response:
    """Answers with the body's length and edges; does not read it where the target says so."""
    if request.target == b"/unread":
        return Response(200, [], b"unread")
    body = await request.body.read(1 << 20)
    return Response(200, [], b"%d %s %s" % (len(body), body[:3].hex().encode(), body[-3:].hex().encode()))


def framed(body: bytes | None, chunked: bool, read: bool) -> tuple[bytes, bytes]:
    """A request and the answer that it must get."""
    target = b"/read" if read else b"/unread"
    head = b"POST " + target + b" HTTP/1.1\r\nHost: h\r\n"
    content = body or b""
    if body is None:
        message = head + b"\r\n"
    elif chunked:
        middle = len(body) // 2
        parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:]) if part)
        message = head + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\nX-Trailer: t\r\n\r\n"
    else:
        message = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    edges = b"%d %s %s" % (len(content), content[:3].hex().encode(), content[-3:].hex().encode())
    return message, edges if read else b"unread"


def cut(stream: bytes, cuts: list[float]) -> list[bytes]:
    places = sorted({0, len(stream), *(int(place * len(stream)) for place in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


@settings(max_examples=60, deadline=None)
@given(REQUESTS, CUTS)
def test_pipelined_requests_survive_any_cut(requests: list[tuple[Any, bool, bool]], cuts: list[float]) -> None:
    pairs = [framed(body, chunked, read or chunked) for body, chunked, read in requests]

    async def main() -> None:
        async with serving(digest) as (_, connect):
            wire = await connect()

            async def send() -> None:
                for piece in cut(b"".join(message for message, _ in pairs), cuts):
                    await wire.send(piece)
                    await asyncio.sleep(0)

            sending = asyncio.create_task(send())
            for _, expected in pairs:
                assert await wire.answer() == (200, expected)
            await sending

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(BODIES, st.booleans()), min_size=1, max_size=4), CUTS)
def test_answers_survive_any_cut(answers: list[tuple[Any, bool]], cuts: list[float]) -> None:
    def framed_answer(body: bytes, chunked: bool) -> bytes:
        if chunked:
            parts = b"%x;ext=1\r\n%s\r\n" % (len(body), body) if body else b""
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def main() -> None:
        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for body, chunked in answers:
                await reader.readuntil(b"\r\n\r\n")
                for piece in cut(framed_answer(body or b"", chunked), cuts):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            writer.close()

        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for body, _ in answers:
            response = await client.request("POST", b"/", [])
            got = (
                response.body if isinstance(response.body, bytes) else b"".join([part async for part in response.body])
            )
            assert got == (body or b"")
        client.close()
        server.close()

    asyncio.run(main())
