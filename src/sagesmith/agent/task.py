"""What training, processing and serving have in common: one task at work."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent import engine, runtime
from sagesmith.agent.engine import OwnImage
from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.gpus import devices, take
from sagesmith.agent.layout import FAILURE
from sagesmith.agent.limits import Limits, impose, usable_memory_bytes
from sagesmith.agent.output import Output
from sagesmith.agent.process import UserProcess
from sagesmith.agent.report import Report
from sagesmith.agent.runtime import Environments
from sagesmith.agent.sandbox import PACKAGE_DIRECTORY, VENV, Sandbox, advice, container_uid, task_uid
from sagesmith.agent.signals import Signals
from sagesmith.agent.taskdir import TaskDir
from sagesmith.agent.usage import Processes, Usage
from sagesmith.compute.base import TaskSpec
from sagesmith.images.base import BuiltEnvironment, Runtime

if TYPE_CHECKING:
    from sagesmith.agent.container import Container
    from sagesmith.agent.early import Early
    from sagesmith.agent.network.gang import Gang
    from sagesmith.agent.network.namespaces import Namespace
    from sagesmith.agent.network.network import Network
    from sagesmith.agent.s3 import S3

# The data directory, where the bundle lies, does not show; not even as the names above a file.
_CA_BUNDLE = f"{PACKAGE_DIRECTORY}/ca-bundle.pem"
_NO_PROXY = ("NO_PROXY", "no_proxy")


@dataclass(slots=True)
class Task:
    """One task at work: its specification and the agent's means."""

    spec: TaskSpec
    directory: TaskDir
    report: Report
    output: Output
    signals: Signals
    environments: Environments
    uid: int = field(init=False)
    limits: Limits = field(default_factory=Limits)
    gpus: list[str] = field(init=False)
    contained: bool = False
    early: "Early | None" = None
    _s3: "S3 | None" = None

    def __post_init__(self) -> None:
        self.uid = task_uid(self.spec.id)
        # Those of a model with several containers are for these to take.
        wanted = 0 if self.spec.containers else self.spec.resources.gpus
        self.gpus = take(wanted, Path(self.spec.cache) / "gpus")

    @property
    def s3(self) -> "S3":
        """Loaded at the first transfer: many tasks need none."""
        if self._s3 is None:
            from sagesmith.agent.s3 import S3

            self._s3 = S3(self.spec.s3)
        return self._s3

    def share_transfers(self, other: "Task") -> None:
        """Take over another task's way to S3, if it is the same."""
        if other.spec.s3 == self.spec.s3:
            self._s3 = other.s3

    def resolve_any(self) -> Runtime | OwnImage:
        """The image's runtime, what differs from what was asked for being the log's first line; or the engine that is
        to run an image that is not one of ours.

        Raises:
            TaskFailed: neither.
        """
        found = runtime.resolve_any(self.environments, self.spec.image)
        if isinstance(found, Runtime) and found.notice:
            self.output.say(found.notice)
        return found

    def ensure(self, found: Runtime) -> BuiltEnvironment:
        """The runtime's environment, built if need be, with progress in the log.

        Raises:
            TaskFailed: it cannot be built.
        """
        return runtime.ensure(self.environments, found, Path(self.spec.cache), self.output.say)

    def sandbox(
        self, environment: BuiltEnvironment, extra_paths: list[str], mounts: Sequence[tuple[Path, str, bool]] = ()
    ) -> Sandbox:
        """A sandbox for user code, with a writable overlay over the environment.

        Raises:
            TaskFailed: bubblewrap does not work here, or namespaces cannot be made.
        """
        overlay = self.directory.scratch / "venv"
        sandbox = Sandbox(
            scratch=self.directory.scratch,
            opt_ml=self.directory.opt_ml,
            uid=self.uid,
            host=self.spec.host,
            read_only=environment.read_only_paths,
            mounts=[(overlay, VENV, True), *mounts, *self._ca_bundle()],
            hidden=[self.directory.data],
            network=self._network(),
            devices=devices(self.gpus),
            batch=self.spec.is_batch,
        )
        sandbox.prepare()
        runtime.make_overlay(overlay, environment, extra_paths)
        return sandbox

    def container(self, image: OwnImage, *, entrypoint: bool) -> "Container":
        """A container of an image, which is fetched if need be. From now on files of the task are its root's.

        Raises:
            TaskFailed: the image is not to be had, or the task has GPUs.
        """
        from sagesmith.agent.container import Container

        engine.refuse_gpus(image, self.spec.instance_type, self.gpus)
        self.contained = True
        engine.fetch(image, self.output.say)
        uid = container_uid(self.spec.id)
        self.uid = os.geteuid() if uid is None else uid
        return Container(
            image=image,
            name=f"{engine.PREFIX}{self.spec.id}",
            record=self.directory.container,
            scratch=self.directory.scratch,
            opt_ml=self.directory.opt_ml,
            uid=uid,
            host=self.spec.host,
            network=self._network,
            entrypoint=entrypoint,
            shared_memory_bytes=min(self.spec.resources.memory_bytes or 1 << 62, usable_memory_bytes()) // 2,
            files=[(source, inside) for source, inside, _ in self._ca_bundle()],
        )

    def leave_gang(self) -> None:
        """Say to the job's other hosts that this one is done."""
        if (gang := self._gang()) is not None:
            gang.leave()

    def _gang(self) -> "Gang | None":
        if not self.spec.gang or len(self.spec.hosts) < 2:
            return None
        from sagesmith.agent.network.gang import Gang

        return Gang.beside(self.directory.root, self.spec.gang, self.spec.host)

    def _network(self, into: "Namespace | None" = None) -> "Network":
        from sagesmith.agent.network.doors import Door
        from sagesmith.agent.network.network import Network
        from sagesmith.agent.network.outside import pasta

        isolated = self.spec.network_isolation
        doors = [] if isolated else [Door.parse(each) for each in self.spec.doors]
        try:
            way_out = None if isolated else pasta()
            return Network.make(self.spec.host, self.spec.hosts, doors, self._gang(), way_out, into)
        except OSError as error:
            said = f"the network of the task cannot be made: {error.strerror or error}"
            raise TaskFailed(f"InternalServerError: {said}. {advice()}") from error

    @property
    def title(self) -> str:
        """What user code is called in process lists."""
        return f"{'model' if self.spec.kind == 'serve' else 'job'}:{self.spec.label}"

    def process(self) -> UserProcess:
        """The process that user code will be, under the limits of its instance."""
        self.limits = impose(self.spec.resources, self.spec.id, self.directory.limits, batch=self.spec.is_batch)
        return UserProcess(self.signals, self.output, self.directory.process, self.measure, self.limits)

    def measure(self, processes: Processes) -> Usage:
        """What samples how busy some processes keep the task's host."""
        resources = replace(self.spec.resources, memory_bytes=self.limits.memory_bytes)
        return Usage(self.output.samples, processes, resources, self.directory.root, ",".join(self.gpus))

    def variables(self) -> dict[str, str]:
        """The specification's variables and which GPUs there are; those that name the CA bundle name its place in the
        sandbox."""
        given = {
            name: _CA_BUNDLE if value == self.spec.ca_bundle else value for name, value in self.spec.environment.items()
        }
        # Programs that heed proxies would ask ours for the job's other hosts, of which it has never heard.
        given |= {name: ",".join([given[name], *self.spec.hosts]) for name in _NO_PROXY if name in given}
        return {**given, "CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else given

    def _ca_bundle(self) -> list[tuple[Path, str, bool]]:
        return [] if self.spec.ca_bundle is None else [(Path(self.spec.ca_bundle), _CA_BUNDLE, False)]


def real_directory(root: Path, relative: Path) -> Path | None:
    """`root / relative` if it is a directory and nothing on the way to it is a link, else None.

    User code owns what is below `root`, and a link that it put in the place of a directory would lead the agent, which
    may be root, to files of this machine.

    Args:
        root: not user code's to replace.
    """
    path = root
    for part in relative.parts:
        path /= part
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                return None
        except OSError:
            return None
    return path


def read_failure_file(folder: Path | None, limit: int) -> str:
    """The beginning of what user code wrote to the file `failure` in a folder of its; only a regular file counts."""
    return read_beginning(folder, FAILURE.name, limit * 4).decode("utf-8", "replace")[:limit].strip()


def read_beginning(folder: Path | None, name: str, max_bytes: int) -> bytes:
    """The beginning of a file that user code wrote into a folder of its; nothing if it is not a regular file."""
    if folder is None:
        return b""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read(max_bytes)
        except OSError:
            return b""
