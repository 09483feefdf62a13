"""Bytes between a task's network and the platform: all of them, in both directions, whoever closes first."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagesmith.agent.network.relay import Relay
from sagesmith.agent.network.ways import Way, to_platform
from sagesmith.http.unix import listen_at

BYTES = 20 << 20


@pytest.fixture
def behind() -> Iterator[socket.socket]:
    """What listens behind the door."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def door(behind: socket.socket) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    Relay([Way(listener, to_platform(behind.getsockname()))]).start()
    return listener


def received(connection: socket.socket) -> int:
    total = 0
    while piece := connection.recv(1 << 20):
        total += len(piece)
    return total


def test_what_was_sent_before_an_end_arrives_though_its_reader_is_slow(
    door: socket.socket, behind: socket.socket
) -> None:
    with socket.create_connection(door.getsockname()) as client:
        client.shutdown(socket.SHUT_WR)
        server, _ = behind.accept()
        assert server.recv(1) == b""
        sending = threading.Thread(target=lambda: (server.sendall(bytes(BYTES)), server.close()))
        sending.start()
        # It waits for the reader: no buffer between them holds all of it.
        assert client.recv(1) == b"\0"
        assert received(client) == BYTES - 1
        sending.join()


def test_both_directions_at_once_keep_what_they_carry_apart(door: socket.socket, behind: socket.socket) -> None:
    with socket.create_connection(door.getsockname()) as client:
        server, _ = behind.accept()

        def send(connection: socket.socket, letter: bytes) -> None:
            connection.sendall(letter * BYTES)
            connection.shutdown(socket.SHUT_WR)

        sending = [threading.Thread(target=send, args=pair) for pair in ((client, b"c"), (server, b"s"))]
        for each in sending:
            each.start()
        counts: list[int] = []
        reading = threading.Thread(target=lambda: counts.append(received(server)))
        reading.start()
        assert client.recv(1) == b"s"
        counts.append(received(client) + 1)
        for each in (*sending, reading):
            each.join()
        assert counts == [BYTES, BYTES]
        server.close()


def test_a_connection_that_one_side_reset_is_reset_on_the_other(door: socket.socket, behind: socket.socket) -> None:
    with socket.create_connection(door.getsockname()) as client:
        server, _ = behind.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.fixture
def way_in(behind: socket.socket, tmp_path: Path) -> Iterator[tuple[Way, Path]]:
    """A way inward, from a unix socket."""
    path = tmp_path / "http.sock"
    way = Way(listen_at(str(path)), to_platform(behind.getsockname()), inward=True)
    Relay([way]).start()
    yield way, path


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


def asked(router: socket.socket, server: socket.socket, request: bytes, answer: bytes) -> None:
    router.sendall(request)
    assert server.recv(100) == request
    server.sendall(answer)
    assert router.recv(100) == answer


def test_a_server_that_closes_between_two_requests_loses_none(way_in: tuple[Way, Path], behind: socket.socket) -> None:
    # A request that crosses with the end is carried over a new connection, or the router is told, by a broken pipe,
    # that nobody saw it: whichever of the two comes first.
    resent = refused = 0
    for _ in range(300):
        with connected(way_in[1]) as router:
            server, _ = behind.accept()
            asked(router, server, b"first", b"one")
            server.close()
            try:
                router.sendall(b"second")
            except BrokenPipeError:
                refused += 1
                continue
            server, _ = behind.accept()
            assert server.recv(100) == b"second"
            server.sendall(b"two")
            assert router.recv(100) == b"two"
            server.close()
            resent += 1
    assert resent + refused == 300


def test_a_server_that_ends_its_answer_by_closing_has_it_arrive_whole(
    way_in: tuple[Way, Path], behind: socket.socket
) -> None:
    with connected(way_in[1]) as router:
        server, _ = behind.accept()
        router.sendall(b"request")
        assert server.recv(100) == b"request"
        server.sendall(bytes(BYTES // 8))
        server.close()
        assert received(router) == BYTES // 8


def test_a_way_in_knows_whether_an_answer_is_owed(way_in: tuple[Way, Path], behind: socket.socket) -> None:
    way, path = way_in
    with connected(path) as router:
        server, _ = behind.accept()
        router.sendall(b"request")
        assert server.recv(100) == b"request"
        assert way.owed == 1
        server.sendall(b"answer")
        assert router.recv(100) == b"answer"
        assert way.owed == 0
        router.sendall(b"request")
        assert server.recv(100) == b"request"
        assert way.owed == 1
        server.close()
        assert router.recv(100) == b""
        assert way.owed == 0


def test_a_client_that_goes_is_owed_nothing_any_more(way_in: tuple[Way, Path], behind: socket.socket) -> None:
    way, path = way_in
    router = connected(path)
    server, _ = behind.accept()
    router.sendall(b"request")
    assert server.recv(100) == b"request"
    assert way.owed == 1
    router.close()
    with pytest.raises(ConnectionResetError):
        server.recv(100)
    assert way.owed == 0


def test_a_client_that_goes_is_owed_nothing_though_the_server_never_took_its_request(
    way_in: tuple[Way, Path], behind: socket.socket
) -> None:
    way, path = way_in
    router = connected(path)
    server, _ = behind.accept()
    # Any time does: a longer one makes it surer that all buffers are full when the client goes.
    router.settimeout(0.2)
    with pytest.raises(TimeoutError):
        router.sendall(bytes(BYTES))
    router.close()
    with pytest.raises(ConnectionResetError):
        received(server)
    assert way.owed == 0


def test_a_client_that_only_sends_no_more_gets_its_answer(way_in: tuple[Way, Path], behind: socket.socket) -> None:
    way, path = way_in
    with connected(path) as router:
        server, _ = behind.accept()
        router.sendall(b"request")
        router.shutdown(socket.SHUT_WR)
        assert received(server) == len(b"request")
        assert way.owed == 1
        server.sendall(b"answer")
        server.close()
        assert received(router) == len(b"answer")
        assert way.owed == 0


def test_a_way_in_behind_which_nobody_listens_ends_the_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = to_platform(gone.getsockname())
    path = tmp_path / "http.sock"
    Relay([Way(listen_at(str(path)), nobody, inward=True)]).start()
    with connected(path) as router:
        assert router.recv(100) == b""
