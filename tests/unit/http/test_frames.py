"""Connections of frames: many exchanges at once, each its own fate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sagesmith.http import frames
from sagesmith.http.errors import FramesRefused, TimedOut
from sagesmith.http.frames_client import FramesClient, connect
from sagesmith.http.frames_server import FramesConnection, Take
from sagesmith.http.messages import Disconnected, Headers, Request, Response
from sagesmith.http.server import Server, serve
from tests.unit.http.peers import until

Answer = Callable[[Response], None]


@asynccontextmanager
async def speaking(
    folder: Path, take: Take, answer_seconds: float = 60.0, stall_seconds: float = 60.0
) -> AsyncIterator[tuple[Server, FramesClient]]:
    """A server that takes requests in frames, and a client of it."""

    async def plain(_: Request) -> Response:
        return Response(404)

    async def accept(_: Request, takeover: Any) -> None:
        takeover.switch(lambda server: FramesConnection(server, take))

    server = await serve(plain, unix=folder / "s", on_connect=accept)
    client = await connect(folder / "s", answer_seconds, stall_seconds=stall_seconds)
    try:
        yield server, client
    finally:
        client.close()
        await server.close(grace_seconds=0)


def asking(client: FramesClient, body: bytes, headers: Headers | None = None) -> "asyncio.Future[Any]":
    """The answer to a request, or why there is none, as a future."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    client.ask(headers or [], body, future.set_result)
    return future


def nothing() -> None:
    pass


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_answers_come_in_the_order_in_which_they_are_ready(tmp_path: Path) -> None:
    waiting: list[tuple[bytes, Answer]] = []

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        assert headers == [(b"content-type", b"text/csv"), (b"x", b"a:b")]
        waiting.append((body, answer))
        if len(waiting) == 3:
            for kept, reply in reversed(waiting):
                reply(Response(200, [(b"content-type", b"text/plain")], kept))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            order: list[bytes] = []
            headers = [(b"content-type", b"text/csv"), (b"x", b"a:b")]
            futures = [asking(client, body, headers) for body in (b"1", b"2", b"3")]
            for future in futures:
                future.add_done_callback(lambda done: order.append(done.result().body))
            answers = await asyncio.gather(*futures)
            assert [each.body for each in answers] == [b"1", b"2", b"3"]
            assert answers[0].headers == [(b"content-type", b"text/plain")]
            assert order == [b"3", b"2", b"1"]
            assert client.outstanding == 0

    run(main)


def test_an_answer_that_is_larger_than_a_frame_comes_in_pieces_no_faster_than_it_is_read(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096 * 5
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for begin in range(0, len(body), 1 << 16):
            sent += 1 << 16
            yield body[begin : begin + (1 << 16)]

    def take(headers: Headers, asked: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(200, [], pieces() if asked == b"pieces" else body))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            slow = await asking(client, b"pieces")
            await until(lambda: sent >= frames.WINDOW_BYTES)
            # Beside one that nobody reads, another is answered.
            whole = await asking(client, b"whole")
            assert await whole.body.read(1 << 30) == body
            assert sent <= frames.WINDOW_BYTES + (1 << 17)
            assert await slow.body.read(1 << 30) == body
            assert client.outstanding == 0

    run(main)


def test_what_nobody_waits_for_any_more_is_cancelled_and_its_answer_dropped(tmp_path: Path) -> None:
    cancelled = asyncio.Event()
    late: list[Answer] = []

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        if body == b"late":
            late.append(answer)
            return cancelled.set
        for each in late:
            each(Response(200, [], b"too late"))
        answer(Response(200, [], b"now"))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            answered: list[object] = []
            cancel = client.ask([], b"late", answered.append)
            cancel()
            await cancelled.wait()
            assert (await asking(client, b"")).body == b"now"
            assert answered == []

    run(main)


def test_a_stream_whose_reader_stops_is_closed_at_its_source(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            closed.set()

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(200, [], pieces()))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            answer = await asking(client, b"")
            assert await anext(aiter(answer.body))
            answer.close()
            await closed.wait()

    run(main)


def test_a_stream_that_breaks_off_does_not_look_whole(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(200, [], pieces()))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            answer = await asking(client, b"")
            with pytest.raises(Disconnected):
                await answer.body.read(100)

    run(main)


def test_when_the_server_dies_every_exchange_under_way_is_told(tmp_path: Path) -> None:
    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (server, client):
            futures = [asking(client, b"x") for _ in range(5)]
            await until(lambda: bool(server.connections))
            for each in list(server.connections):
                each.abort()
            assert {type(each) for each in await asyncio.gather(*futures)} == {Disconnected}
            assert client.closed
            assert not client.open

    run(main)


def test_a_client_that_goes_cancels_all_that_it_asked(tmp_path: Path) -> None:
    asked: list[bytes] = []
    cancelled: list[bytes] = []
    done = asyncio.Event()

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        asked.append(body)

        def cancel() -> None:
            cancelled.append(body)
            if len(cancelled) == 2:
                done.set()

        return cancel

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            both = [asking(client, b"1"), asking(client, b"2")]
            await until(lambda: asked == [b"1", b"2"])
            client.close()
            await done.wait()
            assert sorted(cancelled) == [b"1", b"2"]
            assert [type(each) for each in await asyncio.gather(*both)] == [Disconnected] * 2

    run(main)


def test_a_server_that_ends_answers_what_it_was_asked_and_is_asked_no_more(tmp_path: Path) -> None:
    waiting: list[Answer] = []

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        waiting.append(answer)
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (server, client):
            under_way = asking(client, b"")
            await until(lambda: bool(waiting))
            closing = asyncio.create_task(server.close())
            await until(lambda: not client.open)
            assert not under_way.done()
            waiting[0](Response(200, [], b"whole"))
            assert (await under_way).body == b"whole"
            await closing
            assert client.closed

    run(main)


def test_an_answer_that_never_comes_is_given_up_and_cancelled(tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        return cancelled.set

    async def main() -> None:
        async with speaking(tmp_path, take, answer_seconds=0.01) as (_, client):
            assert isinstance(await asking(client, b""), TimedOut)
            await cancelled.wait()

    run(main)


def test_a_header_with_a_line_break_is_no_two_headers(tmp_path: Path) -> None:
    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(200, [(b"x", b"a\ny:b")], b"body"))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            answer = await asking(client, b"")
            assert (answer.status, answer.headers, answer.body) == (500, [], b"")
            with pytest.raises(ValueError, match="line break"):
                client.ask([(b"x", b"a\r\nb")], b"", lambda _: None)

    run(main)


def test_a_connection_that_is_made_as_the_server_ends_is_left_at_once(tmp_path: Path) -> None:
    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (server, _):
            server.closing = True
            late = await connect(tmp_path / "s", 60.0)
            await asyncio.wait_for(until(lambda: late.closed), 5)

    run(main)


def silent(sent: list[bytes]) -> Take:
    """Says with the bytes that a test gives it what it likes, in place of an answer."""

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        sent.append(body)
        return nothing

    return take


def say(server: Server, data: bytes) -> None:
    for each in server.connections:
        each._transport.write(data)  # type: ignore[attr-defined]


def test_an_answer_in_pieces_that_does_not_go_on_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        asked: list[bytes] = []
        async with speaking(tmp_path, silent(asked), answer_seconds=60.0, stall_seconds=0.01) as (server, client):
            future = asking(client, b"x")
            await until(lambda: bool(asked))
            say(server, frames.frame(frames.BEGIN, 1, 200) + frames.frame(frames.PIECE, 1, body=b"begun"))
            answer = await future
            with pytest.raises(TimedOut):
                await answer.body.read(100)
            assert client.outstanding == 0

    run(main)


def test_who_reads_an_answer_that_is_cancelled_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def main() -> None:
        asked: list[bytes] = []
        async with speaking(tmp_path, silent(asked)) as (server, client):
            future = asking(client, b"x")
            await until(lambda: bool(asked))
            say(server, frames.frame(frames.BEGIN, 1, 500))
            answer = await future
            reading = asyncio.create_task(answer.body.read(100))
            await asyncio.sleep(0)
            answer.close()
            with pytest.raises(Disconnected):
                await asyncio.wait_for(reading, 5)

    run(main)


def test_what_was_read_of_a_connection_that_is_gone_ends_as_broken_off(tmp_path: Path) -> None:
    async def main() -> None:
        asked: list[bytes] = []
        async with speaking(tmp_path, silent(asked)) as (server, client):
            future = asking(client, b"x")
            await until(lambda: bool(asked))
            say(server, frames.frame(frames.BEGIN, 1, 200) + frames.frame(frames.PIECE, 1, body=bytes(300_000)))
            answer = await future
            await until(lambda: answer.body.buffered == 300_000)
            for each in list(server.connections):
                each.abort()
            await until(lambda: client.closed and not client.outstanding)
            assert len(await anext(answer.body)) == 300_000
            with pytest.raises(Disconnected):
                await anext(answer.body)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_an_answer_that_cannot_be_handed_on_is_that_ones_alone(tmp_path: Path) -> None:
    def refuse(_: object) -> None:
        raise ValueError

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(200, [], body))
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (_, client):
            client.ask([], b"1", refuse)
            other = asking(client, b"2")
            assert (await other).body == b"2"
            assert client.open

    run(main)


def test_a_header_of_an_answer_with_a_line_break_breaks_the_connection_off(tmp_path: Path) -> None:
    async def main() -> None:
        asked: list[bytes] = []
        async with speaking(tmp_path, silent(asked)) as (server, client):
            future = asking(client, b"x")
            await until(lambda: bool(asked))
            say(server, frames.frame(frames.ANSWER, 1, 200, b"content-type:a\rb"))
            assert isinstance(await future, Disconnected)

    run(main)


@pytest.mark.parametrize("late", [False, True], ids=["before it is sent", "before it is there"])
def test_an_answer_in_pieces_that_is_cancelled_before_it_begins_is_closed_at_its_source(
    tmp_path: Path, late: bool
) -> None:
    closed = asyncio.Event()
    waiting: list[Answer] = []

    class Pieces:
        def __aiter__(self) -> "Pieces":
            return self

        async def __anext__(self) -> bytes:
            return b"x"

        async def aclose(self) -> None:
            closed.set()

    def take(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        waiting.append(answer)
        return nothing

    async def main() -> None:
        async with speaking(tmp_path, take) as (server, client):
            cancel = client.ask([], b"", lambda _: None)
            await until(lambda: bool(waiting))
            (connection,) = server.connections
            response = Response(200, [], Pieces())
            if late:
                cancel()
                await until(lambda: not connection._under_way)  # type: ignore[attr-defined]
                waiting[0](response)
            else:
                waiting[0](response)
                connection.data_received(frames.frame(frames.CANCEL, 1))  # type: ignore[attr-defined]
            await asyncio.wait_for(closed.wait(), 5)

    run(main)


def test_frames_are_the_same_however_they_are_cut() -> None:
    whole = [
        frames.frame(frames.ANSWER, 7, 200, b"a:b", b"body" * 50),
        frames.frame(frames.END, 8),
        frames.taken(9, 1 << 20),
        frames.frame(frames.PIECE, 4_000_000_000, body=b"p"),
    ]
    stream = b"".join(whole)
    expected = list(frames.Reader().feed(stream))
    assert [(each.kind, each.number) for each in expected] == [
        (frames.ANSWER, 7),
        (frames.END, 8),
        (frames.TAKEN, 9),
        (frames.PIECE, 4_000_000_000),
    ]
    assert expected[2].amount == 1 << 20
    assert (expected[0].value, expected[0].head, expected[0].body) == (200, b"a:b", b"body" * 50)
    for size in (1, 2, 3, 15, 16, 17, 31, 100):
        reader = frames.Reader()
        found = [each for at in range(0, len(stream), size) for each in reader.feed(stream[at : at + size])]
        assert found == expected


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(16), b"\xff" * 16, frames.frame(frames.ASK, 1)[:8] + bytes(8)],
    ids=["http", "zeros", "ones", "no kind"],
)
def test_what_is_no_frame_is_refused_before_it_is_kept(garbage: bytes) -> None:
    with pytest.raises(frames.BadFrame):
        list(frames.Reader().feed(garbage))


def test_a_client_finds_nobody_or_one_that_knows_no_frames(tmp_path: Path) -> None:
    async def plain(_: Request) -> Response:
        return Response(404)

    async def main() -> None:
        with pytest.raises(FramesRefused):
            await connect(tmp_path / "s", 1.0)
        server = await serve(plain, unix=tmp_path / "s")
        with pytest.raises(FramesRefused):
            await connect(tmp_path / "s", 1.0)
        await server.close(0)

    run(main)
