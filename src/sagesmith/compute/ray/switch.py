"""Joins the networks of a job's hosts that are on several machines: carries frames between them.

Each task's host has the far end of its task's eth0 (`agent.network.wire`) and a TCP connection to every other host of
the job, over which frames go with their length before them. As a switch does, it looks at a frame's destination alone,
and loses frames that nobody can take; programs' own TCP sends them again.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from functools import partial

from sagesmith.agent.network.wire import HEADER_BYTES, destination
from sagesmith.compute.ray.tunnel import Connect, Handler, Pass, dial, serve

_LENGTH = struct.Struct("!I")
_MAX_FRAME_BYTES = (1 << 16) + 64 + HEADER_BYTES
_FRAMES_A_TURN = 64
_PIECE_BYTES = 1 << 20
_UNSENT_BYTES = 4 << 20
"""So much may wait for one machine until nothing more is taken from the task."""
_PAUSE_SECONDS = 0.2


class Switch:
    """One host's part of it. Its methods are called on one event loop, that of `open`.

    Args:
        by: what proves that another machine's host is one of the platform's.
        gang: names the job's hosts among all hosts.
    """

    def __init__(self, by: Pass, gang: str) -> None:
        self._by = by
        self._gang = gang
        self._handlers: dict[str, Handler] = {}
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._peers: dict[int, tuple[str, int]] = {}
        self._dialling: list[asyncio.Task[None]] = []
        self._end: socket.socket | None = None
        self._frame = bytearray(_MAX_FRAME_BYTES)

    async def open(self, address: str) -> tuple[asyncio.Server, int]:
        """Listen for the other hosts; the server and its port. They are let in once they are known."""
        return await serve(self._by, self._handlers, address, 0)

    def join(self, own: int, peers: Mapping[int, tuple[str, int]]) -> None:
        """Connect to the other hosts: to those before this one, as those behind do to it. What it was told before is
        forgotten.

        Args:
            own: the number of this host.
            peers: address and port of the others by number, from 1.
        """
        if peers == self._peers:
            return
        self._peers = dict(peers)
        for each in self._dialling:
            each.cancel()
        context = self._by.client_context()
        for number, (host, port) in peers.items():
            self._handlers[self._name(number, own)] = partial(self._carry_in, number)
            if number < own:
                name = self._name(own, number)
                connect = partial(dial, self._by, host, port, name, context)
                self._dialling.append(asyncio.get_running_loop().create_task(self._keep_up(number, connect)))

    def plug(self, end: socket.socket) -> None:
        """Begin to carry what the task sends and receives.

        Args:
            end: the packet socket of its eth0's far end.
        """
        end.setblocking(False)
        self._end = end
        self._listen_to_task()

    def _name(self, who: int, whom: int) -> str:
        return f"{self._gang}/{who}/{whom}"

    async def _keep_up(self, number: int, connect: Connect) -> None:
        """Stay connected to a host; until it knows this one, and after it was away, it is tried again."""
        while True:
            try:
                reader, writer = await connect()
                await self._carry_in(number, reader, writer)
            except OSError:
                pass
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _carry_in(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand the frames of a connection to the task, until it ends."""
        writer.transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        self._writers[number] = writer
        received = bytearray()
        try:
            while data := await reader.read(_PIECE_BYTES):
                received += data
                del received[: self._hand_in(received)]
        except (OSError, ValueError):
            pass
        finally:
            if self._writers.get(number) is writer:
                del self._writers[number]
            writer.close()

    def _hand_in(self, received: bytearray) -> int:
        """Write all whole frames of what was received to the task; how many bytes they were.

        Raises:
            ValueError: it is no sequence of frames.
        """
        start = 0
        with memoryview(received) as view:
            while len(view) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(view, start)
                if length > _MAX_FRAME_BYTES:
                    raise ValueError("a frame is too long")
                end = start + _LENGTH.size + length
                if end > len(view):
                    break
                if self._end is not None:
                    with contextlib.suppress(OSError):  # Its network is gone, or has no room: the frame is lost.
                        self._end.send(view[start + _LENGTH.size : end])
                start = end
        return start

    def _listen_to_task(self) -> None:
        assert self._end is not None
        asyncio.get_running_loop().add_reader(self._end, self._carry_out)

    def _carry_out(self) -> None:
        """Send on what the task has sent, some of it."""
        assert self._end is not None
        with memoryview(self._frame) as buffer:
            for _ in range(_FRAMES_A_TURN):
                try:
                    count = self._end.recv_into(buffer)
                except BlockingIOError:
                    return
                except OSError:  # The link goes down with its namespace, and the agent with it.
                    continue
                full = [each for each in self._send(buffer[:count]) if _is_full(each)]
                if full:
                    return self._wait_for(full[0])

    def _send(self, frame: memoryview) -> list[asyncio.StreamWriter]:
        """Send a frame to whom it is for; over which connections."""
        to = destination(frame)
        if to is None:
            return []
        writers = list(self._writers.values()) if to == 0 else [self._writers[to]] if to in self._writers else []
        for each in writers:
            each.write(_LENGTH.pack(len(frame)) + frame)
        return writers

    def _wait_for(self, writer: asyncio.StreamWriter) -> None:
        """Take nothing more from the task before a connection has sent most of what waits for it."""
        loop = asyncio.get_running_loop()
        assert self._end is not None
        loop.remove_reader(self._end)

        async def drained() -> None:
            with contextlib.suppress(OSError):
                await writer.drain()
            self._listen_to_task()

        self._draining = loop.create_task(drained())


def _is_full(writer: asyncio.StreamWriter) -> bool:
    return writer.transport.get_write_buffer_size() > _UNSENT_BYTES
