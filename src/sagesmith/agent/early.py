"""A model server of ours that imports its libraries while what it is to serve is still on its way.

It is in its sandbox from the beginning and has run nobody's code. It is told its variables, and where its output goes,
when its files are there: over a socket of which nobody's code ever sees anything. It imports no more than it has begun
to when it is told.
"""

import contextlib
import json
import os
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.sandbox import SOCKET_DIRECTORY, Sandbox, SandboxFailed, Started, own, settable
from sagesmith.files import remove_tree
from sagesmith.http.unix import listen_at
from sagesmith.images.base import BuiltEnvironment
from sagesmith.process_identity import ProcessIdentity, write_identity

if TYPE_CHECKING:
    from sagesmith.agent.task import Task

SOCKET_NAME = "warm.sock"
_LOG = 2


@dataclass(slots=True)
class Early:
    """Such a model server: an `Isolation`, and what runs in it, at once. Main thread only.

    Attributes:
        sockets: the host directory that it sees as `SOCKET_DIRECTORY`.
        uid: that of what runs in it.
        listener: where it comes to be told.
    """

    sockets: Path
    environment: BuiltEnvironment
    uid: int
    listener: socket.socket
    _started: Started
    _connection: socket.socket | None = None
    _variables: Mapping[str, str] | None = None
    _output: int = -1
    first_is_users: bool = False

    def start(self, title: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> "Early":
        """It runs already: keep what it is to be told."""
        self._variables = settable(environment)
        self._output = os.dup(output)
        return self

    def release(self) -> None:
        """Tell it what to serve."""
        process = os.pidfd_open(self._started.process.pid)
        try:
            if self._connection is None and self.listener.fileno() in _ready(self.listener.fileno(), process):
                self.accept()
            self._tell()
        finally:
            os.close(process)
            os.close(self._output)
            self._hide()

    def accept(self) -> socket.socket:
        """Its connection, on which it sends a byte when it has imported all that it wanted."""
        self._connection, _ = self.listener.accept()
        return self._connection

    def end(self, task: "Task") -> None:
        """Be of no use to a task, which needs another sandbox: nothing of this one is left."""
        self.kill()
        self.wait_for_all()
        self._hide()
        remove_tree(task.directory.scratch)
        task.early = None

    def _tell(self) -> None:
        if self._connection is None:
            return  # It ended before it came; its exit code says how.
        content = json.dumps(dict(self._variables or {})).encode("utf-8", "surrogateescape")
        with self._connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._connection, [content[:1]], [self._output])
            self._connection.sendall(content[1:])
            self._connection.shutdown(socket.SHUT_WR)
            # Closed before it has read all, with its byte unread here, the connection would be reset.
            while self._connection.recv(1):
                pass

    def _hide(self) -> None:
        self.listener.close()
        (self.sockets / SOCKET_NAME).unlink(missing_ok=True)

    def first_pid(self) -> int | None:
        return self._started.first_pid()

    def pids(self) -> list[int]:
        return self._started.pids()

    def exit_code(self) -> int | None:
        return self._started.exit_code()

    def kill(self) -> None:
        self._started.kill()

    def wait_for_all(self) -> None:
        self._started.wait_for_all()


def begin(
    task: "Task",
    sandbox: Sandbox,
    environment: BuiltEnvironment,
    sockets: Path,
    command: Sequence[str],
    variables: Mapping[str, str],
    title: str,
) -> Early:
    """Start one; it ends with this process. What it prints before it is told goes to this process' log.

    Args:
        sockets: the host directory that it sees as `SOCKET_DIRECTORY`.
        variables: those that its libraries are imported with.

    Raises:
        SandboxFailed: it cannot be.
    """
    listener = listen_at(str(sockets / SOCKET_NAME))
    own(sockets / SOCKET_NAME, task.uid)
    told_at = f"{SOCKET_DIRECTORY}/{SOCKET_NAME}"
    try:
        started = sandbox.start(title, [*command, "--warm", told_at], variables, _LOG)
    except SandboxFailed:
        listener.close()
        raise
    first = started.first_pid()
    identity = ProcessIdentity.of(first) if first is not None else None
    if identity is not None:
        write_identity(task.directory.process, identity)
    started.release()
    return Early(sockets, environment, task.uid, listener, started)


def _ready(*descriptors: int) -> list[int]:
    return select.select(descriptors, [], [])[0]
