"""A platform at work: an endpoint that answers and a training job in the middle of its log."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running, new_platform, sagesmith, start

__all__ = ["new_platform"]

T = TypeVar("T")

TALK = (
    "i=0; until [ -e /opt/ml/output/enough ]; do i=$((i+1)); echo line $i; sleep 0.02; done; "
    "echo $i lines; echo weights > /opt/ml/model/weights"
)
"""A job that numbers its lines until `World.enough` is called, then says how many there were."""

HANDLERS = """
def model_fn(folder):
    return open(folder + "/weights").read()

def predict_fn(data, model):
    return [float(model) + float(each) for each in data.ravel()]
"""


def eventually(find: Callable[[], T]) -> T:
    """What `find` returns once that is true; the test's own time limit ends the waiting."""
    while not (found := find()):
        time.sleep(0.05)
    return found


@dataclass
class World:
    """A platform, an endpoint that is InService, and whatever jobs a test starts."""

    running: Running
    endpoint: str

    def talking_job(self, **changes: Any) -> str:
        """Start a job and return its name when the platform has stored some of its lines, of every host of it."""
        job = jobs.shell_job(self.running, TALK, metrics={"line": "^line ([0-9]+)"}, **changes)
        hosts = changes.get("ResourceConfig", {}).get("InstanceCount", 1)
        eventually(lambda: all(len(self.lines(job, f"algo-{each}")) > 10 for each in range(1, hosts + 1)))
        return job

    def enough(self, job: str) -> None:
        """Let a talking job come to its end."""
        for task in self.tasks(job):
            (task / "opt_ml" / "output" / "enough").touch()

    def tasks(self, job: str) -> list[Path]:
        """The directories of a job's tasks."""
        found = [
            path.parent
            for path in self.running.data.glob("tasks/*/spec.json")
            if f'"label": "{job}"' in path.read_text()
        ]
        assert found
        return found

    def lines(self, job: str, host: str = "") -> list[str]:
        """What the platform has stored of a job's log, of one host if it is named."""
        try:
            return jobs.log_lines(self.running, "/aws/sagemaker/TrainingJobs", f"{job}/{host}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return []

    def metric(self, job: str, name: str) -> tuple[float, float]:
        """How many values of a metric the platform has stored of a job, and their sum."""
        now = datetime.now(UTC)
        points = self.running.client("cloudwatch").get_metric_statistics(
            Namespace="/aws/sagemaker/TrainingJobs",
            MetricName=name,
            Dimensions=[{"Name": "TrainingJobName", "Value": job}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["SampleCount", "Sum"],
        )["Datapoints"]
        return sum(point["SampleCount"] for point in points), sum(point["Sum"] for point in points)

    def describe(self, job: str) -> dict[str, Any]:
        described: dict[str, Any] = self.running.client("sagemaker").describe_training_job(TrainingJobName=job)
        return described

    def processes(self, *names: str) -> list[psutil.Process]:
        """The processes of these names, all if none is given."""
        return [
            psutil.Process(each["pid"])
            for each in self.running.status()["processes"]
            if not names or each["name"] in names
        ]

    def kill(self, *names: str) -> list[psutil.Process]:
        """SIGKILL to the processes of these names, all if none is given; returns when they are gone."""
        killed = self.processes(*names)
        assert killed
        for process in killed:
            process.send_signal(signal.SIGKILL)
        gone, alive = psutil.wait_procs(killed, 30)
        assert not alive
        return gone

    def up(self) -> None:
        """Start the platform again, on the port that it had."""
        self.running = start(self.running.data, "--port", self.running.url.rsplit(":", 1)[1])

    def predict(self) -> bytes:
        """What the endpoint answers; raises what the client raises."""
        answer = self.running.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.endpoint, Body=b"1,2\n", ContentType="text/csv", Accept="application/json"
        )
        body: bytes = answer["Body"].read()
        return body

    def predicts_again(self) -> bool:
        """Whether the endpoint answers, and answers right."""
        try:
            return self.predict() == b"[42.0, 43.0]"
        except ClientError as error:
            assert error.response["Error"]["Code"] in {"ModelError", "ServiceUnavailable"}, error
            return False

    def endpoint_status(self) -> str:
        described = self.running.client("sagemaker").describe_endpoint(EndpointName=self.endpoint)
        return str(described["EndpointStatus"])

    def assert_ended_well(self, job: str, hosts: int = 1) -> None:
        """The job is Completed, each host's log is whole, in order and not doubled, so are their metrics together, its
        model is in S3."""
        ended = jobs.wait_job(self.running, job)
        assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
        counts = []
        for host in range(1, hosts + 1):
            lines = self.lines(job, f"algo-{host}-")
            counts.append(len(lines) - 1)
            assert lines == [*(f"line {number}" for number in range(1, counts[-1] + 1)), f"{counts[-1]} lines"]
        assert self.metric(job, "line") == (sum(counts), sum(count * (count + 1) / 2 for count in counts))
        bucket, _, key = ended["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
        assert self.running.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0

    def traces(self) -> list[str]:
        """Command lines of processes that have to do with the data directory."""
        return traces_of(self.running.data)


def traces_of(data: Path) -> list[str]:
    """Command lines of all processes, but this one, that name a data directory or work in it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            places = [command, os.readlink(folder / "cwd"), (folder / "mountinfo").read_text()]
        except OSError:
            continue
        if any(str(data) in place for place in places):
            found.append(command)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Shared by a module's tests: each leaves it running and healthy, which is what they are about."""
    made = make_world(tmp_path_factory.mktemp("chaos") / "data")
    yield made
    ended = made.running.cli("down")
    assert ended.returncode == 0, ended.stderr
    assert made.traces() == []


def make_world(data: Path, environ: Mapping[str, str] | None = None) -> World:
    running = start(data, environ=dict(environ or {}))
    try:
        model = jobs.archive({"weights": "41"})
        made = World(running, jobs.endpoint(running, {"inference.py": HANDLERS}, model))
        assert jobs.wait_endpoint(running, made.endpoint)["EndpointStatus"] == "InService"
        assert made.predicts_again()
    except BaseException:
        sagesmith("down", "--data", str(data))
        raise
    return made
