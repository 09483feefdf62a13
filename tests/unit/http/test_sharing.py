"""One socket that several servers accept from."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from sagesmith.http.messages import Request, Response
from sagesmith.http.server import Server, serve
from tests.unit.http.peers import until


def _named(name: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def handle(_: Request) -> Response:
        return Response(200, [], name)

    return handle


async def _both(listening: socket.socket) -> list[Server]:
    return [await serve(_named(name), listening=listening.dup()) for name in (b"one", b"two")]


async def _who_answers(address: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2]


def test_connections_that_come_together_are_shared_out() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
            clients = [socket.create_connection(listening.getsockname()) for _ in range(32)]
            servers = await _both(listening)
            await until(lambda: sum(len(server.connections) for server in servers) == 32)
            assert min(len(server.connections) for server in servers) >= 8
            for client in clients:
                client.close()
            for server in servers:
                await server.close(grace_seconds=0)

    asyncio.run(main())


def test_all_of_many_connections_are_taken_and_each_is_answered() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
            servers = await _both(listening)
            answers = await asyncio.gather(*(_who_answers(listening.getsockname()) for _ in range(200)))
            assert len(answers) == 200
            assert set(answers) == {b"one", b"two"}
            for server in servers:
                await server.close(grace_seconds=0)

    asyncio.run(main())


def test_one_that_is_closed_leaves_the_rest_to_the_other() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
            first, second = await _both(listening)
            await first.close()
            answers = [await _who_answers(listening.getsockname()) for _ in range(5)]
            assert answers == [b"two"] * 5
            await second.close()

    asyncio.run(main())
