"""The client, against our server and against peers that misbehave."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Request, Response
from sagesmith.http.server import serve
from sagesmith.http.unix import listen_at
from tests.unit.http.peers import echo, scripted, serving, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def whole(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([piece async for piece in response.body])


def many(count: int, size: int) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(count):
            yield bytes([number % 256]) * size

    return pieces()


def test_one_connection_serves_one_request_after_another() -> None:
    async def main() -> None:
        async with serving(echo) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            for body in (b"", b"one", b"x" * 300_000):
                response = await client.request("POST", b"/t?q", [(b"content-type", b"a/b")], body)
                assert (response.status, await whole(response)) == (200, body)
            assert len(server.connections) == 1
            client.close()

    asyncio.run(main())


@pytest.mark.parametrize("known", [True, False])
def test_bodies_stream_both_ways_unchanged(known: bool, tmp_path: Path) -> None:
    async def handler(request: Request) -> Response:
        kept = [piece async for piece in request.body]
        size = sum(map(len, kept))

        async def back() -> AsyncIterator[bytes]:
            for piece in kept:
                yield piece

        return Response(200, [(b"content-length", b"%d" % size)] if known else [], back())

    async def main() -> None:
        server = await serve(handler, unix=tmp_path / "s")
        client = Client(f"unix:{tmp_path / 's'}")
        headers = [(b"content-length", b"%d" % (40 * 100_000))] if known else []
        response = await client.request("PUT", b"/", headers, many(40, 100_000))
        assert await whole(response) == b"".join([bytes([number]) * 100_000 for number in range(40)])
        assert client.outstanding == 0
        client.close()
        await server.close()

    asyncio.run(main())


def test_head_answers_leave_the_connection_usable() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [(b"content-length", b"99")] if request.method == "HEAD" else [], b"")

    async def main() -> None:
        async with serving(handler) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            for _ in range(2):
                response = await client.request("HEAD", b"/", [])
                assert (response.status, response.body) == (200, b"")
                assert (b"content-length", b"99") in response.headers
                assert (await client.request("GET", b"/", [])).status == 200
            assert len(server.connections) == 1
            client.close()

    asyncio.run(main())


def test_interim_answers_are_skipped() -> None:
    async def main() -> None:
        async with scripted(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK
        ) as address:
            response = await Client(address).request("GET", b"/", [])
            assert (response.status, await whole(response)) == (200, b"ok")
            assert all(name != b"link" for name, _ in response.headers)

    asyncio.run(main())


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    async def main() -> None:
        async with scripted(b"HTTP/1.1 200 OK\r\n\r\nall of it") as address:
            assert await whole(await Client(address).request("GET", b"/", [])) == b"all of it"

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_stale_connection_is_replaced_where_that_is_safe(method: str) -> None:
    async def main() -> None:
        async with scripted(OK) as address:
            client = Client(address)
            for _ in range(3):
                assert await whole(await client.request(method, b"/", [], b"")) == b"ok"

    asyncio.run(main())


def test_a_post_is_not_sent_twice_when_the_peer_may_have_acted_on_it() -> None:
    async def main() -> None:
        async with scripted(OK, b"") as address:
            client = Client(address)
            await client.request("POST", b"/", [], b"")
            with pytest.raises(Disconnected):
                await client.request("POST", b"/", [], b"")

    asyncio.run(main())


@pytest.mark.parametrize("answer", [b"HELLO\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", b"\0" * 9])
def test_what_is_not_http_is_a_bad_answer(answer: bytes) -> None:
    async def main() -> None:
        async with scripted(answer) as address:
            client = Client(address)
            try:
                response = await client.request("GET", b"/", [])
            except BadAnswer:
                return
            assert await whole(response) == b"a"
            assert client.outstanding == 0

    asyncio.run(main())


def test_a_body_that_breaks_off_is_an_error() -> None:
    async def main() -> None:
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        ):
            async with scripted(answer) as address:
                response = await Client(address).request("GET", b"/", [])
                with pytest.raises(Disconnected):
                    await whole(response)

    asyncio.run(main())


def test_nobody_there_is_told_apart_from_an_answer_that_does_not_come(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ConnectFailed):
            await Client(f"unix:{tmp_path / 'none'}").request("GET", b"/", [])
        server = await asyncio.start_unix_server(lambda _reader, _writer: None, tmp_path / "silent")
        with pytest.raises(TimedOut):
            await Client(f"unix:{tmp_path / 'silent'}").request("GET", b"/", [], answer_seconds=0.05)
        server.close()

    asyncio.run(main())


def test_a_peer_that_accepts_and_closes_is_one_that_did_not_answer(tmp_path: Path) -> None:
    listening = listen_at(str(tmp_path / "s"))

    def close_at_once() -> None:
        for _ in range(200):
            listening.accept()[0].close()

    async def main() -> None:
        client = Client(f"unix:{tmp_path / 's'}")
        for _ in range(200):
            with pytest.raises((ConnectFailed, Disconnected)):
                await client.request("POST", b"/", [], b"body")

    closing = threading.Thread(target=close_at_once)
    closing.start()
    uvloop.run(main())
    closing.join()
    listening.close()


def test_a_body_that_stalls_times_out() -> None:
    async def main() -> None:
        async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"") as address:
            client = Client(address, stall_seconds=0.05)
            response = await client.request("GET", b"/", [])
            with pytest.raises(TimedOut):
                await whole(response)

    asyncio.run(main())


def test_a_body_that_fails_breaks_the_request_off() -> None:
    outcome: list[BaseException] = []

    async def handler(request: Request) -> Response:
        try:
            await request.body.read(1 << 30)
        except BaseException as error:
            outcome.append(error)
            raise
        return Response(200)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 10
        raise RuntimeError("the hash is wrong")

    async def main() -> None:
        async with serving(handler) as (server, _):
            for headers in ([], [(b"content-length", b"20")]):
                client = Client(f"http://127.0.0.1:{server.port}")
                with pytest.raises(RuntimeError, match="hash"):
                    await client.request("PUT", b"/", list(headers), pieces())
                await until(lambda: not server.connections)
            assert all(isinstance(one, Disconnected | asyncio.CancelledError) for one in outcome)

    asyncio.run(main())


@pytest.mark.parametrize("size", [5, 15])
def test_a_body_of_another_length_than_declared_is_broken_off(size: int) -> None:
    async def main() -> None:
        async with serving(echo) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            with pytest.raises(ValueError, match="Content-Length"):
                await client.request("PUT", b"/", [(b"content-length", b"10")], many(1, size))

    asyncio.run(main())


def test_an_early_refusal_ends_the_sending() -> None:
    async def handler(_request: Request) -> Response:
        return Response(403, [], b"no")

    async def main() -> None:
        async with serving(handler) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            headers = [(b"content-length", b"%d" % (1 << 40))]
            response = await client.request("PUT", b"/", headers, many(1 << 20, 1 << 20))
            assert (response.status, await whole(response)) == (403, b"no")

    asyncio.run(main())


def test_an_answer_is_taken_in_no_faster_than_it_is_read() -> None:
    sent = [0]

    async def handler(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            async for piece in many(256, 1 << 20):
                sent[0] += len(piece)
                yield piece

        return Response(200, [(b"content-length", b"%d" % (256 << 20))], pieces())

    async def main() -> None:
        async with serving(handler) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            response = await client.request("GET", b"/", [])
            before = -1
            while sent[0] != before:
                before = sent[0]
                for _ in range(200):
                    await asyncio.sleep(0)
            assert sent[0] < 64 << 20
            assert response.close is not None
            response.close()
            await until(lambda: not server.connections)
            assert client.outstanding == 0

    asyncio.run(main())


def test_closing_an_answer_that_was_read_spares_the_next_request() -> None:
    async def main() -> None:
        async with serving(echo) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            first = await client.request("POST", b"/", [], b"x" * 900_000)
            await whole(first)
            second = asyncio.create_task(client.request("POST", b"/", [], b"y" * 900_000))
            await asyncio.sleep(0)
            if first.close is not None:
                first.close()
            assert await whole(await second) == b"y" * 900_000

    asyncio.run(main())


def test_cancelling_a_request_closes_its_connection() -> None:
    async def main() -> None:
        entered = asyncio.Event()

        async def handler(_request: Request) -> Response:
            entered.set()
            await asyncio.Event().wait()
            return Response(200)

        async with serving(handler) as (server, _):
            client = Client(f"http://127.0.0.1:{server.port}")
            asking = asyncio.create_task(client.request("GET", b"/", []))
            await entered.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await until(lambda: not server.connections)

    asyncio.run(main())


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.request("GET", b"/ HTTP/1.1\r\nx: y\r\n\r\n", []),
        lambda client: client.request("GET", b"/", [(b"x", b"a\r\nb: c")]),
    ],
)
def test_what_would_smuggle_headers_is_not_sent(ask: Callable[[Client], object]) -> None:
    async def main() -> None:
        async with serving(echo) as (server, _):
            with pytest.raises(ValueError, match=r"line break|space"):
                await ask(Client(f"http://127.0.0.1:{server.port}"))  # type: ignore[misc]

    asyncio.run(main())


def test_a_socket_left_by_a_dead_process_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "s"
        for _ in range(2):
            server = await serve(echo, unix=path)
            assert os.stat(path).st_mode & 0o777 == 0o600
            client = Client(f"unix:{path}")
            assert (await client.request("GET", b"/", [])).status == 200
            client.close()
            await server.close()

    asyncio.run(main())
