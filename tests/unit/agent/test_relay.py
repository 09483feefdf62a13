"""Bytes between a task's network and the platform: all of them, in both directions, whoever closes first."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from sagesmith.agent.network.relay import Relay

BYTES = 20 << 20


@pytest.fixture
def behind() -> Iterator[socket.socket]:
    """What listens behind the door."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def door(behind: socket.socket) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    Relay([(listener, behind.getsockname())]).start()
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
