"""The server of a thread a connection, spoken to as a router and the command line do."""

import http.client
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sagesmith.http.blocking import BlockingHandler, BlockingServer
from sagesmith.http.messages import Headers, Response

LIMIT = 1 << 16


def echo(method: str, target: bytes, headers: Headers, body: bytes) -> Response:
    shown = b"%s %s %s" % (method.encode(), target, dict(headers).get(b"x-what", b"-"))
    return Response(200, [(b"x-shown", shown)], body)


@contextmanager
def serving(path: Path, handler: BlockingHandler = echo, at_once: int = 4) -> Iterator[BlockingServer]:
    server = BlockingServer(path / "s", handler, at_once=at_once, body_size=LIMIT)
    try:
        yield server
    finally:
        server.close()


def connect(path: Path) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(path / "s"))
    return connection


def ask(connection: http.client.HTTPConnection, body: bytes = b"") -> http.client.HTTPResponse:
    connection.request("POST", "/a?b", body, {"X-What": "this"})
    return connection.getresponse()


def test_requests_of_one_connection_are_answered_one_after_the_other(tmp_path: Path) -> None:
    with serving(tmp_path):
        connection = connect(tmp_path)
        for body in (b"", b"one", b"x" * LIMIT):
            answer = ask(connection, body)
            assert (answer.status, answer.getheader("x-shown")) == (200, "POST /a?b this")
            assert answer.read() == body
        connection.close()


def test_a_socket_that_was_left_there_is_replaced_and_only_we_may_connect(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    with serving(tmp_path):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        assert ask(connect(tmp_path)).status == 200


def test_a_body_that_is_too_large_is_refused_and_the_next_connection_is_served(tmp_path: Path) -> None:
    with serving(tmp_path):
        answer = ask(connect(tmp_path), b"x" * (LIMIT + 1))
        assert (answer.status, answer.getheader("connection")) == (413, "close")
        assert ask(connect(tmp_path), b"x").status == 200


def test_a_handler_that_raises_is_a_500_and_keeps_the_connection(tmp_path: Path) -> None:
    def fail(method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        raise RuntimeError(body.decode())

    with serving(tmp_path, fail):
        connection = connect(tmp_path)
        for _ in range(2):
            answer = ask(connection, b"broken")
            assert (answer.status, answer.read()) == (500, b"")


def test_what_is_no_http_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path):
        connection = connect(tmp_path)
        connection.sock.sendall(b"\x00\x01 what\r\n\r\n")
        answer = connection.sock.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_connection_that_asks_to_close_is_closed_after_its_answer(tmp_path: Path) -> None:
    with serving(tmp_path):
        connection = connect(tmp_path)
        connection.request("GET", "/", headers={"Connection": "close"})
        assert connection.getresponse().status == 200
        sock = connect(tmp_path).sock
        sock.sendall(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        received = b"".join(iter(lambda: sock.recv(1 << 16), b""))
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in received


class Gate:
    """A handler that waits until it is let through."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.open.wait(30)
        with self._lock:
            self.inside -= 1
        return Response(200, [], body)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def in_threads(count: int, run: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_no_more_than_at_once_are_handled_and_none_is_lost(tmp_path: Path, gate: Gate) -> None:
    answers: dict[int, bytes] = {}

    def run(number: int) -> None:
        answers[number] = ask(connect(tmp_path), b"%d" % number).read()

    with serving(tmp_path, gate, at_once=2):
        threads = in_threads(8, run)
        for _ in range(2):
            assert gate.entered.acquire(timeout=30)
        gate.open.set()
        for thread in threads:
            thread.join(30)
    assert answers == {number: b"%d" % number for number in range(8)}
    assert gate.most == 2


def test_closing_waits_for_the_answers_under_way_and_ends_idle_connections(tmp_path: Path, gate: Gate) -> None:
    answers: list[int] = []
    with serving(tmp_path, gate) as server:
        idle = connect(tmp_path)
        threads = in_threads(1, lambda _: answers.append(ask(connect(tmp_path)).status))
        assert gate.entered.acquire(timeout=30)
        closing = threading.Thread(target=server.close)
        closing.start()
        assert idle.sock.recv(1) == b""
        assert closing.is_alive()
        gate.open.set()
        closing.join(30)
        threads[0].join(30)
    assert answers == [200]
    with pytest.raises(OSError, match="refused"):
        connect(tmp_path)
