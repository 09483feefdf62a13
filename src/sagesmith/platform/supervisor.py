"""`sagesmith up`: starts the platform's processes, keeps them running, ends all of it."""

import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from sagesmith.compute.ray.node import RayNode, is_installed
from sagesmith.config import (
    DEFAULT_AUDIT_DAYS,
    DEFAULT_HOST,
    DEFAULT_METRICS_DAYS,
    DEFAULT_MIN_FREE_DISK_BYTES,
    DEFAULT_PORT,
    Compute,
    DataDir,
    Platform,
    RayStrategy,
    default_cache_dir,
)
from sagesmith.environment import write_bundle
from sagesmith.gateway.server_tls import CertificateUnusable, ensure_server_certificate, server_context
from sagesmith.gateway.tls import ensure_ca
from sagesmith.objects.errors import ObjectStoreFailed
from sagesmith.objects.external import ExternalStore
from sagesmith.objects.seaweedfs import ObjectStore
from sagesmith.platform import datadir, processes
from sagesmith.platform.backends import backend_of, driver_command, end_tasks, end_warm, gate_command
from sagesmith.platform.claim import Left
from sagesmith.platform.errors import StartFailed
from sagesmith.platform.listening import LOOPBACK, Listening, bind, listen, names
from sagesmith.platform.processes import Child
from sagesmith.platform.standby import check_keys_are_there, claimed
from sagesmith.platform.watch import Watch
from sagesmith.priority import FIRST, FRONT, rank_session
from sagesmith.settings import table

READY_SECONDS = 60.0
POLL_SECONDS = 0.2
ROTATE_SECONDS = 10.0
ANSWER_SECONDS = 0.5
RENEW_SECONDS = 3600.0
_NEEDED_BY_TASKS = ("ray-driver", "ray-gate", "store")
_ANSWERED_BY = {"admin": "api"}
"""Which child it is that answers at an address, where that is not called like it."""
_CLUSTERS_JOBS = 1000
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""Of the API process: with an arena a thread, what pages of logs took once stays with the thread that read them."""


class _ComputeSettings(TypedDict):
    compute: Compute
    ray_strategy: RayStrategy
    ray_address: str | None
    ray_gate: str | None
    ray_lease_seconds: int


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for on the command line and in the environment, to which the settings file has been added."""

    data: Path
    host: str = DEFAULT_HOST
    port: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    standby: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(frozen=True, slots=True)
class _Outside:
    """How other machines are served: the address, what they may call it by, the certificate and its key."""

    host: str
    names: Sequence[str]
    cert: Path
    key: Path | None
    is_ours: bool


class Supervisor:
    """One platform on one data directory, in the foreground of the calling process.

    Raises:
        datadir.DataDirError: the directory is in use or cannot be used.
        StartFailed: a port is taken, or a process does not come up.
    """

    def __init__(self, options: Options) -> None:
        self._directory = DataDir(options.data)
        self._lock = datadir.lock(self._directory)
        account_id = table.ACCOUNT_ID.read(options.environ) or "123456789012"
        check_keys_are_there(options.environ, self._directory, standby=options.standby)
        keyring = datadir.prepare(self._directory, account_id, options.environ)
        self._end_leftovers()
        processes.save(self._directory.run / "processes.json", [])
        self._claim = claimed(options.environ, self._directory, keyring.fingerprint, standby=options.standby)
        self._watch = Watch(self._claim, stands_by=options.standby) if self._claim else None
        # At the end of this pipe, which only this process holds, tasks of this machine end.
        self._lease = os.pipe() if options.standby else None
        ensure_ca(self._directory.keys, self._directory.tls)
        self._outside = _outside(options, self._directory)
        write_bundle(self._directory.tls, options.environ)
        self._store = _object_store(self._directory, options.environ)
        self._listening = _listen(options, Platform.last(options.data))
        self.platform = _plan(options, self._directory, account_id, self._store, self._listening, self._outside)
        self.platform.save()
        self._children = self._plan_children()
        self._stopping = False

    def start(self) -> None:
        """Start every process and return when all are ready.

        Raises:
            StartFailed: one of them is not; all are ended again.
        """
        try:
            self._note_running()
            if os.getsid(0) == os.getpid():
                # Otherwise the session is the user's, with whatever else runs in it.
                rank_session(os.getpid(), FIRST)
            for child in self._children:
                child.start()
            processes.save(self._directory.run / "processes.json", self._children)
            self._wait_ready()
            self._note_running()  # Who was the first on the database can only now.
        except BaseException:
            self.stop()
            raise

    def watch(self) -> None:
        """Restart what dies, until SIGTERM or SIGINT.

        Raises:
            StartFailed: another platform has taken over; the tasks of this machine have ended.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        rotate_at = 0.0
        renew_at = time.monotonic() + RENEW_SECONDS
        while not self._stopping:
            now = time.monotonic()
            changed = False
            for child in self._children:
                code = child.exited()
                if code is not None:
                    _say(f"{child.name} ended with code {code}; starting it again")
                    child.plan_restart(now)
                if child.process is None and now >= child.restart_at:
                    child.start()
                    changed = True
            if changed:
                self._note_children()
            if now >= rotate_at:
                for log in self._directory.logs.glob("*.log"):
                    processes.rotate(log)
                rotate_at = now + ROTATE_SECONDS
            if now >= renew_at:
                self._renew_certificate()
                renew_at = now + RENEW_SECONDS
            self._check_claim()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End every process, jobs and model servers too, and what only a running platform needs."""
        # Tasks are ended through the driver, if there is one, and still upload what they have to the store.
        late = [child for child in self._children if child.name in _NEEDED_BY_TASKS]
        others = [child for child in self._children if child not in late]
        for child in others:
            if child.process:
                child.process.terminate()
        for child in others:
            child.stop()
        ended = True
        try:
            end_tasks(backend_of(self.platform))
        except OSError as error:
            ended = False
            _say(f"not all tasks could be ended: {error}")
        end_warm(self.platform)
        for child in late:
            child.stop()
        RayNode.of(self.platform).end()
        (self._directory.run / "processes.json").unlink(missing_ok=True)
        self._directory.routes_file.unlink(missing_ok=True)
        datadir.remove_sockets(self._directory)
        self._listening.close()
        if self._claim is not None and self._watch is not None and self._watch.end():
            if ended:
                self._claim.note(Left.NOTHING)
            self._claim.close()

    def _note_running(self) -> None:
        if self._claim is not None:
            self._claim.note(Left.LEASED_TASKS if self._lease else Left.TASKS)

    def _check_claim(self) -> None:
        if self._watch is not None and (reason := self._watch.must_end()):
            self._end_tasks_at_once()
            raise StartFailed(f"this platform ends: {reason}")

    def _end_tasks_at_once(self) -> None:
        """Those that run under the lease: somebody else is about to start them anew."""
        if self._lease is not None:
            os.close(self._lease[1])
            self._lease = None

    def _renew_certificate(self) -> None:
        """Make our own certificate anew before it ends; the routers notice."""
        if self._outside is None or not self._outside.is_ours:
            return
        try:
            ensure_server_certificate(self._directory.keys, self._directory.tls, self._outside.names)
        except OSError as error:
            _say(f"the certificate for other machines could not be renewed: {error}")

    def _note_children(self) -> None:
        try:
            processes.save(self._directory.run / "processes.json", self._children)
        except OSError as error:
            # A full disk must not end the platform; `down` asks the supervisor, which knows its children.
            _say(f"the processes that run could not be noted: {error}")

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _end_leftovers(self) -> None:
        """End platform processes that a killed supervisor left; its tasks go on and are found by the API process."""
        known = processes.load(self._directory.run / "processes.json")
        found = [process for each in known if each.pid != os.getpid() and (process := each.find())]
        processes.end(found, 5.0)

    def _plan_children(self) -> list[Child]:
        logs, data = self._directory.logs, str(self._directory.root)
        environment = _child_environment(os.environ)
        children = []
        if isinstance(self._store, ObjectStore):
            command, store_environment = self._store.command(), self._store.environment()
            children.append(
                Child("store", command, logs / "store.log", store_environment, stop_seconds=20.0, nice=FIRST)
            )
        api = [sys.executable, "-m", "sagesmith.platform", "api", "--data", data]
        lease = [self._lease[0]] if self._lease else []
        api += ["--lease", str(lease[0])] if lease else []
        children.append(Child("api", api, logs / "api.log", environment | _FEW_ARENAS, descriptors=lease, nice=FIRST))
        if self.platform.compute == "ray":
            driver = driver_command(self._directory.root)
            children.append(Child("ray-driver", driver, logs / "ray-driver.log", environment))
        if self.platform.ray_gate is not None:
            gate = gate_command(self._directory.root)
            children.append(Child("ray-gate", gate, logs / "ray-gate.log", environment))
        for index in range(self.platform.routers):
            router = [sys.executable, "-m", "sagesmith.gateway", "--data", data]
            for name, descriptor in self._listening.descriptors.items():
                router += [f"--{name}", str(descriptor)]
            log = logs / f"router-{index}.log"
            descriptors = list(self._listening.descriptors.values())
            children.append(Child("router", router, log, environment, descriptors=descriptors, nice=FRONT))
        return children

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        waiting = {"api": _unix(self._directory.api_socket)}
        waiting["router"] = _tcp(self.platform.host, self.platform.port)
        if self.platform.compute == "ray":
            waiting["ray-driver"] = _unix(self._directory.ray_socket)
        waiting["admin"] = _tcp("127.0.0.1", self.platform.admin_port)
        while waiting:
            self._check_claim()
            for child in self._children:
                if child.exited() is not None:
                    raise StartFailed(f"{child.name} did not start; {processes.ends_of_logs([child])}")
            waiting = {name: target for name, target in waiting.items() if not _answers(*target)}
            if waiting and time.monotonic() > deadline:
                late = {_ANSWERED_BY.get(name, name) for name in waiting}
                ends = processes.ends_of_logs(child for child in self._children if child.name in late)
                raise StartFailed(f"{', '.join(waiting)} did not come up within {READY_SECONDS:.0f} s; {ends}")
            if waiting:
                time.sleep(0.02)
        try:
            left = deadline - time.monotonic()
            if isinstance(self._store, ObjectStore):
                self._store.wait_ready(left)
            else:
                self._store.wait_ready(left, self.platform.region, self._directory.tls / "bundle.pem")
        except ObjectStoreFailed as error:
            raise StartFailed(str(error)) from error


def _object_store(directory: DataDir, environ: Mapping[str, str]) -> "ObjectStore | ExternalStore":
    try:
        external = ExternalStore.from_environment(environ)
    except ObjectStoreFailed as error:
        raise StartFailed(str(error)) from error
    return external or ObjectStore(directory)


def _outside(options: Options, directory: DataDir) -> _Outside | None:
    """What other machines are to be served with, checked; None where they are not."""
    environ = options.environ
    cert, key = options.tls_cert or table.TLS_CERT.read(environ), options.tls_key or table.TLS_KEY.read(environ)
    if options.host in LOOPBACK:
        return None
    if key is not None and cert is None:
        raise StartFailed("--tls-key (SAGESMITH_TLS_KEY) wants the certificate too: --tls-cert (SAGESMITH_TLS_CERT).")
    called = names(options.host, table.TLS_NAMES.read(environ) or [])
    file = (cert or ensure_server_certificate(directory.keys, directory.tls, called)).absolute()
    key = key.absolute() if key is not None else None
    try:
        server_context(file, key)
    except CertificateUnusable as error:
        raise StartFailed(str(error)) from error
    return _Outside(options.host, called, file, key, is_ours=cert is None)


def _listen(options: Options, last: Platform | None) -> Listening:
    port = options.port if options.port is not None else (last.port if last else DEFAULT_PORT)
    return listen(options.host, port, last.proxy_port if last else 0)


def _plan(
    options: Options,
    directory: DataDir,
    account_id: str,
    store: "ObjectStore | ExternalStore",
    listening: Listening,
    outside: _Outside | None,
) -> Platform:
    last = Platform.last(directory.root)
    port, proxy_port = listening.port, listening.proxy_port
    with bind("127.0.0.1", last.admin_port if last else 0, fall_back=True) as probe:
        admin_port = int(probe.getsockname()[1])
    environ = options.environ
    region = table.REGION.read(environ) or "us-east-1"
    if isinstance(store, ObjectStore):
        store.plan(f"http://127.0.0.1:{port}", avoid={port, proxy_port, admin_port}, region=region)
    return Platform(
        data=str(directory.root),
        host=listening.host,
        port=port,
        proxy_port=proxy_port,
        admin_port=admin_port,
        account_id=account_id,
        region=region,
        database_url=table.DATABASE_URL.read(environ) or f"sqlite:///{directory.database}",
        s3_endpoint=store.endpoint,
        s3_access_key_id=store.access_key_id,
        s3_secret_access_key=store.secret_access_key,
        cache=str(default_cache_dir(environ)),
        routers=table.ROUTERS.read(environ) or min(2, os.cpu_count() or 1),
        max_jobs=table.MAX_JOBS.read(environ) or _default_jobs(environ),
        min_free_disk_bytes=_or(table.MIN_FREE_DISK.read(environ), DEFAULT_MIN_FREE_DISK_BYTES),
        s3_kms=store.kms,
        job_ports=table.JOB_PORTS.read(environ) or [],
        quotas=_quotas(environ),
        audit_days=table.AUDIT_DAYS.read(environ) or DEFAULT_AUDIT_DAYS,
        metrics_days=table.METRICS_DAYS.read(environ) or DEFAULT_METRICS_DAYS,
        keep_days=table.KEEP_DAYS.read(environ),
        **_compute(environ, last),
        cache_limit_bytes=table.CACHE_LIMIT.read(environ),
        outside=outside.host if outside else None,
        names=outside.names if outside else (),
        tls_cert=str(outside.cert) if outside else None,
        tls_key=str(outside.key) if outside and outside.key else None,
        prices=str(prices.absolute()) if (prices := table.PRICES.read(environ)) else None,
        standby=options.standby,
    )


def _default_jobs(environ: Mapping[str, str]) -> int:
    """As many as there are cores; in a user's cluster its own queue decides."""
    return _CLUSTERS_JOBS if table.RAY_ADDRESS.read(environ) else max(2, os.cpu_count() or 1)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _compute(environ: Mapping[str, str], last: Platform | None) -> _ComputeSettings:
    compute = table.COMPUTE.read(environ) or "local"
    address = table.RAY_ADDRESS.read(environ)
    if compute == "ray" and not is_installed():
        raise StartFailed("SAGESMITH_COMPUTE=ray needs Ray, which is not installed: pip install 'sagesmith[ray]'.")
    return {
        "compute": compute,
        "ray_strategy": table.RAY_STRATEGY.read(environ) or "PACK",
        "ray_address": address,
        "ray_gate": _gate(environ, address, last) if compute == "ray" and address is not None else None,
        "ray_lease_seconds": table.RAY_LEASE_SECONDS.read(environ) or 20,
    }


def _gate(environ: Mapping[str, str], cluster: str, last: Platform | None) -> str:
    """Where nodes of a cluster reach the platform: as asked for, else this machine's address on the way to the head."""
    host, _, port = (table.RAY_GATE.read(environ) or "").partition(":")
    if not host:
        head, _, head_port = cluster.rpartition(":")
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((head, int(head_port)))
                host = str(probe.getsockname()[0])
        except OSError as error:
            raise StartFailed(f"SAGESMITH_RAY_ADDRESS {cluster} cannot be reached: {error}.") from error
    former = int(last.ray_gate.rpartition(":")[2]) if last is not None and last.ray_gate is not None else 0
    with bind(host, int(port) if port.isdecimal() else former, fall_back=not port) as probe:
        return f"{host}:{probe.getsockname()[1]}"


def _quotas(environ: Mapping[str, str]) -> dict[str, int]:
    quotas = table.QUOTAS.read(environ)
    if not quotas:
        return {}
    from sagesmith.wire.models import load_model  # 35 ms and some memory for SageMaker's

    for noun in quotas:
        if f"Create{noun}" not in load_model("sagemaker").operations:
            raise StartFailed(f"SAGESMITH_QUOTAS: SageMaker has no operation Create{noun}.")
    return quotas


def _child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What our own processes inherit: no AWS variable of the user's, which botocore would obey."""
    kept = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def _unix(path: Path) -> tuple[int, str | tuple[str, int]]:
    return socket.AF_UNIX, str(path)


def _tcp(host: str, port: int) -> tuple[int, str | tuple[str, int]]:
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)


def _answers(family: int, address: str | tuple[str, int]) -> bool:
    """Whether somebody answers HTTP there: a connection alone may only wait in a queue."""
    with socket.socket(family) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(address)
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1.1 ")
        except OSError:
            return False


def _say(message: str) -> None:
    print(f"sagesmith: {message}", file=sys.stderr, flush=True)  # noqa: T201 the supervisor's log is its terminal
