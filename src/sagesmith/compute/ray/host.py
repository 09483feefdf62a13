"""One task on one node: the actor that runs the node agent there. It is all of ours that Ray runs."""

import contextlib
import fcntl
import hashlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import sagesmith
from sagesmith.agent import lease
from sagesmith.agent.network import wire
from sagesmith.agent.taskdir import TaskDir, spec_from_json
from sagesmith.compute.base import Process, TaskObservation, TaskSpec
from sagesmith.compute.local import LocalBackend
from sagesmith.compute.ray import gcs
from sagesmith.compute.ray.gate import is_loopback
from sagesmith.compute.ray.records import Seen
from sagesmith.compute.ray.switch import Switch
from sagesmith.compute.ray.tunnel import Way
from sagesmith.compute.ray.ways import Ways
from sagesmith.compute.reading import read_bytes
from sagesmith.config import default_cache_dir, default_node_dir
from sagesmith.process_identity import boot_id

SHORTEST_POLL_SECONDS = 0.02
LONGEST_POLL_SECONDS = 0.1
"""How often a task is looked at: seldom when it has been quiet for long, for a look costs half a millisecond."""
MAX_PIECE_BYTES = 1 << 20
_LOCK = "host.lock"
_RENEWALS = 6
"""How often a lease is renewed in its time: one slow answer of the cluster must not end a task."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of a task's files somebody has, in bytes."""

    report: int = 0
    output: int = 0
    metrics: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What is new of a task: bytes of its report, its output and its metrics, and how it stands."""

    report: bytes
    output: bytes
    metrics: bytes
    seen: Seen


class Host:
    """The node's end of one task. Its methods are called from several threads at once; each is idempotent.

    Args:
        task_id: whose agent it runs.
        version: the platform's own.
        tasks_dir: where tasks' directories are, if the platform's machine is this one; the node's own place if None.
        lease_seconds: after so long without a word of the cluster the agent ends.

    Raises:
        RuntimeError: the node has another version of Sagesmith.
    """

    def __init__(self, task_id: str, version: str, tasks_dir: str | None, lease_seconds: float) -> None:
        if sagesmith.__version__ != version:
            raise RuntimeError(
                f"the node has Sagesmith {sagesmith.__version__}, the platform {version}: install that on the node"
            )
        self._id = task_id
        self._killed = False
        self._news_at = time.monotonic()
        self._starting = threading.Lock()
        self._ways: Ways | None = None
        self._switch: tuple[Switch, str] | None = None
        self._address: str | None = None
        self._lease_seconds = lease_seconds
        self._shares_machine = tasks_dir is not None
        self._tasks_dir = Path(tasks_dir) if tasks_dir is not None else default_node_dir() / "tasks"
        self._tasks_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked_directory(self._tasks_dir, task_id)
        read_end, self._lease = os.pipe()
        self._inherited = {lease.VARIABLE: read_end}
        self._local = self._backend()
        self._node = gcs.own_node_id()
        self._renew()
        threading.Thread(target=self._keep_lease, name="lease", daemon=True).start()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def listen(self, gang: str, way: Way) -> str:
        """Open a port for the job's hosts on other machines; `host:port`."""
        with self._starting:
            if self._switch is None:
                self._ways = self._ways or Ways(way)
                self._switch = self._ways.for_peers(gang, gcs.own_address())
            return self._switch[1]

    def start(self, spec_json: str, ca_bundle: bytes | None, way: Way | None, peers: Mapping[str, str]) -> None:
        """Start the agent, unless it was started or killed.

        Args:
            ca_bundle: what the specification's file of that name has.
            way: how this node reaches the platform, None if it is the platform's machine.
            peers: what `listen` said of all hosts of the job, by name, if they are on several machines; else empty.
        """
        with self._starting:
            if self._killed:
                return
            spec = self._localised(spec_from_json(spec_json), ca_bundle)
            if TaskDir(self._tasks_dir / self._id).spec.exists():
                if peers:
                    self._join(spec, peers)
                return
            if way is not None:
                self._ways = self._ways or Ways(way)
                spec = _reached_by(self._ways, spec)
            if peers:
                self._join(spec, peers)
                self._take_wire()
            self._local.start([spec])

    def _join(self, spec: TaskSpec, peers: Mapping[str, str]) -> None:
        """Connect to the job's hosts on other machines, of which one may be another than before."""
        assert self._ways is not None, "it has listened before"
        assert self._switch is not None
        numbered = {number: _address(peers[host]) for number, host in enumerate(spec.hosts, 1) if host != spec.host}
        self._ways.join(self._switch[0], spec.hosts.index(spec.host) + 1, numbered)

    def _take_wire(self) -> None:
        """Have the agent hand over its end of the task's network, once it has made that."""
        assert self._ways is not None
        assert self._switch is not None
        ours, theirs = socket.socketpair()
        self._ways.plug(self._switch[0], ours)
        self._inherited |= {wire.VARIABLE: theirs.detach()}
        self._local = self._backend()

    def _backend(self) -> LocalBackend:
        """Starts the one agent of this host, with the descriptors that it is to inherit."""
        variables = {name: str(descriptor) for name, descriptor in self._inherited.items()}
        descriptors = tuple(self._inherited.values())
        sockets = _sockets(self._tasks_dir)
        return LocalBackend(self._tasks_dir, sockets, variables=variables | _gpus(), descriptors=descriptors)

    def machine(self) -> str:
        """The same for hosts that share a machine and its network."""
        return f"{boot_id()} {Path('/proc/self/ns/net').stat().st_ino}"

    def stop(self) -> None:
        self._local.stop(self._id)

    def kill(self) -> None:
        self._killed = True
        self._local.kill(self._id)

    def forget(self) -> None:
        self._local.forget(self._id)

    def follow(self, have: Sizes, known: Seen | None, wait_seconds: float) -> Progress:
        """What is new beyond what the caller has; waits for something if there is nothing yet."""
        directory = TaskDir(self._tasks_dir / self._id)
        give_up = time.monotonic() + wait_seconds
        while True:
            # Whether it lives is looked at first: what an agent wrote before its end is then read.
            seen = self._seen()
            report = read_bytes(directory.report, have.report, MAX_PIECE_BYTES)
            output = read_bytes(directory.output, have.output, MAX_PIECE_BYTES)
            metrics = read_bytes(directory.metrics, have.metrics, MAX_PIECE_BYTES)
            now = time.monotonic()
            if report or output or metrics or seen != known:
                self._news_at = now
            elif now < give_up:
                time.sleep(min(max((now - self._news_at) / 50, SHORTEST_POLL_SECONDS), LONGEST_POLL_SECONDS))
                continue
            return Progress(report, output, metrics, seen)

    def _seen(self) -> Seen:
        observed = self._local.inspect(self._id)
        if observed is None:
            return Seen(alive=not self._killed, node=self._node)
        if not observed.alive and not observed.ended:
            # Looked at again: it may just have written its end.
            observed = self._local.inspect(self._id) or observed
        return Seen(observed.alive, self._reachable(observed.address), self._processes(observed), self._node)

    def _reachable(self, address: str | None) -> str | None:
        """The address of a model server as routers can use it."""
        if address is None or self._ways is None:
            return address
        if self._address is None:
            first = Path(address.removeprefix("unix:"))
            several = len(TaskDir(self._tasks_dir / self._id).read_spec().containers)
            paths = {str(each): first.parent.with_name(str(each)) / first.name for each in range(1, several + 1)}
            self._address = self._ways.to_model_servers(paths or {"": first}, gcs.own_address())
        return self._address

    def _processes(self, observed: TaskObservation) -> list[Process]:
        return observed.processes if self._shares_machine else []

    def _localised(self, spec: TaskSpec, ca_bundle: bytes | None) -> TaskSpec:
        """The specification with this node's paths in the places of the platform's machine's."""
        if not self._shares_machine:
            spec = replace(spec, cache=str(default_cache_dir()))
        if ca_bundle is None or spec.ca_bundle is None:
            return spec
        path = self._tasks_dir / self._id / "ca-bundle.pem"
        path.write_bytes(ca_bundle)
        named = {name: str(path) if value == spec.ca_bundle else value for name, value in spec.environment.items()}
        s3 = spec.s3 if spec.s3.ca_bundle is None else replace(spec.s3, ca_bundle=str(path))
        return replace(spec, ca_bundle=str(path), environment=named, s3=s3)

    def _keep_lease(self) -> None:
        """Renew the agent's lease for as long as the cluster counts this node among the living.

        A node that the cluster has given up, because it froze or cannot be reached, must not go on: its tasks may
        be started anew elsewhere. Where the cluster cannot be asked the lease runs out by itself.
        """
        while True:
            time.sleep(self._lease_seconds / _RENEWALS)
            with contextlib.suppress(Exception):
                if not gcs.is_alive(self._node):
                    break
                self._renew()
        os.close(self._lease)

    def _renew(self) -> None:
        lease.renew(self._lease, self._lease_seconds)

    def _sweep(self) -> None:
        """Remove what tasks whose hosts are gone left on this node: nobody will ask for it any more."""
        for path in self._tasks_dir.iterdir():
            if path.name != self._id and (path / _LOCK).exists() and _is_free(path / _LOCK):
                with contextlib.suppress(OSError):
                    self._local.forget(path.name)


def _reached_by(ways: Ways, spec: TaskSpec) -> TaskSpec:
    """The specification of a task on a node that reaches the platform by tunnels."""
    doors = [f"{told}={ways.to_platform(told.rpartition(':')[2])}" for told in spec.doors]
    s3, store = spec.s3, urlsplit(spec.s3.endpoint)
    if is_loopback(s3.endpoint):
        s3 = replace(s3, endpoint=f"{store.scheme}://{ways.to_platform(str(store.port))}")
    return replace(spec, doors=doors, s3=s3)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _locked_directory(tasks_dir: Path, task_id: str) -> int:
    """Make a task's directory with a lock in it that is held for as long as this process lives; the lock's descriptor.

    The file is locked before it is seen in its place, so that no sweep takes a task that begins for one that is over.
    """
    root = tasks_dir / task_id
    root.mkdir(mode=0o700, exist_ok=True)
    made = root / f"{_LOCK}.{os.getpid()}"
    descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    made.replace(root / _LOCK)
    return descriptor


def _is_free(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _sockets(tasks_dir: Path) -> Path:
    """Where model servers' sockets are: their paths must be short (108 bytes)."""
    digest = hashlib.sha256(str(tasks_dir).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"sagesmith-{os.getuid()}" / f"node-{digest}"


def _gpus() -> dict[str, str]:
    """Which GPUs Ray gave to this actor."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
