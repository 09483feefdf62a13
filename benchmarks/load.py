"""A load generator that costs little: blocking-free sockets, requests that were made before, every answer looked at.

What it takes from the servers, which share its cores, is some 15 µs a request.
"""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

Address = str | tuple[str, int]
_RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what its answer's body must have in it."""

    request: bytes
    expected: bytes


@dataclass(slots=True)
class Result:
    """What a server did in one round.

    Attributes:
        latencies: seconds, one of each request that was answered.
        wrong: answers that were not what was expected; the first of them stands in `example`.
    """

    seconds: float
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    example: bytes = b""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    @property
    def p50(self) -> float:
        return median(self.latencies)

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[len(self.latencies) * 99 // 100]


class _Client:
    """One connection, with one request under way."""

    __slots__ = ("buffer", "due", "expected", "sent", "socket")

    def __init__(self, address: Address) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.expected = b""
        self.sent = 0.0
        self.due = 0.0

    def send(self, exchange: Exchange) -> None:
        self.expected = exchange.expected
        self.sent = time.perf_counter()
        self.socket.sendall(exchange.request)

    def receive(self) -> tuple[bytes, bytes] | None:
        """Head and body of the answer, None while it is not whole.

        Raises:
            ConnectionError: the server closed the connection.
        """
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise ConnectionError(f"the server closed the connection after {self.buffer[:500]!r}")
        if self.buffer:
            data = self.buffer + data
        head, found, body = data.partition(b"\r\n\r\n")
        if not found or not _is_whole(head, body):
            self.buffer = data
            return None
        self.buffer = b""
        return head, body


def _is_whole(head: bytes, body: bytes) -> bool:
    lower = head.lower()
    _, found, rest = lower.partition(b"content-length:")
    if found:
        return len(body) >= int(rest.partition(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")


def saturate(address: Address, exchanges: Sequence[Exchange], connections: int, seconds: float) -> Result:
    """Send one request after the other on so many connections at once."""
    return _run(address, exchanges, connections, seconds, None)


def at_rate(address: Address, exchanges: Sequence[Exchange], connections: int, seconds: float, rate: float) -> Result:
    """Send so many requests a second, evenly; a latency counts from when its request was due."""
    return _run(address, exchanges, connections, seconds, rate)


def _run(
    address: Address, exchanges: Sequence[Exchange], connections: int, seconds: float, rate: float | None
) -> Result:
    clients = [_Client(address) for _ in range(connections)]
    of = {client.socket.fileno(): client for client in clients}
    poll = select.epoll()
    for number in of:
        poll.register(number, select.EPOLLIN)
    result = Result(seconds)
    free = list(clients)
    total, position = len(exchanges), 0
    began = time.perf_counter()
    until, due = began + seconds, began
    try:
        while True:
            now = time.perf_counter()
            while free and now < until and due <= now:
                client = free.pop()
                client.due = due
                client.send(exchanges[position % total])
                position += 1
                due = due + 1 / rate if rate is not None else now
            if now >= until and len(free) == connections:
                return result
            wait = max(0.0, due - now) if rate is not None and free and now < until else 10.0
            for number, _ in poll.poll(wait):
                client = of[number]
                answer = client.receive()
                if answer is None:
                    continue
                _look(result, answer, client, rate is not None)
                free.append(client)
    finally:
        poll.close()
        for client in clients:
            client.socket.close()


def _look(result: Result, answer: tuple[bytes, bytes], client: _Client, paced: bool) -> None:
    head, body = answer
    result.latencies.append(time.perf_counter() - (client.due if paced else client.sent))
    if client.expected not in body or not head.startswith(b"HTTP/1.1 200"):
        result.wrong += 1
        result.example = result.example or head[:300] + b"\n" + body[:300]
