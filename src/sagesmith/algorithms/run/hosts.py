"""Several instances of a job that exchange what they know: everybody's bytes to everybody, over TCP.

The first instance is connected with each of the others (`meeting`). All call the same functions in the same order. An
instance that ends makes all others fail instead of wait.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sagesmith.algorithms.errors import AlgorithmError
from sagesmith.algorithms.run.meeting import join, wait_for_all
from sagesmith.algorithms.run.state import State, pack, unpack

if TYPE_CHECKING:
    from sagesmith.algorithms.run.job import Job

_LENGTH = struct.Struct("!Q")
_S = TypeVar("_S", bound=State)


class Hosts:
    """The instances of a job, connected.

    Attributes:
        rank: this one's place, the first has 0.
        size: how many there are.
    """

    def __init__(self, names: tuple[str, ...], rank: int, peers: list[socket.socket]) -> None:
        self.rank = rank
        self.size = len(names)
        self._names = names
        self._peers = peers

    def part(self, replicated: bool) -> tuple[int, int]:
        """Which part of a channel's examples is this instance's, and of how many: of its own files it is all."""
        return (self.rank, self.size) if replicated else (0, 1)

    def gather(self, data: bytes) -> list[bytes]:
        """Everybody's data, in the order of the instances, to everybody.

        Raises:
            AlgorithmError: an instance has ended.
        """
        if self.size == 1:
            return [data]
        if self.rank == 0:
            everything = [data, *(self._receive(peer, number) for number, peer in enumerate(self._peers, 1))]
            for number, peer in enumerate(self._peers, 1):
                for each in everything:
                    self._send(peer, each, number)
            return everything
        leader = self._peers[0]
        self._send(leader, data, 0)
        return [self._receive(leader, 0) for _ in range(self.size)]

    def merge(self, state: _S, fresh: _S) -> None:
        """Make one state of everybody's; afterwards all have it.

        Args:
            fresh: a state to restore others into, of which nothing is needed but its type.
        """
        if self.size == 1:
            return
        mine, *rest = self.gather(pack(state.arrays()))
        state.restore(unpack(mine))
        others = []
        for data in rest:
            other = _another(fresh)
            other.restore(unpack(data))
            others.append(other)
        state.merge(others)

    def total(self, numbers: Any) -> Any:
        """The sum of everybody's arrays of one shape and type; the same bits on every instance.

        Raises:
            AlgorithmError: an instance has ended.
        """
        if self.size == 1:
            return numbers
        if self.rank:
            self._send(self._peers[0], numbers.tobytes(), 0)
            return np.frombuffer(self._receive(self._peers[0], 0), numbers.dtype).reshape(numbers.shape)
        everything = numbers.copy()
        for number, peer in enumerate(self._peers, 1):
            everything += np.frombuffer(self._receive(peer, number), numbers.dtype).reshape(numbers.shape)
        for number, peer in enumerate(self._peers, 1):
            self._send(peer, everything.tobytes(), number)
        return everything

    def any(self, mine: bool) -> bool:
        """Whether it is so on any instance."""
        return any(data == b"1" for data in self.gather(b"1" if mine else b"0"))

    def first(self, mine: bool) -> bool:
        """What the first instance says."""
        return self.gather(b"1" if mine else b"0")[0] == b"1"

    def close(self) -> None:
        for peer in self._peers:
            peer.close()

    def _send(self, peer: socket.socket, data: bytes, rank: int) -> None:
        try:
            peer.sendall(_LENGTH.pack(len(data)))
            peer.sendall(data)
        except OSError as error:
            raise self._gone(rank) from error

    def _receive(self, peer: socket.socket, rank: int) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(peer, _LENGTH.size, rank))
        return self._exactly(peer, length, rank)

    def _exactly(self, peer: socket.socket, length: int, rank: int) -> bytes:
        data = bytearray(length)
        view, filled = memoryview(data), 0
        while filled < length:
            try:
                count = peer.recv_into(view[filled:])
            except OSError as error:
                raise self._gone(rank) from error
            if count == 0:
                raise self._gone(rank)
            filled += count
        return bytes(data)

    def _gone(self, rank: int) -> AlgorithmError:
        return AlgorithmError(f"The instance {self._names[rank]} has ended: see its log stream for the reason.")


@contextmanager
def connected(job: "Job") -> Iterator[Hosts]:
    """The instances of a job; of a single one, nothing is opened.

    Raises:
        AlgorithmError: one of them did not come.
    """
    rank = job.hosts.index(job.host)
    if len(job.hosts) == 1:
        peers: list[socket.socket] = []
    elif rank == 0:
        peers = wait_for_all(job.hosts)
    else:
        peers = [join(job.hosts, rank)]
    hosts = Hosts(job.hosts, rank, peers)
    try:
        yield hosts
    finally:
        hosts.close()


def _another(state: _S) -> _S:
    from copy import copy

    return copy(state)
