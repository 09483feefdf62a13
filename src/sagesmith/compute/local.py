"""Tasks as detached processes of this machine."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith.agent import engine
from sagesmith.agent.limits import remove_recorded
from sagesmith.agent.network.gang import Gang
from sagesmith.agent.taskdir import TaskDir, spec_to_json
from sagesmith.compute import watching
from sagesmith.compute.base import ENDED, MetricSample, Process, TaskEvent, TaskKind, TaskObservation, TaskSpec
from sagesmith.compute.reading import read_events, read_lines, read_samples
from sagesmith.compute.warm import PAUSE_SECONDS, WarmPool, warm_directory
from sagesmith.files import flush_directory, free_beginning, is_locked, remove_tree, write_durably
from sagesmith.priority import LAST, MIDDLE, place_of_session, rank_process
from sagesmith.process_identity import ProcessIdentity, boot_id, read_identity, write_identity

_INHERITED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "CC", "PYENV_ROOT"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
        *("XDG_RUNTIME_DIR", "REGISTRY_AUTH_FILE", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
        *("CONTAINERS_REGISTRIES_CONF", "DOCKER_CONFIG"),
        *(
            "SAGESMITH_CONTAINER_ENGINE",
            "SAGESMITH_JOB_NETWORK",
            "SAGESMITH_PYTHONS",
            "SAGESMITH_OFFLINE",
            "SAGESMITH_CACHE",
            "SAGESMITH_MAX_MODEL_BYTES",
            "SAGESMITH_TORCH_WHEELS",
            "SAGESMITH_WEIGHTS",
        ),
    )
)
_INHERITED_PREFIXES = ("PIP_", "UV_")
_REMOVED = ".removed-"
_GONE_POLL_SECONDS = 0.005
_GONE_SECONDS = 30.0
_COLLECTED_SECONDS = 3.0
LOG_KEPT_BYTES = 64 << 20
LOG_FREED_BYTES = 16 << 20
"""Of a log that has been read the last bytes stay on the disk, for the database's last transactions may be lost with
the machine's power; what is before them is removed a good piece at a time."""


@dataclass(slots=True)
class _Known:
    """What was read of a task so far. Whoever uses it holds its lock."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    events: list[TaskEvent] = field(default_factory=list)
    report_bytes: int = 0
    freed_bytes: int = 0
    agent: ProcessIdentity | None = None
    programs: list[ProcessIdentity] = field(default_factory=list)
    kind: TaskKind | None = None
    label: str = ""
    containers: Sequence[str] = ()
    started: "subprocess.Popen[bytes] | None" = None


class LocalBackend:
    """`compute.base.Backend` on this machine: a directory and a node agent a task.

    The agents outlive this process; a new one finds them by their directories. Thread safe.

    Args:
        tasks_dir: where the tasks' directories are.
        sockets: where the model servers' sockets are; a short path.
        variables: what the agents have in their environment besides.
        descriptors: what they inherit besides.
        warm_servers: how many model servers are kept ready for each kind of them that is expected.
        warm_pause_seconds: how long after one was taken the next is started.
    """

    def __init__(
        self,
        tasks_dir: Path,
        sockets: Path,
        *,
        variables: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        warm_servers: int = 0,
        warm_pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._tasks_dir = tasks_dir
        self._sockets = sockets
        self._variables = dict(variables or {})
        self._descriptors = descriptors
        self._known: dict[str, _Known] = {}
        self._known_lock = threading.Lock()
        self._watcher = watching.shared()
        for path in tasks_dir.glob(f"{_REMOVED}*"):
            remove_tree(path)
        self._warm: WarmPool | None = None
        if warm_servers:
            folder = warm_directory(tasks_dir)
            self._warm = WarmPool(folder, sockets, self._spawn_warm, warm_servers, warm_pause_seconds)

    def close(self) -> None:
        """End what is kept ready; tasks go on."""
        if self._warm is not None:
            self._warm.close()

    def expect(self, spec: TaskSpec) -> None:
        if self._warm is not None:
            self._warm.expect(spec)

    def start(self, specs: Sequence[TaskSpec]) -> None:
        """Start a gang's agents one after the other; a crash in between leaves what the next call completes."""
        begun: list[str] = []
        try:
            for spec in specs:
                if not self._directory(spec.id).agent.exists():
                    begun.append(spec.id)
                    self._start(spec)
        except BaseException:
            for task_id in begun:
                with contextlib.suppress(OSError):
                    self.forget(task_id)
            raise

    def _start(self, spec: TaskSpec) -> None:
        """Write the specification, then start the agent."""
        directory = self._directory(spec.id)
        with self._task(spec.id) as known:
            if directory.agent.exists():
                return
            for path in (self._tasks_dir, directory.root):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not directory.spec.exists():
                write_durably(directory.spec, spec_to_json(spec).encode())
                flush_directory(self._tasks_dir)
            if known.started is None or known.started.poll() is not None:
                if self._warm is not None:
                    known.started = self._warm.take(spec, directory.root, self._socket_directory(spec.id))
                if known.started is None:
                    self._spawn(directory, known)

    def stop(self, task_id: str) -> None:
        directory = self._directory(task_id)
        # The file first: an agent that is only just starting looks for it when it can be told otherwise.
        with contextlib.suppress(FileNotFoundError):
            directory.stop.touch(mode=0o600)
        agent = read_identity(directory.agent)
        if agent is not None and agent.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(agent.pid, signal.SIGTERM)

    def kill(self, task_id: str) -> None:
        """SIGKILL to the agent's process group and to the sandbox, whose pid namespace takes the rest with it."""
        directory = self._directory(task_id)
        if not directory.spec.exists():
            return
        with self._task(task_id) as known:
            if known.started is not None and known.started.poll() is None:
                _kill_group(known.started.pid)
                known.started.wait()
            _forestall(directory)
            agent = read_identity(directory.agent)
            self._read_report(directory, known)
            was_lost = not (known.events and known.events[-1].state in ENDED)
            if agent is not None and agent.runs():
                was_lost = False
                _kill_group(agent.pid)
                _wait_gone(agent)
            for each in directory.inner():
                # It ends by itself with its outer one.
                inner = read_identity(each.agent)
                if inner is not None and inner.runs():
                    _kill_group(inner.pid)
                    _wait_gone(inner)
            for each in (directory, *directory.inner()):
                _end_sandbox(each, was_lost)

    def inspect(self, task_id: str) -> TaskObservation | None:
        directory = self._directory(task_id)
        if not directory.spec.exists():
            return None
        with self._task(task_id) as known:
            try:
                # Whether it lives is looked at first: an agent that ends meanwhile has written its last event before.
                alive = self._alive(directory, known)
                self._read_report(directory, known)
                return self._observation(task_id, directory, known, alive)
            except FileNotFoundError:
                return None  # Forgotten meanwhile, perhaps by another process.

    def tasks(self) -> list[TaskObservation]:
        try:
            names = sorted(path.name for path in self._tasks_dir.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        return [observed for name in names if (observed := self.inspect(name)) is not None]

    def watch(self, task_id: str, wake: Callable[[], None]) -> bool:
        return self._watcher.watch(self._directory(task_id).root, wake)

    def read_log(self, task_id: str, offset: int, limit: int = 1 << 20) -> tuple[list[tuple[int, str]], int]:
        output = self._directory(task_id).output
        if offset >= LOG_KEPT_BYTES + LOG_FREED_BYTES:
            with self._task(task_id) as known:
                if offset - known.freed_bytes >= LOG_KEPT_BYTES + LOG_FREED_BYTES:
                    known.freed_bytes = offset - LOG_KEPT_BYTES
                    free_beginning(output, known.freed_bytes)
        return read_lines(output, offset, limit)

    def read_metrics(self, task_id: str, offset: int, limit: int = 1 << 18) -> tuple[list[MetricSample], int]:
        return read_samples(self._directory(task_id).metrics, offset, limit)

    def forget(self, task_id: str) -> None:
        """Remove the task's directory and socket; it is killed first should it still run."""
        self.kill(task_id)
        for each in (self._directory(task_id), *self._directory(task_id).inner()):
            remove_recorded(each.limits)
        with self._task(task_id):
            # Renamed first: half a directory must not be taken for a task after a crash.
            self._leave_gang(task_id)
            directory = self._directory(task_id).root
            doomed = directory.with_name(_REMOVED + directory.name)
            with contextlib.suppress(FileNotFoundError):
                directory.rename(doomed)
            for path in (doomed, self._socket_directory(task_id)):
                remove_tree(path)
        with self._known_lock:
            self._known.pop(task_id, None)

    def _leave_gang(self, task_id: str) -> None:
        """Remove what an agent that was killed left for the job's other hosts."""
        try:
            spec = self._directory(task_id).read_spec()
        except FileNotFoundError:
            return
        if spec.gang:
            Gang.beside(self._directory(task_id).root, spec.gang, spec.host).leave()

    @contextlib.contextmanager
    def _task(self, task_id: str) -> Iterator[_Known]:
        """What is known of a task, with its lock held: a task that takes long to end must not hold up the others."""
        with self._known_lock:
            known = self._known.setdefault(task_id, _Known())
        with known.lock:
            yield known

    def _spawn(self, directory: TaskDir, known: _Known) -> None:
        spec = directory.read_spec()
        command = ["sagesmith.agent", str(directory.root), f"agent:{spec.label}"]
        nice = MIDDLE if spec.kind == "serve" else LAST
        known.started = self._run(command, directory, self._socket_directory(spec.id), self._descriptors, nice)

    def _spawn_warm(self, directory: TaskDir, sockets: Path, control: socket.socket) -> "subprocess.Popen[bytes]":
        command = ["sagesmith.agent.warm", str(directory.root), str(control.fileno())]
        return self._run(command, directory, sockets, [*self._descriptors, control.fileno()], MIDDLE)

    def _run(
        self, command: Sequence[str], directory: TaskDir, sockets: Path, descriptors: Sequence[int], nice: int
    ) -> "subprocess.Popen[bytes]":
        """Start an agent, which begins with `lead_session`."""
        log = os.open(directory.agent_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            started = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(os.environ)
                | {"SAGESMITH_SOCKET_DIRECTORY": str(sockets), **place_of_session(nice), **self._variables},
                pass_fds=descriptors,
            )
        finally:
            os.close(log)
        rank_process(started.pid, nice)
        return started

    def _alive(self, directory: TaskDir, known: _Known) -> bool:
        if known.started is not None:
            if known.started.poll() is None:
                return True
            if known.agent is None:
                known.agent = read_identity(directory.agent)
            # An agent that left no identity could not even start: agent.log says why.
            return known.agent is not None and known.agent.runs()
        if known.agent is None:
            known.agent = read_identity(directory.agent)
        if known.agent is not None:
            return known.agent.runs()
        if not is_locked(directory.lock):
            # Whoever called `start` died between its steps: the task is still owed its agent.
            self._spawn(directory, known)
        return True

    def _read_report(self, directory: TaskDir, known: _Known) -> None:
        events, known.report_bytes = read_events(directory.report, known.report_bytes)
        known.events += events

    def _observation(self, task_id: str, directory: TaskDir, known: _Known, alive: bool) -> TaskObservation:
        if known.kind is None:
            spec = directory.read_spec()
            known.kind, known.label = spec.kind, spec.label
            known.containers = [each.name for each in spec.containers]
        processes: list[Process] = []
        agent_pid = known.agent.pid if known.agent else known.started.pid if known.started else None
        if alive and agent_pid is not None:
            processes.append(Process(agent_pid, f"agent:{known.label}"))
        state = known.events[-1].state if known.events else "Starting"
        if state != "Starting" and len(known.programs) < max(1, len(known.containers)):
            started = [read_identity(each.process) for each in (directory.inner() if known.containers else [directory])]
            known.programs = [each for each in started if each is not None]
        word = "model" if known.kind == "serve" else "job"
        processes += [Process(each.pid, f"{word}:{known.label}") for each in known.programs if each.runs()]
        address = None
        if alive and known.kind == "serve" and state == "Serving":
            sockets = self._socket_directory(task_id)
            address = f"unix:{(sockets / '1' if known.containers else sockets) / 'http.sock'}"
        return TaskObservation(task_id, alive, list(known.events), address, processes, containers=known.containers)

    def _directory(self, task_id: str) -> TaskDir:
        return TaskDir(self._tasks_dir / task_id)

    def _socket_directory(self, task_id: str) -> Path:
        return self._sockets / task_id


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What an agent gets of our variables: what finding and building environments needs, and no keys."""
    return {
        name: value for name, value in environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def _kill_group(leader: int) -> None:
    """SIGKILL to a session leader's process group: the agent and an installer that it may have started."""
    for kill, pid in ((os.killpg, leader), (os.kill, leader)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _end_sandbox(directory: TaskDir, was_lost: bool) -> None:
    """End what a task's agent, or an inner one, started; the agent is gone."""
    # Its first process ends last of all that run in it.
    sandbox = read_identity(directory.process)
    if sandbox is not None and sandbox.runs():
        with contextlib.suppress(ProcessLookupError):
            os.kill(sandbox.pid, signal.SIGKILL)
        _wait_gone(sandbox)
    if sandbox is not None and was_lost:
        _wait_collected(sandbox.pid)
    engine.remove_noted(directory.container)


def _wait_gone(identity: ProcessIdentity) -> None:
    give_up = time.monotonic() + _GONE_SECONDS
    while identity.runs():
        if time.monotonic() > give_up:
            raise OSError(f"process {identity.pid} does not end after SIGKILL")
        time.sleep(_GONE_POLL_SECONDS)


def _wait_collected(pid: int) -> None:
    """Wait a little until init has collected a process whose parent is gone: people who look for orphans see it."""
    give_up = time.monotonic() + _COLLECTED_SECONDS
    while _is_zombie(pid) and time.monotonic() < give_up:
        time.sleep(_GONE_POLL_SECONDS)


def _is_zombie(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _forestall(directory: TaskDir) -> None:
    """Make sure that no agent comes up any more: one that finds an identity in its place takes the task for run.

    An agent that is at this very moment writing its own is waited for.
    """
    while not directory.agent.exists():
        descriptor = os.open(directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not directory.agent.exists():
                write_identity(directory.agent, ProcessIdentity(0, 0, boot_id()))
        except BlockingIOError:
            time.sleep(_GONE_POLL_SECONDS)
        finally:
            os.close(descriptor)
