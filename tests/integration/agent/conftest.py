"""Real agents with real sandboxes, the scikit-learn image's environment and a real object store."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from sagesmith.agent import sandbox
from sagesmith.compute.base import S3Access, TaskObservation, TaskSpec
from sagesmith.compute.local import LocalBackend
from sagesmith.config import DataDir, default_cache_dir
from sagesmith.credentials import KeyRing
from sagesmith.images import environments, registry
from sagesmith.images.base import BuiltEnvironment, EnvironmentFailed
from sagesmith.objects.seaweedfs import ObjectStore
from tests import aws

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "agent-tests"
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
