"""The containers of a model that has several, on one instance.

Each has a node agent of its own, an inner one, which runs it as if it were alone: image, sandbox, /ping, limits. The
task's own agent, the outer one, starts them, sees to it that all of them run or none, and reports for them.

Inner agents end with the outer one, however that ends: they hold a lease on it. What they print and measure is in the
outer one's files, under the container's name.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipelines.html
"""

import contextlib
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sagesmith.agent import lease
from sagesmith.agent.failures import MAX_REASON
from sagesmith.agent.process import Ended, descendants
from sagesmith.agent.serve import CONTAINER_PORT, SOCKET_NAME
from sagesmith.agent.task import Task
from sagesmith.agent.taskdir import TaskDir, event_from_json, spec_to_json
from sagesmith.agent.train import Ending
from sagesmith.compute.base import ENDED, MODEL_SERVER_GRACE_SECONDS, ModelContainer, TaskEvent, TaskSpec, TaskState
from sagesmith.process_identity import ProcessIdentity, read_identity

_AFTER_FAILURE_SECONDS = 5.0
"""How long the others may take to end once one has ended: the instance is of no use any more."""
_AGENT_SECONDS = 10.0
"""How much longer their agents may take, to see that and to say it."""
_POLL_SECONDS = 0.02
_PORTS = {"SAGEMAKER_BIND_TO_PORT": str(CONTAINER_PORT), "SAGEMAKER_SAFE_PORT_RANGE": "21000-21999"}
"""Where a container of several is to listen. Each has a network of its own here, so the port is the usual one."""


@dataclass(slots=True)
class _Inner:
    """One container and its agent."""

    name: str
    directory: TaskDir
    socket: Path
    agent: "subprocess.Popen[bytes]"
    events: list[TaskEvent] = field(default_factory=list)
    program: ProcessIdentity | None = None
    _read: int = 0

    @property
    def over(self) -> bool:
        return self.agent.poll() is not None

    @property
    def state(self) -> TaskState:
        return self.events[-1].state if self.events else "Starting"

    def look(self) -> None:
        """Read what its agent has reported since the last time."""
        with contextlib.suppress(FileNotFoundError), self.directory.report.open("rb") as report:
            report.seek(self._read)
            data = report.read()
            end = data.rfind(b"\n") + 1
            self.events += [event_from_json(line) for line in data[:end].splitlines()]
            self._read += end

    def stop(self) -> None:
        self.directory.stop.touch(mode=0o600)
        self.agent.send_signal(signal.SIGTERM)

    def pids(self) -> Iterator[int]:
        """The container's processes."""
        self.program = self.program or read_identity(self.directory.process)
        if self.program is not None:
            yield self.program.pid
            yield from descendants(self.program.pid)


class Containers:
    """Runs them all. Main thread only.

    Args:
        task: the outer agent's.
        sockets: the directory that has theirs, each in one of its own by the container's number, from 1.
    """

    def __init__(self, task: Task, sockets: Path) -> None:
        self._signals = task.signals
        self._announced = False
        self._first: _Inner | None = None
        self._usage = task.measure(self._pids)
        sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Nobody but this process has the other end, which it never closes.
        read_end, self._lease = os.pipe()
        try:
            self._inner = [
                _start(task, number, each, sockets / str(number), read_end)
                for number, each in enumerate(task.spec.containers, 1)
            ]
        finally:
            os.close(read_end)

    @property
    def sockets(self) -> list[Path]:
        """Where they listen, in the model's order."""
        return [each.socket for each in self._inner]

    def announce(self) -> bool:
        """Whether all of them have just become healthy."""
        if self._announced or any(each.state != "Serving" for each in self._inner):
            return False
        self._announced = True
        return True

    def terminate(self) -> None:
        """Ask all to end."""
        for each in self._inner:
            if not each.over:
                each.stop()

    def kill(self) -> None:
        """End all at once: what runs in a sandbox or a container ends with its agent."""
        for each in self._inner:
            each.agent.kill()

    def run(
        self,
        max_seconds: float | None = None,
        grace_seconds: float = MODEL_SERVER_GRACE_SECONDS,
        tick: Callable[[], float | None] = lambda: None,
    ) -> Ended:
        """Return when all have ended; for the arguments see `UserProcess.run`. When one ends, the others are ended."""
        deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds
        kill_at = math.inf
        asked = stopped = timed_out = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals.descriptor, selectors.EVENT_READ)
            while not self._all_over(asked):
                now = time.monotonic()
                if not asked:
                    stopped = self._signals.stop_requested and self._first is None
                    timed_out = now >= deadline and not stopped
                    asked = stopped or timed_out or self._first is not None
                    if asked:
                        kill_at = now + (_AFTER_FAILURE_SECONDS if self._first else grace_seconds + _AGENT_SECONDS)
                        self.terminate()
                if now >= kill_at:
                    self.kill()
                    kill_at = math.inf
                waits = [self._usage.tick(), kill_at - now, *([] if asked else [deadline - now])]
                if (wanted := tick()) is not None:
                    waits.append(wanted)
                elif not self._announced:
                    waits.append(_POLL_SECONDS)
                selector.select(max(0.0, min(waits)))
                self._signals.drain()
        self._usage.end()
        return Ended(int(self.detail.get("exit_code", 1)), stopped, timed_out)

    @property
    def detail(self) -> dict[str, Any]:
        """Which container ended first, and its exit code if its program ran; empty if none did before its time."""
        if self._first is None:
            return {}
        last = self._first.events[-1].detail if self._first.events else {}
        return {"container": self._first.name, **{name: last[name] for name in ("exit_code",) if name in last}}

    @property
    def reason(self) -> str:
        """Why that one ended, in its agent's words."""
        first = self._first
        if first is None:
            return "The containers ended"
        if first.state not in ENDED:
            return f"InternalServerError: the node agent of container {first.name} ended without a report"
        said = str(first.events[-1].detail.get("failure_reason") or first.events[-1].message)
        return said if "exit_code" in self.detail else f"{said} (container {first.name})"

    def _all_over(self, asked: bool) -> bool:
        """See how they are; whether all have ended.

        Args:
            asked: they were asked to, so that the first one that does is not to be noted.
        """
        over = [each for each in self._inner if each.over]
        for each in self._inner:
            each.look()
        if over and self._first is None and not asked and not self._signals.stop_requested:
            self._first = next((each for each in over if each.state == "Failed"), over[0])
        return len(over) == len(self._inner)

    def _pids(self) -> Iterator[int]:
        for each in self._inner:
            yield from each.pids()


def serve_all(task: Task) -> Ending:
    """Run a serving task of several containers until it is stopped or one of them ends."""
    report = task.report
    report.write("Starting", "Preparing the instance")
    containers = Containers(task, Path(os.environ["SAGESMITH_SOCKET_DIRECTORY"]))
    report.write("Downloading", "Downloading the models")

    def tick() -> None:
        if containers.announce():
            report.write("Serving", "All model servers answer /ping")

    ended = containers.run(tick=tick)
    if ended.stopped:
        return Ending("Stopped", "The model servers were stopped", {"exit_code": 0})
    reason = containers.reason[:MAX_REASON]
    return Ending("Failed", reason, {**containers.detail, "failure_reason": reason})


def _start(task: Task, number: int, container: ModelContainer, sockets: Path, leased: int) -> _Inner:
    """Start the agent of one container, in the outer one's process group: who kills that kills all of it."""
    directory = TaskDir(task.directory.containers / str(number))
    directory.root.mkdir(mode=0o700, parents=True)
    descriptor = os.open(directory.spec, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(spec_to_json(_inner_spec(task.spec, number, container)))
    agent = subprocess.Popen(
        [sys.executable, "-m", "sagesmith.agent", str(directory.root), f"agent:{task.spec.label}"],
        stdin=subprocess.DEVNULL,
        cwd="/",
        env={**os.environ, "SAGESMITH_SOCKET_DIRECTORY": str(sockets), lease.VARIABLE: f"{leased}{lease.UNTIMED}"},
        pass_fds=[leased],
    )
    return _Inner(container.name, directory, sockets / SOCKET_NAME, agent)


def _inner_spec(spec: TaskSpec, number: int, container: ModelContainer) -> TaskSpec:
    return replace(
        spec,
        id=f"{spec.id}-{number:x}",
        gang="",
        hosts=[container.name],
        host=container.name,
        image=container.image,
        environment={**spec.environment, **container.environment, **_PORTS},
        model_data=container.model_data,
        code=container.code,
        containers=[],
        container=container.name,
        transform=None,
        handover=None,
    )
