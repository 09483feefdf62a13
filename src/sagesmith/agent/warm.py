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
from dataclasses import dataclass
from pathlib import Path

from sagesmith.agent import lease
from sagesmith.agent.early import Early, begin
from sagesmith.agent.main import run
from sagesmith.agent.output import Output
from sagesmith.agent.report import Report
from sagesmith.agent.runtime import ShippedEnvironments, container_variables
from sagesmith.agent.serve import COMMAND, server_sandbox, threads_of
from sagesmith.agent.signals import Signals
from sagesmith.agent.task import Task
from sagesmith.agent.taskdir import TaskDir
from sagesmith.images.base import Runtime
from sagesmith.priority import lead_session
from sagesmith.process_identity import ProcessIdentity, write_identity

TAKEN = b"taken"
READY = "ready"
"""A file of the directory: the model server has imported what it wanted."""
_MESSAGE_BYTES = 1 << 16


@dataclass(slots=True)
class Warmed:
    """A model server that waits for a task, in directories of its own.

    Attributes:
        task: what it was started as.
        server: the model server.
        control: where the agent was told of the task, and says that it has taken it.
    """

    task: Task
    server: Early
    control: socket.socket

    def leave(self) -> None:
        """Be nobody's any more: whoever ends what a process that is gone kept ready must not end a task's agent."""
        self.task.directory.agent.unlink(missing_ok=True)

    def join(self, task: Task) -> None:
        """Become a task's: its directories are the sandbox's from now on.

        Raises:
            OSError: they cannot be moved.
        """
        target = Path(os.environ["SAGESMITH_SOCKET_DIRECTORY"])
        former = self.task.directory
        former.opt_ml.rename(task.directory.opt_ml)
        former.scratch.rename(task.directory.scratch)
        former.agent_log.rename(task.directory.agent_log)
        if former.process.exists():
            former.process.rename(task.directory.process)
        self.server.sockets.rename(target)
        self.server.sockets = target
        task.uid = self.server.uid
        task.early = self.server
        task.share_transfers(self.task)
        self.control.send(TAKEN)
        self.control.close()


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
        warmed.server.kill()
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
    sandbox = server_sandbox(task, environment, sockets)
    variables = {**threads_of(task), **container_variables(runtime, environment)}
    server = begin(task, sandbox, environment, sockets, COMMAND, variables, f"warm:{runtime.lock}")
    # While the model server imports its libraries, those of transfers are made ready here.
    task.s3.warm_up()
    return Warmed(task, server, control)


def _told(control: socket.socket, signals: Signals, warmed: Warmed) -> dict[str, str] | None:
    """Which task there is, None if there will be none."""
    process = os.pidfd_open(warmed.server.pids()[0])
    waiting = [control.fileno(), process, signals.descriptor, warmed.server.listener.fileno()]
    try:
        while not {control.fileno(), process} & set(found := select.select(waiting, [], [])[0]):
            signals.drain()
            if signals.stop_requested:
                return None
            if waiting[-1] in found:
                came = waiting.pop()
                if came == warmed.server.listener.fileno():
                    waiting.append(warmed.server.accept().fileno())
                else:
                    (warmed.task.directory.root / READY).touch()
        ready = select.select([control.fileno()], [], [], 0)[0]
    finally:
        os.close(process)
    message = control.recv(_MESSAGE_BYTES) if ready else b""
    return json.loads(message) if message else None


if __name__ == "__main__":
    lead_session()
    code = main(TaskDir(Path(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
    sys.stderr.flush()
    # Threads that carry what goes in and out of the task's network may still wait: nothing depends on them.
    os._exit(code)
