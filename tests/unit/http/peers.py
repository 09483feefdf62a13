"""Talk to a server byte by byte, and be a server that says what it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sagesmith.http.messages import Handler, Request, Response
from sagesmith.http.server import Limits, Server, serve


class Wire:
    """A raw connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(b" ")[1]), headers

    async def answer(self) -> tuple[int, bytes]:
        status, headers = await self.head()
        return status, await self.reader.readexactly(int(headers.get(b"content-length", b"0")))

    async def closed(self) -> bytes:
        """What still comes until the server closes."""
        return await self.reader.read()


@asynccontextmanager
async def serving(
    handler: Handler, limits: Limits | None = None
) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[Wire]]]]:
    """A server on a free port, and how to connect to it."""
    server = await serve(handler, tcp=("127.0.0.1", 0), limits=limits)
    wires: list[Wire] = []

    async def connect() -> Wire:
        wires.append(Wire(*await asyncio.open_connection("127.0.0.1", server.port)))
        return wires[-1]

    try:
        yield server, connect
    finally:
        for wire in wires:
            wire.writer.close()
        await server.close(grace_seconds=0)


@asynccontextmanager
async def scripted(*answers: bytes, path: Path | None = None, read: bytes = b"\r\n\r\n") -> AsyncIterator[str]:
    """A peer that answers each connection's requests with the given bytes, then closes it. Yields its address."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in answers:
                await reader.readuntil(read)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    while not holds():  # noqa: ASYNC110 (what it waits for has no event)
        await asyncio.sleep(0)


async def echo(request: Request) -> Response:
    """Answers with what came: method, target, body."""
    body = await request.body.read(1 << 20)
    return Response(200, [(b"x-method", request.method.encode()), (b"x-target", request.target)], body)
