"""How the instances of a job find each other: the first listens, the others connect, and both prove that they belong.

A job's instances share a network in which nobody else is, where a machine has such networks, and a key that the
platform gives to nobody else. Neither side shows it: each sends a number that is used once, and answers the other's
with a code that takes the key to make. Whoever cannot is left out, and holds up nobody.
"""

import contextlib
import hmac
import os
import secrets
import selectors
import socket
import struct
import time
from zlib import crc32

from sagesmith.algorithms.errors import AlgorithmError

KEY_VARIABLE = "SAGESMITH_HOSTS_KEY"
FIRST_PORT, PORTS = 20_000, 12_000
"""Below those that systems choose of themselves."""
JOIN_SECONDS = 600.0
ANSWER_SECONDS = 10.0
"""How long a newcomer waits for an answer: whoever listens there may be somebody else."""
_STRANGERS = 64
"""Connections at a time that have proved nothing."""
_NONCE = 16
_HELLO = struct.Struct(f"!I{_NONCE}s32s")
_PROOF = 32
_STRANGER = "whoever listens there is not of this job"


def port(names: tuple[str, ...]) -> int:
    """Where the first of these instances listens: each job has its own, should two of them share a network."""
    job = f"{os.environ.get('TRAINING_JOB_NAME', '')} {','.join(names)}"
    return FIRST_PORT + crc32(job.encode()) % PORTS


def wait_for_all(names: tuple[str, ...]) -> list[socket.socket]:
    """The connections of all others, in their order, of the first instance.

    Raises:
        AlgorithmError: one of them did not come.
    """
    deadline = time.monotonic() + JOIN_SECONDS
    with socket.create_server(("", port(names)), backlog=len(names) + _STRANGERS) as server:
        gate = _Gate(server, len(names))
        try:
            while len(gate.members) < len(names) - 1:
                if not gate.look(deadline - time.monotonic()):
                    missing = ", ".join(name for rank, name in enumerate(names) if rank and rank not in gate.members)
                    raise AlgorithmError(f"These instances did not begin within {JOIN_SECONDS:.0f} s: {missing}.")
            return [gate.members.pop(rank) for rank in range(1, len(names))]
        finally:
            gate.close()


def join(names: tuple[str, ...], rank: int) -> socket.socket:
    """The connection to the first instance, of another one.

    Raises:
        AlgorithmError: it did not listen, or whoever does is not of this job.
    """
    leader = names[0]
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            connection = socket.create_connection((leader, port(names)), timeout=ANSWER_SECONDS)
            try:
                _introduce(connection, rank)
            except OSError:
                connection.close()
                raise
            return _tuned(connection)
        except OSError as error:
            # It may not listen yet: it checks its own configuration and data first.
            if time.monotonic() > deadline:
                raise AlgorithmError(f"The instance {leader} cannot be reached: {error}.") from error
            time.sleep(0.1)


class _Gate:
    """Lets those in who prove that they belong; all wait at once, so that none waits for another.

    Attributes:
        members: the connections of those who did, by rank.
    """

    def __init__(self, server: socket.socket, size: int) -> None:
        self.members: dict[int, socket.socket] = {}
        self._server = server
        self._size = size
        self._told: dict[socket.socket, tuple[bytes, bytearray]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ, None)
        server.setblocking(False)

    def look(self, seconds: float) -> bool:
        """Attend to whoever comes or speaks next; False: nobody did."""
        ready = self._selector.select(max(0.01, seconds))
        for key, _ in ready:
            speaker: socket.socket | None = key.data
            try:
                if speaker is None:
                    self._greet(self._server.accept()[0])
                elif speaker in self._told:
                    self._hear(speaker)
            except OSError:
                if speaker is not None:
                    self._forget(speaker).close()
        return bool(ready) and seconds > 0

    def close(self) -> None:
        self._selector.close()
        for connection in (*self._told, *self.members.values()):
            connection.close()

    def _greet(self, connection: socket.socket) -> None:
        if len(self._told) == _STRANGERS:
            self._forget(next(iter(self._told))).close()
        connection.setblocking(False)
        nonce = secrets.token_bytes(_NONCE)
        self._told[connection] = nonce, bytearray()
        self._selector.register(connection, selectors.EVENT_READ, connection)
        with contextlib.suppress(OSError):
            connection.send(nonce)

    def _hear(self, connection: socket.socket) -> None:
        nonce, said = self._told[connection]
        part = connection.recv(_HELLO.size - len(said))
        said += part
        if part and len(said) < _HELLO.size:
            return
        self._forget(connection)
        rank, other, proof = _HELLO.unpack(said) if part else (0, b"", b"")
        if not 0 < rank < self._size or not hmac.compare_digest(proof, _proof(b"member", rank, nonce, other)):
            connection.close()
            return
        connection.send(_proof(b"leader", rank, nonce, other))
        if rank in self.members:
            # It gave up waiting for an answer, and came again.
            self.members[rank].close()
        self.members[rank] = _tuned(connection)

    def _forget(self, connection: socket.socket) -> socket.socket:
        if self._told.pop(connection, None) is not None:
            self._selector.unregister(connection)
        return connection


def _introduce(connection: socket.socket, rank: int) -> None:
    nonce, own = _exactly(connection, _NONCE), secrets.token_bytes(_NONCE)
    connection.sendall(_HELLO.pack(rank, own, _proof(b"member", rank, nonce, own)))
    if not hmac.compare_digest(_exactly(connection, _PROOF), _proof(b"leader", rank, nonce, own)):
        raise ConnectionError(_STRANGER)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionError(_STRANGER)
        data += part
    return data


def _proof(role: bytes, rank: int, nonce: bytes, other: bytes) -> bytes:
    key = os.environ.get(KEY_VARIABLE, "").encode()
    return hmac.digest(key, b"%s %d " % (role, rank) + nonce + other, "sha256")


def _tuned(connection: socket.socket) -> socket.socket:
    """Send at once, and notice within two minutes that the other machine is gone."""
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Not every system has all of them.
    for name, value in {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection
