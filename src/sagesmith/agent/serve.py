"""A serving task, from its first event to its last."""

import contextlib
import errno
import http.client
import os
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import sagesmith
from sagesmith.agent import multi_model
from sagesmith.agent.archive import ArchiveRefused, unpack
from sagesmith.agent.early import Early, begin
from sagesmith.agent.engine import OwnImage
from sagesmith.agent.failures import MAX_REASON, TaskFailed, machine_failed
from sagesmith.agent.health import (
    BETWEEN_PINGS_SECONDS,
    BUSY_SECONDS,
    PING_SECONDS,
    Pings,
    Silence,
    Watch,
    not_in_time,
    ping,
)
from sagesmith.agent.limits import threads
from sagesmith.agent.model_builder import with_its_sdk
from sagesmith.agent.process import Ended, UserProcess
from sagesmith.agent.runtime import container_variables, server_packages
from sagesmith.agent.sandbox import PACKAGE_DIRECTORY, SOCKET_DIRECTORY, Sandbox, SandboxFailed, own, own_tree
from sagesmith.agent.task import Task
from sagesmith.agent.train import Ending
from sagesmith.compute.base import MODEL_SERVER_GRACE_SECONDS
from sagesmith.http.unix import socket_at
from sagesmith.images.base import BuiltEnvironment, Runtime

if TYPE_CHECKING:
    from sagesmith.agent.container import Container
    from sagesmith.agent.network.inlet import Inlet
    from sagesmith.agent.s3 import S3

SOCKET_NAME = "http.sock"
CONTAINER_PORT = 8080
DEFAULT_MAX_MODEL_BYTES = 30 << 30
_DISK_RESERVE_BYTES = 1 << 30
_MAX_ENDED = MAX_REASON - 200
"""Room for what the endpoint says first: which container of which variant it is."""
_POLL_SECONDS = 0.015
COMMAND = ["python", "-m", "sagesmith.modelserver", "--socket", f"{SOCKET_DIRECTORY}/{SOCKET_NAME}"]
"""That of our own model server, in its sandbox."""
_SILENT_SECONDS = 10.0
"""How much longer than any of its answers may take a model server may answer nothing at all."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A model server that is ready to be started.

    Attributes:
        socket: where it will be reached.
        inlet: what leads from there to a container.
    """

    isolation: "Sandbox | Container | Early"
    command: list[str]
    variables: dict[str, str]
    socket: Path
    inlet: "Inlet | None" = None

    def start(self, process: UserProcess, title: str) -> None:
        """Start it.

        Raises:
            TaskFailed: the sandbox does not work.
        """
        try:
            process.start(self.isolation, title, self.command, self.variables)
        except SandboxFailed as error:
            raise TaskFailed(f"InternalServerError: {error}") from error

    def watched(self, timeout_seconds: float) -> Watch:
        """What looks after it, once it was started. A container is to be well as long as it runs; ours help themselves,
        and are to answer something.

        Args:
            timeout_seconds: how long it may take to answer for the first time.
        """
        if self.inlet is None:
            return HealthCheck(self.socket, timeout_seconds, _longest_answer_seconds(self.variables) + _SILENT_SECONDS)
        pings = Pings(self.inlet, timeout_seconds)
        pings.start()
        return pings


def serve(task: Task) -> Ending:
    """Run a serving task until it is stopped or its model server ends.

    Raises:
        TaskFailed, TaskStopped: it ended before the model server ran.
    """
    spec, report = task.spec, task.report
    if spec.containers:
        from sagesmith.agent.containers import serve_all

        return serve_all(task)
    report.write("Starting", "Preparing the instance")
    server = prepare(task, Path(os.environ["SAGESMITH_SOCKET_DIRECTORY"]))
    process = task.process()
    server.start(process, task.title)
    check = server.watched(spec.startup_timeout_seconds)

    def tick() -> float | None:
        wait = check.look()
        if check.announce():
            report.write("Serving", "The model server answers /ping")
        if check.late and not task.signals.stop_requested:
            process.kill()
        return wait

    try:
        ended = process.run(grace_seconds=MODEL_SERVER_GRACE_SECONDS, tick=tick)
    finally:
        task.limits.remove()
    return _ending(task, ended, check)


def prepare(task: Task, sockets: Path) -> ModelServer:
    """Fetch all that the model server of a task needs, and say how it is started.

    Args:
        sockets: the directory to make its socket in, which becomes the task's.

    Raises:
        TaskFailed, TaskStopped: it cannot be started, or is not to be any more.
    """
    with task.signals.interruptible():
        runtime = task.resolve_any()
    task.report.write("Downloading", runtime.notice or "Downloading the model")
    with task.signals.interruptible():
        try:
            sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
            if isinstance(runtime, OwnImage):
                server = _contained(task, runtime, sockets)
            else:
                server = _sandboxed(task, runtime, sockets)
            own_tree(task.directory.opt_ml, task.uid)
        except OSError as error:
            raise machine_failed(error, "preparing the model") from error
    return replace(server, variables={**server.variables, **_own_variables(task)})


def _own_variables(task: Task) -> dict[str, str]:
    return {"CURRENT_HOST": task.spec.host, "HOSTNAME": task.spec.host, **task.variables()}


def _sandboxed(task: Task, runtime: Runtime, sockets: Path) -> ModelServer:
    """Our own model server, in the image's environment."""
    spec, opt_ml = task.spec, task.directory.opt_ml
    environment = task.ensure(runtime) if task.early is None else task.early.environment
    variables = {**threads_of(task), **container_variables(runtime, environment)}
    if task.early is None and not spec.command and spec.models is None:
        with_own = {**variables, **_own_variables(task)}
        sandbox = server_sandbox(task, environment, sockets)
        task.early = _begun(task, sandbox, environment, sockets, with_own)
    make_places(task)
    _fetch_model(task, opt_ml / "model")
    if spec.code is not None:
        _fetch_archive(task, spec.code, opt_ml / "code", "source archive")
    many = multi_model.for_ours(task, sockets, _room(task, opt_ml))
    environment, beside, builders = with_its_sdk(task, runtime, environment, opt_ml / "model")
    if task.early is not None and beside:
        task.early.end(task)
    isolation = task.early or server_sandbox(task, environment, sockets, many.mounts, beside)
    variables |= {**container_variables(runtime, environment), **many.variables, **builders}
    return ModelServer(isolation, spec.command or COMMAND, variables, sockets / SOCKET_NAME)


def _begun(
    task: Task, sandbox: Sandbox, environment: BuiltEnvironment, sockets: Path, variables: Mapping[str, str]
) -> Early:
    """A model server that imports its libraries while the model is fetched.

    Raises:
        TaskFailed: the sandbox does not work.
    """
    try:
        return begin(task, sandbox, environment, sockets, COMMAND, variables, task.title)
    except SandboxFailed as error:
        raise TaskFailed(f"InternalServerError: {error}") from error


def server_sandbox(
    task: Task,
    environment: BuiltEnvironment,
    sockets: Path,
    further: Sequence[tuple[Path, str]] = (),
    beside: Sequence[str] = (),
) -> Sandbox:
    """The sandbox of a model server of ours; its directories are there, with or without what belongs into them.

    Args:
        sockets: the directory for its socket, which becomes the task's.
        further: what it sees besides: host path, path inside.
        beside: more directories to import from.

    Raises:
        TaskFailed: there can be none.
    """
    make_places(task)
    own(sockets, task.uid)
    packages = Path(sagesmith.__file__).parent
    mounts = [(sockets, SOCKET_DIRECTORY, True), *server_packages(packages)]
    mounts.append((task.directory.opt_ml / "model", "/opt/ml/model", False))
    mounts += [(inner, outer, False) for inner, outer in further]
    sandbox = task.sandbox(environment, [PACKAGE_DIRECTORY, *beside], mounts)
    own_tree(task.directory.scratch / "venv", task.uid)
    return sandbox


def make_places(task: Task) -> None:
    """The directories below /opt/ml that every model server has."""
    for name in ("model", "code", "input", "output"):
        (task.directory.opt_ml / name).mkdir(parents=True, exist_ok=True)


def threads_of(task: Task) -> dict[str, str]:
    """How many threads numerical libraries take: as many as the instance has vCPUs, as far as this machine has them.

    They would ask the machine, and take all of its cores for each model server.
    """
    return dict.fromkeys(_THREAD_VARIABLES, str(threads(task.spec.resources)))


def _contained(task: Task, image: OwnImage, sockets: Path) -> ModelServer:
    """An image of the user's: "docker run IMAGE serve", as AWS's page on inference code has it."""
    from sagesmith.agent.network.inlet import Inlet

    model = task.directory.opt_ml / "model"
    container = task.container(image, entrypoint=False)
    model.mkdir(parents=True, exist_ok=True)
    _fetch_model(task, model)
    many = multi_model.for_container(task, image, sockets / SOCKET_NAME, _room(task, model))
    name = SOCKET_NAME if task.spec.models is None else multi_model.CONTAINER_SOCKET_NAME
    inlet = Inlet(sockets / name, CONTAINER_PORT)
    files = [*container.files, (model, "/opt/ml/model"), *many.mounts]
    isolation = replace(container, network=inlet.of(container.network), files=files)
    return ModelServer(isolation, ["serve"], many.variables, sockets / SOCKET_NAME, inlet)


def _longest_answer_seconds(variables: Mapping[str, str]) -> float:
    """How long a handler of our model server may take, as `modelserver.settings` reads it."""
    for name in ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "SAGEMAKER_MODEL_SERVER_TIMEOUT"):
        with contextlib.suppress(KeyError, ValueError):
            return float(variables[name])
    return BUSY_SECONDS


class HealthCheck:
    """Asks /ping until it is answered for the first time, and then now and then whether it is answered at all.

    Args:
        silent_seconds: for how long it need not be, once it was; None for ever.
    """

    def __init__(self, path: Path, timeout_seconds: float, silent_seconds: float | None = None) -> None:
        self._path = path
        self._deadline = time.monotonic() + timeout_seconds
        self._timeout_seconds = timeout_seconds
        self._healthy = False
        self._announced = False
        self._silence = Silence(self._connection, silent_seconds) if silent_seconds is not None else None
        self.late = False
        self.last_answer = "it never listened"

    def look(self) -> float | None:
        """Ask once; in how many seconds to ask again, None if that is not needed any more."""
        if self.late:
            return None
        if self._healthy:
            return self._listen()
        self._healthy = self._ping()
        if self._healthy:
            return BETWEEN_PINGS_SECONDS if self._silence is not None else None
        self.late = time.monotonic() >= self._deadline
        return _POLL_SECONDS

    def announce(self) -> bool:
        """Whether the model server has just become healthy."""
        if not self._healthy or self._announced:
            return False
        self._announced = True
        return True

    @property
    def reason(self) -> str:
        if self._healthy and self._silence is not None:
            return self._silence.reason
        return not_in_time(self._timeout_seconds, self.last_answer)

    def _listen(self) -> float | None:
        if self._silence is None:
            return None
        wait = self._silence.look()
        self.late = self._silence.late
        return wait

    def _connection(self) -> http.client.HTTPConnection:
        return UnixConnection(self._path, PING_SECONDS)

    def _ping(self) -> bool:
        healthy, answer = ping(self._connection())
        self.last_answer = answer or self.last_answer
        return healthy


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a model server.

    Args:
        timeout_seconds: how long it may be silent.
    """

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with socket_at(str(self._path)) as path:
            self.sock.connect(path)


def _ending(task: Task, ended: Ended, check: Watch) -> Ending:
    detail = {"exit_code": ended.exit_code}
    if ended.stopped:
        return Ending("Stopped", "The model server was stopped", detail)
    head = check.reason if check.late else f"The model server ended with exit code {ended.exit_code}"
    if task.limits.ran_out_of_memory():
        gigabytes = (task.limits.memory_bytes or 0) / 2**30
        head = (
            f"The model server used more than the {gigabytes:.1f} GiB that it has on {task.spec.instance_type}: killed"
        )
    # The end of a traceback says more than its beginning.
    last = "\n".join(task.output.last_lines(20))
    reason = f"{head}. Its last lines: "[:_MAX_ENDED]
    reason += last[-(_MAX_ENDED - len(reason)) :] if last else "(none)"
    return Ending("Failed", reason, {**detail, "failure_reason": reason})


def _fetch_model(task: Task, target: Path) -> None:
    """The model artifact: an archive, or a prefix whose objects are copied as they are."""
    uri = task.spec.model_data
    if uri is None:
        return
    if not uri.endswith("/"):
        _fetch_archive(task, uri, target, "model artifact")
        return
    from sagesmith.agent.inputs import download_prefix

    download_prefix(task.s3, uri, target, _room(task, target))


def _fetch_archive(task: Task, uri: str, target: Path, what: str) -> None:
    """Download an archive and unpack it into `target`.

    Raises:
        TaskFailed: it is not there, or is not what may be unpacked.
    """
    archive = task.directory.root / "download.tar"
    limit = _room(task, target)
    _download(task.s3, uri, archive, limit, what)
    try:
        unpack(archive, target, limit)
    except ArchiveRefused as error:
        raise TaskFailed(f"ClientError: Failed to extract the {what} {uri}: {error}.") from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP):
            raise TaskFailed(f"ClientError: Failed to extract the {what} {uri}: {error}.") from error
        raise
    finally:
        archive.unlink(missing_ok=True)


def _download(s3: "S3", uri: str, path: Path, limit: int, what: str) -> None:
    from sagesmith.agent.s3 import S3Failed, split_uri

    try:
        bucket, key = split_uri(uri)
        (model,) = s3.look_up([(bucket, key)])
        if model.size > limit:
            raise TaskFailed(f"ClientError: The {what} {uri} has {model.size} bytes; there is room for {limit}.")
        s3.download([(model, path)])
    except S3Failed as error:
        if error.code in ("404", "NoSuchKey", "NoSuchBucket"):
            raise TaskFailed(
                f"ClientError: Could not find the {what} {uri}. Please ensure that the object exists at this location."
            ) from error
        raise TaskFailed(f"ClientError: Failed to download the {what} {uri}: {error.code}: {error}") from error


def _room(task: Task, target: Path) -> int:
    """How many bytes a model may have: its volume's size or else `SAGESMITH_MAX_MODEL_BYTES` (30 GiB, as AWS's volumes
    have), and what the disk has left but 1 GiB."""
    setting = int(os.environ.get("SAGESMITH_MAX_MODEL_BYTES") or DEFAULT_MAX_MODEL_BYTES)
    return max(0, min(task.spec.volume_size_bytes or setting, shutil.disk_usage(target).free - _DISK_RESERVE_BYTES))
