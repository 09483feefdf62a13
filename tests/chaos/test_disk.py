"""A disk that is full or nearly so."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import eventually
from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=["tasks"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A data directory whose tasks have a file system of 32 MB, or whose objects have one that bears a bucket."""
    place = tmp_path / "data" / request.param
    place.mkdir(parents=True, mode=0o700)
    size = {"tasks": "32m", "objects": "300m"}[request.param]
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)],
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip() or 'not root'}")
    yield place.parent
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def platform_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """Starts a platform on a data directory, with a limit of free space; ends it after the test."""
    started: list[Path] = []

    def begin(data: Path, min_free: str, *words: str) -> Running:
        monkeypatch.setenv("SAGESMITH_MIN_FREE_DISK", min_free)
        answer = sagesmith("up", "--detach", "--data", str(data), *(words or ("--port", "0")))
        assert answer.returncode == 0, answer.stderr
        started.append(data)
        return Running(data, json.loads(sagesmith("env", "--shell", "json", "--data", str(data)).stdout))

    yield begin
    for data in started:
        sagesmith("down", "--data", str(data))


def test_a_job_that_fills_the_disk_fails_with_a_reason_and_the_next_one_works(
    small_disk: Path, platform_on: Callable[..., Running]
) -> None:
    running = platform_on(small_disk, "1M")
    job = jobs.shell_job(running, "cat /dev/zero > /opt/ml/model/zeros")
    ended = jobs.wait_job(running, job)
    assert ended["TrainingJobStatus"] == "Failed"
    assert "No space left on device" in ended["FailureReason"]
    after = jobs.wait_job(running, jobs.shell_job(running, "echo weights > /opt/ml/model/weights"))
    assert after["TrainingJobStatus"] == "Completed", after.get("FailureReason")


@pytest.mark.parametrize("small_disk", ["objects"], indirect=True)
def test_a_model_that_the_object_store_has_no_room_for_fails_its_job_with_a_reason(
    small_disk: Path, platform_on: Callable[..., Running]
) -> None:
    running = platform_on(small_disk, "1M")
    ended = jobs.wait_job(running, jobs.shell_job(running, "head -c 400000000 /dev/urandom > /opt/ml/model/noise"))
    assert ended["TrainingJobStatus"] == "Failed"
    assert "The object store's disk may be full" in ended["FailureReason"]
    after = jobs.wait_job(running, jobs.shell_job(running, "echo weights > /opt/ml/model/weights"))
    assert after["TrainingJobStatus"] == "Completed", after.get("FailureReason")


def test_below_the_limit_a_job_waits_and_goes_on_when_there_is_room(
    tmp_path: Path, platform_on: Callable[..., Running]
) -> None:
    data = tmp_path / "data"
    running = platform_on(data, "100000T")
    job = jobs.shell_job(running, "echo weights > /opt/ml/model/weights")
    client = running.client("sagemaker")

    def message() -> str:
        described = client.describe_training_job(TrainingJobName=job)
        assert described["SecondaryStatus"] == "Starting"
        return str(described["SecondaryStatusTransitions"][-1]["StatusMessage"])

    eventually(lambda: "Waiting for disk space" in message())
    assert running.cli("down").returncode == 0
    again = platform_on(data, "1M", "--port", running.url.rsplit(":", 1)[1])
    assert jobs.wait_job(again, job)["TrainingJobStatus"] == "Completed"


def test_a_limit_that_is_no_size_is_refused(tmp_path: Path) -> None:
    answer = sagesmith("up", "--data", str(tmp_path / "data"), env={**os.environ, "SAGESMITH_MIN_FREE_DISK": "much"})
    assert answer.returncode == 1
    assert "SAGESMITH_MIN_FREE_DISK" in answer.stderr
    assert "such as 2G" in answer.stderr
