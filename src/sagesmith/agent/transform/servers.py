"""The model servers of a transform task: one, or those of a model with several containers."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sagesmith.agent.failures import MAX_REASON
from sagesmith.agent.process import Ended
from sagesmith.agent.reasons import out_of_memory
from sagesmith.agent.serve import HealthCheck, ModelServer
from sagesmith.agent.task import Task
from sagesmith.agent.transform.failures import SEE_LOGS


class Servers(Protocol):
    """What the data of a transform task goes through. Called from the agent's main thread."""

    @property
    def sockets(self) -> list[Path]:
        """Where they listen, in the order in which the data goes through them."""
        ...

    def start(self) -> None:
        """Begin. Raises TaskFailed."""
        ...

    def run(self, max_seconds: float | None, grace_seconds: float, tick: Callable[[], float | None]) -> Ended:
        """As `UserProcess.run`."""
        ...

    def look(self) -> float | None:
        """See how they are; in how many seconds to look again, None if that is not needed."""
        ...

    def announce(self) -> bool:
        """Whether all of them have just become healthy."""
        ...

    def terminate(self) -> None:
        """Ask them to end."""
        ...

    def kill(self) -> None:
        """End them at once."""
        ...

    def reason(self, ended: Ended) -> str:
        """Why they ended by themselves, as a FailureReason."""
        ...


class OneServer:
    """The model server of a model with one container."""

    def __init__(self, task: Task, server: ModelServer) -> None:
        self._task = task
        self._server = server
        self._process = task.process()
        self._check = HealthCheck(server.socket, task.spec.startup_timeout_seconds)

    @property
    def sockets(self) -> list[Path]:
        return [self._server.socket]

    def start(self) -> None:
        self._server.start(self._process, self._task.title)

    def run(self, max_seconds: float | None, grace_seconds: float, tick: Callable[[], float | None]) -> Ended:
        return self._process.run(max_seconds, grace_seconds, tick)

    def look(self) -> float | None:
        wait = self._check.look()
        if self._check.late and not self._task.signals.stop_requested:
            self._process.kill()
        return wait

    def announce(self) -> bool:
        return self._check.announce()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def reason(self, ended: Ended) -> str:
        limits = self._task.limits
        if limits.ran_out_of_memory():
            return out_of_memory(self._task.spec.instance_type, limits.memory_bytes or 0, ended.exit_code)
        late = self._check.reason if self._check.late else None
        head = late or f"The model server ended with exit code {ended.exit_code}"
        last = "\n".join(self._task.output.last_lines(20)) or "(none)"
        reason = f"AlgorithmError: {SEE_LOGS}. {head}. Its last lines: "
        return reason + last[-max(0, MAX_REASON - len(reason)) :]


class SeveralServers:
    """Those of a model with several containers, an inference pipeline."""

    def __init__(self, task: Task, sockets: Path) -> None:
        from sagesmith.agent.containers import Containers

        task.report.write("Downloading", "Downloading the models")
        self._containers = Containers(task, sockets)

    @property
    def sockets(self) -> list[Path]:
        return self._containers.sockets

    def start(self) -> None:
        """They run since they were made."""

    def run(self, max_seconds: float | None, grace_seconds: float, tick: Callable[[], float | None]) -> Ended:
        return self._containers.run(max_seconds, grace_seconds, tick)

    def look(self) -> float | None:
        return None

    def announce(self) -> bool:
        return self._containers.announce()

    def terminate(self) -> None:
        self._containers.terminate()

    def kill(self) -> None:
        self._containers.kill()

    def reason(self, ended: Ended) -> str:
        said = self._containers.reason
        if said.partition(":")[0] in ("ClientError", "InternalServerError"):
            return said[:MAX_REASON]
        return f"AlgorithmError: {SEE_LOGS}. {said}"[:MAX_REASON]
