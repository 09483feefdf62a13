"""A network between a client and a server on this machine that a test can break."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes on what connections to `port` say to a server, and what that answers."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._clients: list[socket.socket] = []
        self._servers: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End the connections for their clients; the server is not told."""
        for client in self._clients:
            client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def silence(self) -> None:
        """Pass nothing on from now on, of new connections either: they are there, and nobody answers."""
        self._flows.clear()

    def close(self) -> None:
        """End everything, for the server too."""
        self._flows.set()
        for each in [self._listener, *self._clients, *self._servers]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._clients.append(client)
            self._servers.append(server)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                target.sendall(data)


@contextmanager
def relay(server_port: int) -> Iterator[Relay]:
    """A relay that is closed at the end."""
    between = Relay(server_port)
    try:
        yield between
    finally:
        between.close()
