"""A node agent with a model server that has its libraries imported, before it is known what that is to serve:
`python -m sagesmith.agent.warm DIRECTORY DESCRIPTOR`.

The sandbox is complete from the beginning, with namespaces, root, uid and network of its own, and what is in it has run
nobody's code. The agent takes the first task that it is told of at the descriptor, brings its files into the sandbox's
directories, tells the model server its variables, and is that task's agent from then on. It is used once. It ends when
the descriptor's other end is closed.
"""

import json
import os
import select
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagesmith.agent import lease
from sagesmith.agent.main import run
from sagesmith.agent.output import Output
from sagesmith.agent.report import Report
from sagesmith.agent.runtime import ShippedEnvironments, container_variables
from sagesmith.agent.sandbox import SOCKET_DIRECTORY, Started, own, settable
from sagesmith.agent.serve import COMMAND, server_sandbox, threads_of
from sagesmith.agent.signals import Signals
from sagesmith.agent.task import Task
from sagesmith.agent.taskdir import TaskDir
from sagesmith.files import remove_tree
from sagesmith.images.base import BuiltEnvironment, Runtime
from sagesmith.process_identity import ProcessIdentity, write_identity

TAKEN = b"taken"
SOCKET_NAME = "warm.sock"
READY = "ready"
"""A file of the directory: the model server has imported what it wanted."""
_MESSAGE_BYTES = 1 << 16


@dataclass(slots=True)
class Warmed:
    """A sandbox in which a model server waits to be told what to serve. An `Isolation`, and what runs in it, at once.

    Attributes:
        directory: where its files are until a task takes it.
        sockets: the host directory that it sees as `SOCKET_DIRECTORY`.
        uid: that of what runs in it.
        listener: where the model server asks what to serve once it has imported its libraries.
    """

    directory: TaskDir
    sockets: Path
    environment: BuiltEnvironment
    uid: int
    _started: Started
    listener: socket.socket
    _control: socket.socket
    _from: Task
    _variables: Mapping[str, str] | None = None
    _output: int = -1
    first_is_users: bool = False

    def join(self, task: Task) -> None:
        """Become a task's: its directories are the sandbox's from now on.

        Raises:
            OSError: they cannot be moved.
        """
        target = Path(os.environ["SAGESMITH_SOCKET_DIRECTORY"])
        self.directory.opt_ml.rename(task.directory.opt_ml)
        self.directory.scratch.rename(task.directory.scratch)
        self.directory.agent_log.rename(task.directory.agent_log)
        self.sockets.rename(target)
        self.sockets = target
        task.uid = self.uid
        task.warm = self
        task.share_transfers(self._from)
        self._control.send(TAKEN)
        self._control.close()

    def end(self, task: Task) -> None:
        """Be of no use to a task, which needs another sandbox: nothing of this one is left."""
        self.kill()
        self.wait_for_all()
        self.listener.close()
        (self.sockets / SOCKET_NAME).unlink(missing_ok=True)
        remove_tree(task.directory.scratch)
        task.warm = None

    def start(self, title: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> "Warmed":
        """It runs already: keep what it is to be told."""
        self._variables = settable(environment)
        self._output = os.dup(output)
        return self

    def release(self) -> None:
        """Tell the model server what it is, as soon as it has imported what it wanted."""
        process = os.pidfd_open(self._started.process.pid)
        try:
            ready, _, _ = select.select([self.listener.fileno(), process], [], [])
            if self.listener.fileno() in ready:
                self._tell()
        finally:
            os.close(process)
            os.close(self._output)
            self.listener.close()
            (self.sockets / SOCKET_NAME).unlink(missing_ok=True)

    def _tell(self) -> None:
        content = json.dumps(dict(self._variables or {})).encode("utf-8", "surrogateescape")
        connection, _ = self.listener.accept()
        with connection:
            try:
                socket.send_fds(connection, [content[:1]], [self._output])
                connection.sendall(content[1:])
            except (BrokenPipeError, ConnectionResetError):
                pass  # It ended meanwhile; its exit code says how.

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


def main(directory: TaskDir, control: socket.socket) -> int:
    """Warm a model server and be the agent of the task that takes it; the exit code."""
    control.set_inheritable(False)
    lease.hold_if_any()
    os.umask(0o022)
    write_identity(directory.agent, ProcessIdentity.own())
    signals = Signals()
    task = Task(
        directory.read_spec(),
        directory,
        Report(directory.report),
        Output(directory.output, [], directory.metrics),
        signals,
        ShippedEnvironments(),
    )
    warmed = _warmed(task, control)
    told = _told(control, signals, warmed)
    if told is None:
        warmed.kill()
        return 0
    os.environ["SAGESMITH_SOCKET_DIRECTORY"] = told["sockets"]
    return run(Path(told["task"]), warm=warmed)


def _warmed(task: Task, control: socket.socket) -> Warmed:
    """A model server that begins to import its libraries."""
    runtime = task.resolve_any()
    if not isinstance(runtime, Runtime):
        raise TypeError(f"{task.spec.image} is not one of ours")
    environment = task.ensure(runtime)
    sockets = Path(os.environ["SAGESMITH_SOCKET_DIRECTORY"])
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(sockets / SOCKET_NAME))
    listener.listen(1)
    own(sockets / SOCKET_NAME, task.uid)
    sandbox = server_sandbox(task, environment, sockets)
    variables = {**threads_of(task), **container_variables(runtime, environment)}
    command = [*COMMAND, "--warm", f"{SOCKET_DIRECTORY}/{SOCKET_NAME}"]
    with task.directory.output.open("ab") as output:
        started = sandbox.start(f"warm:{runtime.lock}", command, variables, output.fileno())
    first = started.first_pid()
    identity = ProcessIdentity.of(first) if first is not None else None
    if identity is not None:
        write_identity(task.directory.process, identity)
    started.release()
    # While the model server imports its libraries, those of transfers are made ready here.
    task.s3.warm_up()
    return Warmed(task.directory, sockets, environment, task.uid, started, listener, control, task)


def _told(control: socket.socket, signals: Signals, warmed: Warmed) -> dict[str, str] | None:
    """Which task there is, None if there will be none."""
    process, listener = os.pidfd_open(warmed.pids()[0]), warmed.listener.fileno()
    waiting = [control.fileno(), signals.descriptor, process, listener]
    try:
        while not (found := select.select(waiting, [], [])[0]) or found[0] in (signals.descriptor, listener):
            if listener in found:
                (warmed.directory.root / READY).touch()
                waiting.remove(listener)
            signals.drain()
            if signals.stop_requested:
                return None
        ready = select.select([control.fileno()], [], [], 0)[0]
    finally:
        os.close(process)
    message = control.recv(_MESSAGE_BYTES) if ready else b""
    return json.loads(message) if message else None


if __name__ == "__main__":
    code = main(TaskDir(Path(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
    sys.stderr.flush()
    # Threads that carry what goes in and out of the task's network may still wait: nothing depends on them.
    os._exit(code)
