"""The way into a task's network, to a server in there, without a container around it."""

import multiprocessing
import socket
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sagesmith.agent.health import ping
from sagesmith.agent.network.inlet import Inlet
from sagesmith.agent.network.network import Network
from sagesmith.agent.serve import UnixConnection
from sagesmith.http.unix import socket_at


def _serve(network: Network, port: int, ready: Connection) -> None:
    """Within the network: answer each connection with what it sends."""
    network.enter()
    with socket.create_server(("127.0.0.1", port)) as server:
        ready.send(None)
        while True:
            threading.Thread(target=_echo, args=(server.accept()[0],), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    with socket_at(str(path)) as place:
        connection.connect(place)
    return connection


def test_requests_reach_a_server_that_nobody_else_reaches(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    directory = tmp_path / ("longer than a socket's path may be" * 4)
    directory.mkdir()
    network, inlet = Network.make("algo-1", ["algo-1"], [], None), Inlet(directory / "http.sock", port)
    inlet.of(lambda _: network)(network.namespace)
    network.open()
    assert ping(UnixConnection(inlet.path, 2.0))[0] is False
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(network, port, theirs), daemon=True)
    server.start()
    ours.recv()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with inlet.connect(2.0) as own, _connected(inlet.path) as first, _connected(inlet.path) as second:
        for connection in (own, first, second, first):
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"
        assert inlet.busy_since is None
    server.kill()
    server.join()
