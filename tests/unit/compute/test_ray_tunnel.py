"""The tunnels between nodes and platform, with real sockets on loopback."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sagesmith.compute.ray.gate import targets
from sagesmith.compute.ray.tunnel import Pass, Way, listen, listen_plainly
from sagesmith.config import DataDir, Platform
from sagesmith.hosts import TASKS_SOURCE_ADDRESS

BODY = os.urandom(3 << 20)


@pytest.fixture
def own(tmp_path: Path) -> Pass:
    directory = DataDir(tmp_path)
    directory.keys.mkdir()
    return Pass.ensure(directory)


@asynccontextmanager
async def gate(own: Pass) -> AsyncIterator[Way]:
    """A gate with one target, `store`, which says back what it is told up to a line's end, and then `BODY`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline() + BODY)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as target:
        port = target.sockets[0].getsockname()[1]
        server, gate_port = await listen(
            own, {"store": partial(asyncio.open_connection, "127.0.0.1", port)}, "127.0.0.1", 0
        )
        async with server:
            yield Way("127.0.0.1", gate_port, own)


async def ask(way: Way, name: str = "store", trusted: Pass | None = None) -> bytes:
    """What a client on the node's loopback hears."""
    server, port = await listen_plainly(way.connect(name, (trusted or way.by).client_context()))
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def run(own: Pass, work: Callable[[Way], Awaitable[bytes]]) -> bytes:
    async def within() -> bytes:
        async with gate(own) as way:
            return await work(way)

    return asyncio.run(within())


def test_bytes_are_carried_both_ways_unchanged(own: Pass) -> None:
    assert run(own, ask) == b"hello\n" + BODY


def test_a_target_that_the_gate_does_not_name_is_not_reached(own: Pass) -> None:
    assert run(own, partial(ask, name="127.0.0.1:22")) == b""


def test_without_the_token_nothing_is_reached(own: Pass) -> None:
    assert run(own, lambda way: ask(replace(way, by=replace(own, token="wrong")))) == b""


def test_a_gate_with_another_certificate_is_not_trusted(own: Pass, tmp_path: Path) -> None:
    other = DataDir(tmp_path / "other")
    other.keys.mkdir(parents=True)
    assert run(own, partial(ask, trusted=Pass.ensure(other))) == b""


def test_what_is_not_tls_is_not_heard(own: Pass) -> None:
    async def plainly(way: Way) -> bytes:
        reader, writer = await asyncio.open_connection(way.host, way.port)
        writer.write(f"{own.token} store\n".encode())
        try:
            return await reader.read(16)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    heard = run(own, plainly)
    assert not heard.startswith(b"hello")


def test_the_certificate_is_the_same_after_a_restart(own: Pass, tmp_path: Path) -> None:
    assert Pass.ensure(DataDir(tmp_path)) == own
    assert own.server_context().minimum_version == ssl.TLSVersion.TLSv1_3


def test_what_comes_by_the_gate_is_user_code_to_the_proxy(tmp_path: Path) -> None:
    async def peer() -> str:
        seen: asyncio.Queue[str] = asyncio.Queue()

        async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.put_nowait(writer.get_extra_info("peername")[0])
            writer.close()

        async with await asyncio.start_server(note, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            store = ("http://127.0.0.1:9", "a", "b")
            platform = Platform(
                str(tmp_path), "127.0.0.1", port, port, 0, "1", "us-east-1", "sqlite://", *store, str(tmp_path), 1
            )
            _, writer = await targets(platform)[str(port)]()
            writer.close()
            return await seen.get()

    assert asyncio.run(peer()) == TASKS_SOURCE_ADDRESS
