"""The network between hosts of a job on several machines: switches on loopback, with sockets in their tasks' places."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sagesmith.agent.network.wire import HEADER_BYTES, destination, hardware_address
from sagesmith.compute.ray.switch import Switch
from sagesmith.compute.ray.tunnel import Pass, dial
from sagesmith.config import DataDir

BROADCAST = b"\xff" * 6
LARGEST_BYTES = 65_500


@pytest.fixture
def own(tmp_path: Path) -> Pass:
    directory = DataDir(tmp_path)
    directory.keys.mkdir()
    return Pass.ensure(directory)


@dataclass
class Host:
    """A host's switch, where it listens, and its task's end, which sends and receives whole frames."""

    switch: Switch
    server: asyncio.Server
    port: int
    task: socket.socket

    async def send(self, frame: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.task, frame)

    async def receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.task, 1 << 17)


async def host(own: Pass, gang: str = "gang") -> Host:
    switch = Switch(own, gang)
    server, port = await switch.open("127.0.0.1")
    task, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    task.setblocking(False)
    switch.plug(end)
    return Host(switch, server, port, task)


def introduce(hosts: Sequence[Host]) -> None:
    ports = {number: ("127.0.0.1", each.port) for number, each in enumerate(hosts, 1)}
    for number, each in enumerate(hosts, 1):
        each.switch.join(number, {other: place for other, place in ports.items() if other != number})


@asynccontextmanager
async def joined(own: Pass, count: int) -> AsyncIterator[list[Host]]:
    """Hosts that have heard of each other."""
    hosts = [await host(own) for _ in range(count)]
    introduce(hosts)
    for number, each in enumerate(hosts, 1):
        for other, receiver in enumerate(hosts, 1):
            if other != number:
                await until_heard(each, receiver, frame(other, b"hello from %d" % number))
    yield hosts


async def until_heard(sender: Host, receiver: Host, what: bytes) -> None:
    """Send a frame until it arrives: as long as hosts are not connected, frames are lost."""
    hearing = asyncio.create_task(receiver.receive())
    while not hearing.done():
        await sender.send(what)
        await asyncio.wait([hearing], timeout=0.02)
    assert hearing.result() == what
    await quiet(receiver, what)


async def quiet(receiver: Host, said: bytes) -> None:
    """Take what was sent more often than was needed."""
    with contextlib.suppress(TimeoutError):
        while await asyncio.wait_for(receiver.receive(), 0.1) == said:
            pass


def frame(to: int, body: bytes) -> bytes:
    return bytes(HEADER_BYTES) + hardware_address(to) + hardware_address(9) + body


def test_a_frame_is_for_the_host_whose_address_it_names_for_all_or_for_nobody() -> None:
    assert destination(frame(3, b"")) == 3
    assert destination(bytes(HEADER_BYTES) + BROADCAST) == 0
    assert destination(bytes(HEADER_BYTES) + b"\x02\x42\0\0\0\x01") is None
    assert destination(b"short") is None


def test_frames_of_any_size_arrive_whole_in_order_and_nowhere_else(own: Pass) -> None:
    frames = [frame(2, os.urandom(size)) for size in (1, 1500, LARGEST_BYTES, 60, LARGEST_BYTES) * 20]

    async def converse() -> None:
        async with joined(own, 3) as (first, second, third):
            for each in frames:
                await first.send(each)
                assert await second.receive() == each
            await first.send(frame(3, b"last"))
            assert await third.receive() == frame(3, b"last")

    asyncio.run(converse())


def test_what_is_for_all_arrives_at_all_others(own: Pass) -> None:
    who_has = bytes(HEADER_BYTES) + BROADCAST + b"who has 198.18.0.1?"

    async def converse() -> None:
        async with joined(own, 3) as (first, second, third):
            await third.send(who_has)
            assert [await first.receive(), await second.receive()] == [who_has, who_has]

    asyncio.run(converse())


def test_a_host_in_anothers_place_is_connected_once_it_is_introduced(own: Pass) -> None:
    async def converse() -> None:
        async with joined(own, 2) as (first, second):
            for each in (first, second):
                each.server.close()
            again = await host(own)
            introduce([again, second])
            await until_heard(second, again, frame(1, b"are you there?"))
            await until_heard(again, second, frame(2, b"yes"))

    asyncio.run(converse())


@pytest.mark.parametrize("name", ["other/2/1", "gang/3/1", "gang/2/2"])
def test_whoever_is_not_one_of_the_jobs_hosts_is_turned_away(own: Pass, name: str) -> None:
    async def converse() -> None:
        async with joined(own, 2) as (first, _second):
            reader, writer = await dial(own, "127.0.0.1", first.port, name, own.client_context())
            assert await reader.read() == b""
            writer.close()

    asyncio.run(converse())
