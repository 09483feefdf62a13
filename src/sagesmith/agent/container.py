"""A task's program in a container of an image that is not one of ours: the second `isolation.Isolation`.

Made, initialised and started in three steps, so that the program waits while its network is furnished and its limits
are set. The engine (`podman create --log-driver passthrough`) gives the program the agent's pipe itself: nothing lies
between them that could lose lines.
"""

import contextlib
import errno
import os
import re
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith.agent import engine
from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.network.namespaces import Namespace
from sagesmith.agent.network.network import Network
from sagesmith.agent.sandbox import MAX_PROCESSES, UIDS_OF_A_CONTAINER

_LAST_SECONDS = 60
_SAID_BYTES = 4096
# What the dynamic loader and the engine itself would heed in their own environment.
_HEEDED = re.compile(
    r"(?:LD_|GLIBC_|MALLOC_|GO|XDG_|_?CONTAINER|PODMAN|DOCKER|BUILDAH|STORAGE_|REGISTRY_|DBUS_|NOTIFY_|LISTEN_|LC_)"
    r".*|PATH|HOME|USER|TMPDIR|LANG|TZ|SSL_CERT_.*|\w+_proxy|_",
    re.IGNORECASE,
)
# Waits for a line or for the end of the agent, whichever comes first.
_GUARD = 'read -r line || exec "$0" rm --force --ignore --volumes "$1"'


@dataclass(frozen=True, slots=True)
class Container:
    """What a container of one task is made of.

    Attributes:
        name: the container's, unique on this machine.
        record: where it is noted.
        scratch: a directory that is ours alone.
        opt_ml: host directory shown as /opt/ml.
        uid: what the container's root is here; with as many uids after it for the image's other users. None: the
            engine decides, as it does for an ordinary user.
        network: furnishes the container's network.
        entrypoint: the command replaces the image's own entrypoint, and does not follow it.
        files: (host path, path inside), read-only.
        shared_memory_bytes: the size of /dev/shm.
        enter: called in the new process before it becomes the engine's, which inherits the namespaces that it enters.
    """

    image: engine.OwnImage
    name: str
    record: Path
    scratch: Path
    opt_ml: Path
    uid: int | None
    host: str
    network: Callable[[Namespace], Network]
    entrypoint: bool
    shared_memory_bytes: int
    files: Sequence[tuple[Path, str]] = ()
    enter: Callable[[], None] | None = None

    def start(self, title: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> "Started":
        """`Isolation.start`. The container's processes have the image's names, whatever the title."""
        self.scratch.mkdir(exist_ok=True)
        for name in ("hosts", "resolv.conf"):
            (self.scratch / name).touch()
            (self.scratch / name).chmod(0o644)
        engine.note(self.record, self.image.engine, self.name, self.opt_ml)
        guard = _guard(self.image.engine, self.name)
        try:
            self._create(command, environment)
            first = self._initialise(output)
            handle = os.pidfd_open(first)
            return Started(self, first, handle, guard, self._furnish(first))
        except BaseException:
            guard.communicate(b"")
            self.record.unlink()
            raise

    def _create(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        file = self.scratch / "environment"
        by_file, by_name = _divided(environment)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as lines:
            lines.writelines(f"{name}={value}\n" for name, value in by_file.items())
        options = [*self._options(), "--env-file", str(file)]
        for name in by_name:
            options += ["--env", name]
        if self.entrypoint:
            options += ["--entrypoint", command[0]]
        rest = list(command[1:] if self.entrypoint else command)
        try:
            done = engine.run(self.image.engine, ["create", *options, self.image.uri, *rest], environ=by_name)
        finally:
            file.unlink()
        if done.returncode:
            raise TaskFailed(f"InternalServerError: {self._failed(done.stderr)}")

    def _options(self) -> list[str]:
        options = ["--name", self.name, "--label", f"{engine.LABEL}={self.name}", "--rm", "--pull", "never"]
        options += ["--log-driver", "passthrough", "--pidfile", str(self.scratch / "pid"), "--systemd", "false"]
        options += ["--network", "none", "--no-hosts", "--hostname", self.host, "--http-proxy=false"]
        options += ["--security-opt", "label=disable", "--stop-timeout", "0", "--healthcheck-command", "none"]
        options += ["--pids-limit", str(MAX_PROCESSES), "--shm-size", str(self.shared_memory_bytes)]
        for name, kind, most in (
            ("nofile", resource.RLIMIT_NOFILE, None),
            ("nproc", resource.RLIMIT_NPROC, MAX_PROCESSES),
        ):
            options += ["--ulimit", f"{name}={_ulimit(kind, most)}"]
        if self.uid is not None:
            for which in ("--uidmap", "--gidmap"):
                options += [which, f"0:{self.uid}:{UIDS_OF_A_CONTAINER}"]
        options += _mount(self.opt_ml, "/opt/ml", writable=True)
        own = [(self.scratch / "hosts", "/etc/hosts"), (self.scratch / "resolv.conf", "/etc/resolv.conf")]
        for path, inside in (*own, *self.files):
            options += _mount(path, inside)
        return options

    def _initialise(self, output: int) -> int:
        """Make the container's namespaces and its first process, which waits; its pid."""
        process = subprocess.Popen(
            [self.image.engine, "init", self.name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            # It makes a few system calls, and takes no lock that another thread may hold.
            preexec_fn=self.enter,  # noqa: PLW1509
        )
        process.wait()
        said = _read_back(output)
        if process.returncode:
            raise TaskFailed(f"ClientError: {self._failed(said)}")
        return int((self.scratch / "pid").read_text(encoding="ascii"))

    def _furnish(self, first: int) -> Network:
        descriptors: list[int] = []
        kinds = ("net",) if os.geteuid() == 0 else ("net", "user")
        for kind in kinds:
            descriptors.append(os.open(f"/proc/{first}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
        network = self.network(Namespace(descriptors[0], descriptors[1] if len(descriptors) > 1 else None))
        network.open()
        (self.scratch / "hosts").write_text(network.hosts_file(), encoding="ascii")
        (self.scratch / "resolv.conf").write_text(network.resolv_conf(), encoding="ascii")
        return network

    def _failed(self, said: bytes) -> str:
        text = " ".join(said.decode("utf-8", "replace").split()).removeprefix("Error: ").rstrip(".")
        return f"The image {self.image.uri} could not be started: {text[:600]}"


@dataclass(slots=True)
class Started:
    """A container whose program waits for `release`."""

    _container: Container
    _first: int
    _handle: int
    _guard: "subprocess.Popen[bytes]"
    _network: Network
    first_is_users: bool = True
    _waiting: "subprocess.Popen[bytes] | None" = field(default=None)

    def first_pid(self) -> int | None:
        return self._first

    def pids(self) -> list[int]:
        return [self._first]

    def release(self) -> None:
        # Attached to nothing, it waits for the end, tells the exit code and removes the container.
        self._waiting = subprocess.Popen(
            [self._container.image.engine, "start", "--attach", "--sig-proxy=false", self._container.name],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            cwd="/",
        )

    def exit_code(self) -> int | None:
        code = None if self._waiting is None else self._waiting.poll()
        return code if code is None or code >= 0 else 128 - code

    def kill(self) -> None:
        # It takes all of its pid namespace with it.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def wait_for_all(self) -> None:
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        if not waiting.poll(_LAST_SECONDS * 1000):
            raise OSError(errno.ETIMEDOUT, "processes of the container do not end after SIGKILL")
        os.close(self._handle)
        container = self._container
        if self._waiting is None or self._waiting.wait() in (125, 126, 127):
            # It may be the program's own code, or mean that the engine did not come to remove it.
            engine.remove(container.image.engine, container.name)
        engine.take_back(container.image.engine, container.opt_ml)
        self._guard.communicate(b"\n")
        container.record.unlink(missing_ok=True)


def _guard(program: str, name: str) -> "subprocess.Popen[bytes]":
    """A process that outlives this one by as long as it takes to end the container."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, program, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _divided(environment: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What goes through a file, which has a line a variable, and what goes through the engine's own environment.

    Raises:
        TaskFailed: one can go neither way.
    """
    by_file: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for name, value in environment.items():
        if "\n" not in value:
            by_file[name] = value
        elif _HEEDED.fullmatch(name):
            raise TaskFailed(f"ClientError: The variable {name} of a container's environment cannot have a line break.")
        else:
            by_name[name] = value
    return by_file, by_name


def _mount(path: Path, inside: str, *, writable: bool = False) -> list[str]:
    fields = ("type=bind", f"src={path}", f"dst={inside}", *(() if writable else ("ro=true",)))
    return ["--mount", ",".join('"' + each.replace('"', '""') + '"' for each in fields)]


def _ulimit(kind: int, most: int | None) -> str:
    """What we have ourselves may be given; more may not."""
    _, hard = resource.getrlimit(kind)
    limits = [each for each in (hard, most) if each is not None and each != resource.RLIM_INFINITY]
    given = min(limits, default=-1)
    return f"{given}:{given}"


def _read_back(pipe: int) -> bytes:
    """Take out of a pipe, of which we have the writing end, what was written so far."""
    descriptor = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _SAID_BYTES)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)
