"""The way into a task's network: from a unix socket outside to the TCP port that a server in there listens on.

Nobody else comes there: the namespace is the task's own, and who may connect to the unix socket is for its directory to
say. A process cannot come back from another user's network namespace, so one stays in there and hands out sockets: what
they are connected to is decided by where they were made.
"""

import errno
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith.agent.network.doors import LOOPBACK
from sagesmith.agent.network.namespaces import Namespace
from sagesmith.agent.network.network import Network
from sagesmith.agent.network.ways import Way, begin
from sagesmith.http.unix import listen_at

_FIRST_DESCRIPTOR = 3


class Inside:
    """Makes sockets within a network namespace. Thread safe. It ends with this process, however that ends."""

    def __init__(self, namespace: Namespace) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            _hand_out(theirs.detach(), namespace)
        theirs.close()
        self._connection = ours
        self._lock = threading.Lock()

    def socket(self) -> socket.socket:
        """A TCP socket that is not connected.

        Raises:
            OSError: it could not be made.
        """
        with self._lock:
            self._connection.send(b"?")
            said, descriptors, _, _ = socket.recv_fds(self._connection, 1, 1)
        if not said:
            raise OSError(errno.EPIPE, "the process within the task's network has ended")
        if not descriptors:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.set_inheritable(descriptors[0], False)
        return socket.socket(fileno=descriptors[0])


def _hand_out(connection: int, namespace: Namespace) -> None:
    """The child's whole life."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        namespace.enter()
        # What it inherited must end when its owners close it: locks, the program's output, other processes' input.
        os.closerange(_FIRST_DESCRIPTOR, connection)
        os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))
        with socket.socket(fileno=connection) as asked:
            while asked.recv(1):
                with socket.socket(socket.AF_INET) as made:
                    socket.send_fds(asked, [b"!"], [made.fileno()])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


@dataclass(slots=True)
class Inlet:
    """Leads from a unix socket to a port inside.

    Attributes:
        path: of the unix socket, in a directory that is ours alone.
    """

    path: Path
    port: int
    _inside: Inside | None = field(default=None)
    _way: Way | None = field(default=None)

    def of(self, make: Callable[[Namespace], Network]) -> Callable[[Namespace], Network]:
        """What makes a network, with this way into it."""

        def made(namespace: Namespace) -> Network:
            network = make(namespace)
            self._inside = Inside(network.namespace)
            self._way = Way(self._listener(), self._begin, inward=True)
            network.let_in(self._way)
            return network

        return made

    def connect(self, timeout_seconds: float) -> socket.socket:
        """A connection of the agent's own.

        Raises:
            OSError: nobody listens inside, or answers in time.
        """
        made = self._socket()
        try:
            made.settimeout(timeout_seconds)
            made.connect((LOOPBACK, self.port))
        except BaseException:
            made.close()
            raise
        return made

    @property
    def busy_since(self) -> float | None:
        """Since when, by `time.monotonic`, the server has owed an answer in silence; None if it owes none."""
        way = self._way
        return way.silent_since if way is not None and way.owed else None

    def _listener(self) -> socket.socket:
        # A socket's path may have 107 bytes, and a task's directory more.
        directory = os.open(self.path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return listen_at(f"/proc/self/fd/{directory}/{self.path.name}")
        finally:
            os.close(directory)

    def _begin(self) -> socket.socket:
        made = self._socket()
        try:
            made.setblocking(False)
            begin(made, (LOOPBACK, self.port))
        except BaseException:
            made.close()
            raise
        return made

    def _socket(self) -> socket.socket:
        if self._inside is None:
            raise OSError(errno.ENOTCONN, "the task has no network yet")
        return self._inside.socket()
