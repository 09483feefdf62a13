"""The server, spoken to byte by byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from sagesmith.http.messages import Disconnected, Request, Response
from sagesmith.http.server import Limits
from tests.unit.http.peers import echo, serving, until


def test_requests_on_one_connection_are_answered_in_order() -> None:
    async def main() -> None:
        async with serving(echo) as (_, connect):
            wire = await connect()
            for body in (b"one", b"two"):
                await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n" + body)
                assert await wire.answer() == (200, body)

    asyncio.run(main())


def test_pipelined_requests_are_answered_in_order_whatever_each_takes() -> None:
    first = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.target == b"/0":
            await first.wait()
        else:
            first.set()
        return Response(200, [], request.target)

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(5)))
            other = await connect()
            await other.send(b"GET /9 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert [await wire.answer() for _ in range(5)] == [(200, b"/%d" % number) for number in range(5)]

    asyncio.run(main())


def test_a_head_that_begins_in_one_read_with_a_long_body_is_not_counted_with_it() -> None:
    """A server that counted the body's bytes as the head's refused the second request with 431."""
    body = b"x" * 150_000

    async def main() -> None:
        async with serving(echo) as (server, connect):
            wire = await connect()
            first = b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 150000\r\n\r\n" + body
            await until(lambda: bool(server.connections))
            (connection,) = server.connections
            connection.data_received(first + b"GET /2 HTTP/1.1\r\nHo")
            connection.data_received(b"st: h\r\n\r\n")
            assert await wire.answer() == (200, body)
            assert (await wire.answer())[0] == 200

    asyncio.run(main())


def test_a_request_in_single_bytes_is_the_same_request() -> None:
    async def main() -> None:
        async with serving(echo) as (_, connect):
            wire = await connect()
            for (
                byte
            ) in b"PUT /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
                await wire.send(bytes([byte]))
            assert await wire.answer() == (200, b"abcde")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", 405),
    ],
)
def test_what_is_malformed_is_refused_and_the_connection_ends(head: bytes, status: int) -> None:
    async def handler(_request: Request) -> Response:
        raise AssertionError("no handler must see it")

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(head)
            got, headers = await wire.head()
            assert got == status
            assert headers[b"connection"] == b"close"
            assert await wire.closed() == b""

    asyncio.run(main())


def test_an_endless_head_is_refused_before_it_ends() -> None:
    async def main() -> None:
        async with serving(echo) as (_, connect):
            wire = await connect()
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
            answered = asyncio.create_task(wire.head())
            while not answered.done():
                await wire.send(b"x" * 5_000)
                await asyncio.sleep(0)
            assert (await answered)[0] == 431

    asyncio.run(main())


def test_a_head_that_comes_too_slowly_is_given_up() -> None:
    async def main() -> None:
        async with serving(echo, Limits(head_seconds=0.1)) as (_, connect):
            wire = await connect()
            await wire.send(b"GET / HTTP/1.1\r\nHo")
            assert (await wire.head())[0] == 408
            await wire.closed()

    asyncio.run(main())


def test_an_idle_connection_is_closed_without_a_word() -> None:
    async def main() -> None:
        async with serving(echo, Limits(idle_seconds=0.1)) as (_, connect):
            wire = await connect()
            assert await wire.closed() == b""

    asyncio.run(main())


def test_a_body_that_stops_coming_is_given_up() -> None:
    seen: list[BaseException] = []

    async def handler(request: Request) -> Response:
        try:
            await request.body.read(100)
        except BaseException as error:
            seen.append(error)
            raise
        return Response(200)

    async def main() -> None:
        async with serving(handler, Limits(stall_seconds=0.1)) as (_, connect):
            wire = await connect()
            await wire.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
            assert await wire.closed() == b""
            assert isinstance(seen[0], Disconnected | asyncio.CancelledError)

    asyncio.run(main())


def test_100_continue_is_sent_when_the_handler_begins_to_read() -> None:
    may_read = asyncio.Event()

    async def handler(request: Request) -> Response:
        await may_read.wait()
        return Response(200, [], await request.body.read(10))

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            may_read.set()
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await wire.send(b"ok")
            assert await wire.answer() == (200, b"ok")
            await wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nno")
            assert await wire.answer() == (200, b"no")

    asyncio.run(main())


def test_a_refusal_before_the_body_costs_a_waiting_client_the_connection_but_not_the_answer() -> None:
    async def handler(_request: Request) -> Response:
        return Response(403, [], b"no")

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            status, headers = await wire.head()
            assert (status, headers[b"connection"]) == (403, b"close")
            assert await wire.closed() == b"no"

    asyncio.run(main())


def test_a_small_body_that_nobody_read_is_dropped_and_the_connection_goes_on() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], request.target)

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
            assert await wire.answer() == (200, b"/1")
            await wire.send(b"helloGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await wire.answer() == (200, b"/2")

    asyncio.run(main())


def test_a_large_body_that_nobody_reads_ends_the_connection_after_the_answer_was_read() -> None:
    async def handler(_request: Request) -> Response:
        return Response(403, [], b"too much")

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n" + b"x" * 4_000_000)
            status, headers = await wire.head()
            assert (status, headers[b"connection"]) == (403, b"close")
            assert await wire.closed() == b"too much"

    asyncio.run(main())


def test_a_body_is_taken_in_no_faster_than_it_is_read() -> None:
    may_read = asyncio.Event()
    total = 64 << 20

    async def handler(request: Request) -> Response:
        await may_read.wait()
        size = 0
        async for piece in request.body:
            size += len(piece)
        return Response(200, [], b"%d" % size)

    async def main() -> None:
        async with serving(handler) as (server, connect):
            wire = await connect()
            await wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % total)
            sending = asyncio.create_task(wire.send(bytes(total)))
            connection = next(iter(server.connections))
            await until(lambda: connection.paused)
            assert not sending.done()
            assert connection.buffered < 4 << 20
            may_read.set()
            assert await wire.answer() == (200, b"%d" % total)

    asyncio.run(main())


def test_streams_are_chunked_unless_their_length_is_known() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b""
        yield b"cde"

    async def handler(request: Request) -> Response:
        return Response(200, [(b"content-length", b"5")] if request.target == b"/known" else [], pieces())

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"GET /known HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await wire.answer() == (200, b"abcde")
            await wire.send(b"GET /open HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await wire.head())[1][b"transfer-encoding"] == b"chunked"
            assert await wire.reader.readexactly(20) == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
            await wire.send(b"GET /open HTTP/1.0\r\n\r\n")
            assert b"transfer-encoding" not in (await wire.head())[1]
            assert await wire.closed() == b"abcde"

    asyncio.run(main())


def test_a_stream_that_breaks_off_is_not_passed_off_as_whole() -> None:
    closed: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        raise RuntimeError("boom")

    async def handler(_request: Request) -> Response:
        return Response(200, [], pieces(), lambda: closed.append(1))

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert not (await wire.closed()).endswith(b"0\r\n\r\n")
            assert closed == [1]

    asyncio.run(main())


def test_head_has_the_headers_of_get_and_no_body() -> None:
    async def handler(request: Request) -> Response:
        if request.target == b"/stored":
            return Response(200, [(b"content-length", b"1234")], b"")
        return Response(200, [], b"hello")

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            for target, length in ((b"/", b"5"), (b"/stored", b"1234")):
                await wire.send(b"HEAD " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
                assert (await wire.head())[1][b"content-length"] == length
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await wire.answer() == (200, b"hello")

    asyncio.run(main())


def test_204_and_304_have_no_body_and_no_length_of_one() -> None:
    async def handler(request: Request) -> Response:
        return Response(int(request.target[1:]))

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"DELETE /204 HTTP/1.1\r\nHost: h\r\n\r\n")
            status, headers = await wire.head()
            assert status == 204
            assert not {b"content-length", b"transfer-encoding"} & headers.keys()
            await wire.send(b"GET /200 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await wire.answer() == (200, b"")

    asyncio.run(main())


def test_http_1_0_is_kept_alive_only_on_request() -> None:
    async def main() -> None:
        async with serving(echo) as (_, connect):
            wire = await connect()
            await wire.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await wire.head())[1][b"connection"] == b"keep-alive"
            await wire.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await wire.head())[1][b"connection"] == b"close"
            await wire.closed()

    asyncio.run(main())


def test_an_offer_to_upgrade_is_declined_and_the_request_served() -> None:
    async def main() -> None:
        async with serving(echo) as (_, connect):
            wire = await connect()
            await wire.send(
                b"POST /h2 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                b"HTTP2-Settings: x\r\nContent-Length: 5\r\n\r\nhello"
            )
            assert await wire.answer() == (200, b"hello")
            await wire.send(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await wire.answer())[0] == 200

    asyncio.run(main())


def test_a_handler_that_fails_is_answered_500_and_the_connection_goes_on() -> None:
    async def handler(request: Request) -> Response:
        if request.target == b"/bad":
            raise RuntimeError("secret")
        return Response(200)

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"GET /bad HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await wire.answer() == (500, b"")
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await wire.answer())[0] == 200

    asyncio.run(main())


def test_a_body_over_the_handlers_limit_is_answered_413() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], await request.body.read(3))

    async def main() -> None:
        async with serving(handler) as (_, connect):
            for body in (b"Content-Length: 4\r\n\r\nabcd", b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"):
                wire = await connect()
                await wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\n" + body)
                assert (await wire.head())[0] == 413

    asyncio.run(main())


def test_a_line_break_in_an_answers_header_is_never_sent() -> None:
    async def handler(_request: Request) -> Response:
        return Response(200, [(b"x", b"a\r\nset-cookie: b")])

    async def main() -> None:
        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"set-cookie" not in await wire.closed()

    asyncio.run(main())


def test_a_client_that_goes_away_cancels_the_handler() -> None:
    async def main() -> None:
        entered, cancelled = asyncio.Event(), asyncio.Event()

        async def handler(_request: Request) -> Response:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return Response(200)

        async with serving(handler) as (_, connect):
            wire = await connect()
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await entered.wait()
            wire.writer.close()
            await cancelled.wait()

    asyncio.run(main())


def test_closing_lets_the_request_under_way_be_answered() -> None:
    async def main() -> None:
        entered, may_answer = asyncio.Event(), asyncio.Event()

        async def handler(_request: Request) -> Response:
            entered.set()
            await may_answer.wait()
            return Response(200, [], b"done")

        async with serving(handler) as (server, connect):
            wire, idle = await connect(), await connect()
            await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await entered.wait()
            closing = asyncio.create_task(server.close())
            assert await idle.closed() == b""
            may_answer.set()
            status, headers = await wire.head()
            assert (status, headers[b"connection"]) == (200, b"close")
            assert await wire.closed() == b"done"
            await closing

    asyncio.run(main())


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_client_that_says_close_beside_keep_alive_is_not_answered_again(version: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as (_, connect):
            wire = await connect()
            head = b"POST / HTTP/%s\r\nHost: h\r\nConnection: keep-alive, close\r\nContent-Length: 0\r\n\r\n" % version
            await wire.send(head + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await wire.closed()).count(b"HTTP/1.1 ") == 1

    asyncio.run(main())
