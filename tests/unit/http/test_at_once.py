"""Requests that are answered without a task, and everything that may happen to them meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sagesmith.http.messages import Reply, Request, Response
from sagesmith.http.server import Limits, Server, serve
from tests.unit.http.peers import Wire, until

HEAD = b"POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"


class Prompt:
    """Takes what is sent to a path with an `a`; its replies wait until a test gives them."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.cancelled = 0
        self.offered: list[bytes] = []

    def at_once(self, request: Request, body: bytes, reply: Reply) -> Callable[[], None] | None:
        self.offered.append(body)
        if b"a" not in request.target:
            return None
        if request.target == b"/at-once":
            reply.answer(Response(200, [], b"prompt"))
        else:
            self.replies.append(reply)
        return self.cancel

    def cancel(self) -> None:
        self.cancelled += 1

    async def handle(self, request: Request) -> Response:
        return Response(200, [], b"task:" + await request.body.read(100))


async def started(prompt: Prompt) -> tuple[Server, Wire]:
    server = await serve(prompt.handle, tcp=("127.0.0.1", 0), at_once=prompt.at_once)
    return server, Wire(*await asyncio.open_connection("127.0.0.1", server.port))


def test_a_request_is_answered_at_once_or_by_a_task_in_the_order_sent() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        for path, answer in ((b"at-once", b"prompt"), (b"x", b"task:one"), (b"at-once", b"prompt")):
            await wire.send(HEAD % path + b"one")
            assert await wire.answer() == (200, answer)
        # Pipelined: the first waits, and those behind it with it.
        await wire.send(HEAD % b"later-a" + b"1st")
        await until(lambda: len(prompt.replies) == 1)
        await wire.send(HEAD % b"at-once" + b"2nd" + HEAD % b"x" + b"3rd")
        prompt.replies[0].answer(Response(200, [], b"first"))
        assert [await wire.answer() for _ in range(3)] == [(200, b"first"), (200, b"task:2nd"), (200, b"task:3rd")]

    asyncio.run(main())


def test_two_whole_requests_in_one_read_are_answered_in_order() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(HEAD % b"at-once" + b"1st" + HEAD % b"x" + b"2nd")
        assert [body for _, body in [await wire.answer(), await wire.answer()]] == [b"task:1st", b"task:2nd"]

    asyncio.run(main())


def test_what_is_left_after_all_is_answered_by_a_task_with_its_whole_body() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(HEAD % b"a" + b"one")
        await until(lambda: bool(prompt.replies))
        prompt.replies[0].leave()
        assert await wire.answer() == (200, b"task:one")
        assert prompt.cancelled == 0

    asyncio.run(main())


def test_an_answer_in_pieces_is_written_by_a_task() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(HEAD % b"a" + b"one")
        await until(lambda: bool(prompt.replies))
        prompt.replies[0].answer(Response(200, [(b"content-length", b"3")], pieces()))
        assert await wire.answer() == (200, b"abc")
        await wire.send(HEAD % b"at-once" + b"one")
        assert await wire.answer() == (200, b"prompt")

    asyncio.run(main())


def test_a_client_that_goes_cancels_its_request_and_a_late_answer_is_closed() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(HEAD % b"a" + b"one")
        await until(lambda: bool(prompt.replies))
        wire.writer.transport.abort()
        await until(lambda: prompt.cancelled == 1)
        closed: list[bool] = []
        prompt.replies[0].answer(Response(200, [], b"", lambda: closed.append(True)))
        prompt.replies[0].leave()
        assert closed == [True]

    asyncio.run(main())


@pytest.mark.parametrize("cut", [5, len(HEAD % b"at-once") - 1, len(HEAD % b"at-once"), len(HEAD % b"at-once") + 1])
def test_a_request_that_arrives_in_parts_is_taken_when_it_is_whole(cut: int) -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        request = HEAD % b"at-once" + b"one"
        await wire.send(request[:cut])
        await asyncio.sleep(0.02)
        await wire.send(request[cut:])
        assert await wire.answer() == (200, b"prompt")
        assert prompt.offered == [b"one"]

    asyncio.run(main())


def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(b"POST /at-once HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await wire.head())[0] == 100
        await wire.send(b"one")
        assert await wire.answer() == (200, b"task:one")

    asyncio.run(main())


def test_a_client_that_goes_in_the_middle_of_its_request_leaves_nothing_behind() -> None:
    async def main() -> None:
        prompt = Prompt()
        server, wire = await started(prompt)
        await wire.send((HEAD % b"at-once") + b"o")
        await asyncio.sleep(0.02)
        wire.writer.transport.abort()
        await until(lambda: not server.connections)
        assert prompt.offered == []

    asyncio.run(main())


def test_garbage_behind_a_request_is_refused_after_its_answer() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(HEAD % b"at-once" + b"one" + b"GARBAGE\r\n\r\n")
        assert (await wire.answer())[0] == 200
        assert (await wire.answer())[0] == 400
        assert await wire.closed() == b""

    asyncio.run(main())


def test_a_request_that_wants_the_connection_closed_gets_that() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(b"POST /at-once HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\none")
        assert await wire.answer() == (200, b"prompt")
        assert await wire.closed() == b""

    asyncio.run(main())


def test_a_server_that_closes_answers_what_it_has_taken() -> None:
    async def main() -> None:
        prompt = Prompt()
        server = await serve(prompt.handle, tcp=("127.0.0.1", 0), at_once=prompt.at_once)
        wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
        await wire.send(HEAD % b"a" + b"one")
        await until(lambda: bool(prompt.replies))
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0.02)
        assert not closing.done()
        prompt.replies[0].answer(Response(200, [], b"whole"))
        assert await wire.answer() == (200, b"whole")
        await closing

    asyncio.run(main())


def test_an_answer_in_pieces_is_closed_if_its_client_goes_before_a_task_writes_it() -> None:
    closed: list[bool] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async def main() -> None:
        prompt = Prompt()
        server, wire = await started(prompt)
        await wire.send(HEAD % b"a" + b"one")
        await until(lambda: bool(prompt.replies))
        (connection,) = server.connections
        prompt.replies[0].answer(Response(200, [], pieces(), lambda: closed.append(True)))
        connection.connection_lost(None)  # type: ignore[attr-defined]
        assert closed == [True]

    asyncio.run(main())


def test_an_answer_that_cannot_be_written_ends_the_connection_and_not_who_gave_it() -> None:
    async def main() -> None:
        prompt = Prompt()
        _, wire = await started(prompt)
        await wire.send(HEAD % b"a" + b"one")
        await until(lambda: bool(prompt.replies))
        prompt.replies[0].answer(Response(200, [(b"x", b"a\rb")], b"body"))
        assert await asyncio.wait_for(wire.closed(), 5) == b""

    asyncio.run(main())


@pytest.mark.parametrize("path", [b"at-once", b"x"])
def test_who_takes_no_answers_is_given_no_more_of_them(path: bytes) -> None:
    """Neither requests nor answers pile up, and the connection ends in time."""

    async def main() -> None:
        answered = 0
        body = bytes(1 << 20)

        def at_once(request: Request, _: bytes, reply: Reply) -> Callable[[], None] | None:
            nonlocal answered
            if request.target != b"/at-once":
                return None
            answered += 1
            reply.answer(Response(200, [], body))
            return lambda: None

        async def handle(request: Request) -> Response:
            nonlocal answered
            answered += 1
            return Response(200, [], body)

        limits = Limits(stall_seconds=1.0)
        server = await serve(handle, tcp=("127.0.0.1", 0), at_once=at_once, limits=limits)
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
        await until(lambda: bool(server.connections))
        for _ in range(200):
            writer.write(HEAD % path + b"one")
            await asyncio.sleep(0.001)
        await until(lambda: not server.connections)
        assert answered < 30

    asyncio.run(asyncio.wait_for(main(), 30))
