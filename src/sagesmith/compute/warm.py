"""Model servers that are kept ready on this machine, each with its libraries imported, for tasks that are expected.

There are some for every environment in which a model server may soon be wanted, and none for any other. Each is a node
agent with a complete sandbox (`agent.warm`), which is used once: nothing of one task can reach the next. Another takes
its place after a pause, so that it is not in the way of what has just been started.

They end with the process that keeps them: their control sockets close with it.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sagesmith.agent.limits import threads
from sagesmith.agent.taskdir import TaskDir, spec_to_json
from sagesmith.agent.warm import TAKEN
from sagesmith.compute.base import Process, TaskSpec
from sagesmith.files import remove_tree, write_durably
from sagesmith.images.base import ImageNotRunnable
from sagesmith.images.registry import resolve
from sagesmith.process_identity import read_identity

PREFIX = "warm-"
EXPECTED_SECONDS = 60.0
"""How long after the last word of it a task is expected."""
PAUSE_SECONDS = 2.0
"""How long what was just started has the machine's cores to itself."""
_FAILED_PAUSE_SECONDS = 60.0
_TAKEN_SECONDS = 5.0
"""How long an agent may take to say that it has taken a task: another one could not begin much sooner."""
_LOOK_SECONDS = 0.5
_LEAST_FREE_BYTES = 1 << 30
"""So much memory must be available: what is kept ready must not take it from what runs."""
_READ_AT_IMPORT = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "NUMEXPR_", "NPY_", "NUMPY_", "SCIPY_", "NUMBA_"),
    *(
        "SKLEARN_",
        "JOBLIB_",
        "LOKY_",
        "PANDAS_",
        "ARROW_",
        "XGBOOST_",
        "TORCH",
        "PYTORCH_",
        "ATEN_",
        "CUDA_",
        "NVIDIA_",
    ),
    *("NCCL_", "TF_", "XLA_", "DNNL_", "ONEDNN_", "KERAS_", "HF_HOME", "HF_HUB_", "HUGGINGFACE_", "TRANSFORMERS_"),
    *("TOKENIZERS_", "SAFETENSORS_", "USE_", "ACCELERATE_", "PROTOCOL_BUFFERS_", "GRPC_", "ABSL_", "XDG_", "MPL"),
    *("MLFLOW_LOGGING_", "MLFLOW_CONFIGURE_", "OTEL_", "PYDANTIC_", "ORT_", "OPENSSL_"),
    *("PYTHON", "UV_", "UVLOOP_", "LD_", "GLIBC_", "MALLOC_", "LC_", "LANG", "TZ", "TMP", "TEMP", "PATH", "HOME"),
    "SAGESMITH_HANDLERS",
    "SAGESMITH_ALGORITHM",
)
"""Variables that begin so may be read by libraries when they are imported: who sets one gets a process of its own."""

Spawn = Callable[[TaskDir, Path, socket.socket], "subprocess.Popen[bytes]"]
"""Starts a warm agent: its directory, that of its socket, and its end of the control socket."""


@dataclass(slots=True)
class _Server:
    """A warm model server and its agent."""

    directory: TaskDir
    sockets: Path
    process: "subprocess.Popen[bytes]"
    control: socket.socket


@dataclass(slots=True)
class _Kind:
    """Tasks that are alike as far as a warm model server goes."""

    spec: TaskSpec
    expected_until: float
    due: float
    servers: list[_Server] = field(default_factory=list)


class WarmPool:
    """Keeps model servers ready. Thread safe; one a data directory.

    Args:
        root: where their directories are, on the file system of the tasks'; what a former process left there is ended.
        sockets: where the directories of their sockets are, beside those of tasks.
        count: how many there are of a kind.
        pause_seconds: how long after one was taken the next is started.
    """

    def __init__(
        self, root: Path, sockets: Path, spawn: Spawn, count: int = 1, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        self._root = root
        self._sockets = sockets
        self._spawn = spawn
        self._count = count
        self._pause_seconds = pause_seconds
        self._kinds: dict[str, _Kind] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        end_all(root, sockets)

    def expect(self, spec: TaskSpec) -> None:
        """Have a model server ready for tasks like this one, for a minute from now."""
        key = _key(spec)
        if key is None or self._count == 0:
            return
        now = time.monotonic()
        with self._changed:
            kind = self._kinds.get(key)
            if kind is None:
                self._kinds[key] = _Kind(_nobodys(spec), now + EXPECTED_SECONDS, now + self._pause_seconds)
            else:
                kind.expected_until = now + EXPECTED_SECONDS
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="warm", daemon=True)
                self._thread.start()

    def take(self, spec: TaskSpec, task: Path, sockets: Path) -> "subprocess.Popen[bytes] | None":
        """Make a warm agent the agent of a task; None if there is none for it.

        Args:
            task: the task's directory, with the specification in it.
            sockets: the directory of its socket, not made yet.
        """
        key = _key(spec)
        with self._changed:
            kind = self._kinds.get(key) if key is not None else None
            if kind is None or not kind.servers:
                return None
            server = kind.servers.pop(0)
            kind.due = time.monotonic() + self._pause_seconds
        answer = b""
        with contextlib.suppress(OSError), server.control:
            server.control.settimeout(_TAKEN_SECONDS)
            server.control.send(json.dumps({"task": str(task), "sockets": str(sockets)}).encode())
            answer = server.control.recv(len(TAKEN))
        if answer != TAKEN:
            _end(server)
            _clear(TaskDir(task), sockets)
            return None
        remove_tree(server.directory.root)
        return server.process

    def ready(self) -> int:
        """How many model servers there are, whether or not they have imported all of it."""
        with self._changed:
            return sum(len(kind.servers) for kind in self._kinds.values())

    def close(self) -> None:
        """End all of them and keep none from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        for kind in self._kinds.values():
            for server in kind.servers:
                _end(server)
        self._kinds.clear()

    def _run(self) -> None:
        """The thread's whole life: it ends when nothing is expected any more."""
        while True:
            with self._changed:
                if not self._closed:
                    self._changed.wait(_LOOK_SECONDS)
                if self._closed:
                    return
                doomed = list(self._dropped(time.monotonic()))
                due = self._due(time.monotonic())
                if not self._kinds and not doomed:
                    self._thread = None
                    return
            for server in doomed:
                _end(server)
            for kind in due:
                self._add(kind)

    def _dropped(self, now: float) -> Iterator[_Server]:
        """Remove what has ended, and what nobody expects; what is to be ended of it."""
        for key, kind in list(self._kinds.items()):
            ended = [each for each in kind.servers if each.process.poll() is not None]
            if ended:
                kind.due = now + _FAILED_PAUSE_SECONDS
            if now > kind.expected_until:
                del self._kinds[key]
                ended = kind.servers
            kind.servers = [each for each in kind.servers if each not in ended]
            yield from ended

    def _due(self, now: float) -> list[_Kind]:
        if _available_bytes() < _LEAST_FREE_BYTES:
            return []
        return [kind for kind in self._kinds.values() if now >= kind.due and len(kind.servers) < self._count]

    def _add(self, kind: _Kind) -> None:
        try:
            server = self._started(kind.spec)
        except OSError:
            with self._changed:
                kind.due = time.monotonic() + _FAILED_PAUSE_SECONDS
            return
        with self._changed:
            kind.servers.append(server)
            kind.due = time.monotonic() + self._pause_seconds

    def _started(self, spec: TaskSpec) -> _Server:
        task_id = f"{PREFIX}{uuid.uuid4().hex}"
        directory, sockets = TaskDir(self._root / task_id), self._sockets / task_id
        directory.root.mkdir(mode=0o700, parents=True)
        write_durably(directory.spec, spec_to_json(replace(spec, id=task_id)).encode())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            return _Server(directory, sockets, self._spawn(directory, sockets, theirs), ours)


def warm_directory(tasks: Path) -> Path:
    """Where the directories of warm agents are: beside those of the tasks, which take over what is in them."""
    return tasks.with_name(f"{tasks.name}-warm")


def processes_of(root: Path) -> list[Process]:
    """The agents and model servers that are kept ready."""
    return [
        Process(identity.pid, f"{word}:ready")
        for path in _directories(root)
        for word, file in (("warm-agent", TaskDir(path).agent), ("warm-model", TaskDir(path).process))
        if (identity := read_identity(file)) is not None and identity.runs()
    ]


def end_all(root: Path, sockets: Path) -> None:
    """End what a process that is gone kept ready, and remove what it left."""
    for path in _directories(root):
        directory = TaskDir(path)
        for file in (directory.agent, directory.process):
            identity = read_identity(file)
            while identity is not None and identity.runs():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(identity.pid, signal.SIGKILL)
                time.sleep(0.005)
        remove_tree(path)
    for path in sockets.glob(f"{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _directories(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.name.startswith(PREFIX)]
    except FileNotFoundError:
        return []


def _key(spec: TaskSpec) -> str | None:
    """What a warm model server is the same for; None if there can be none for a task."""
    if spec.kind != "serve" or spec.command or spec.resources.gpus:
        return None
    if spec.models is not None or spec.containers or spec.container:
        return None
    if any(name.startswith(_READ_AT_IMPORT) for name in spec.environment):
        return None
    try:
        runtime = resolve(spec.image)
    except ImageNotRunnable:
        return None
    same = [
        *(runtime.lock, runtime.python, sorted(runtime.variables.items()), list(runtime.programs)),
        *(threads(spec.resources), spec.network_isolation, list(spec.doors), spec.ca_bundle, spec.host, spec.cache),
    ]
    return hashlib.sha256(json.dumps(same).encode()).hexdigest()


def _nobodys(spec: TaskSpec) -> TaskSpec:
    """What a warm agent is told: nothing that is a task's own. Its way to S3 is that of all agents."""
    return replace(
        spec,
        id="",
        label="ready",
        job_name="ready",
        job_arn="",
        environment={},
        model_data=None,
        code=None,
        kms_key_id=None,
        handover=None,
    )


def _clear(task: TaskDir, sockets: Path) -> None:
    """Remove what a warm agent that has ended left of a task that it had not taken yet: another one is to begin it, and
    would take an identity in its place for one that ran it."""
    for path in (task.report, task.output, task.metrics, task.process, task.agent_log):
        path.unlink(missing_ok=True)
    for path in (task.opt_ml, task.scratch, sockets):
        remove_tree(path)
    task.agent.unlink(missing_ok=True)


def _end(server: _Server) -> None:
    server.control.close()
    if server.process.poll() is None:
        # Its group, unless it has not come to make one.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    for path in (server.directory.root, server.sockets):
        remove_tree(path)


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return 1 << 62
