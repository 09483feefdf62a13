"""Two platforms and one database: kept apart, or one in the place of the other when that is gone."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith, start
from tests.integration.ray_cluster import agents, ray_cluster
from tests.integration.user_store import user_store

pytestmark = pytest.mark.postgres


def up(data: Path, environ: dict[str, str], *words: str) -> str:
    """What a start that is refused says."""
    ended = sagesmith("up", "--port", "0", "--data", str(data), *words, env={**os.environ, **environ})
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def copy_of_keys(platform: Running, data: Path) -> Path:
    """A data directory for one that stands by."""
    file = data.with_suffix(".tar.gz")
    assert platform.cli("backup", "--keys", str(file)).returncode == 0
    assert file.stat().st_mode & 0o077 == 0
    assert sagesmith("restore", str(file), "--data", str(data)).returncode == 0
    return data


def stand_by(data: Path, environ: dict[str, str]) -> None:
    started = sagesmith(
        "up", "--detach", "--standby", "--port", "0", "--data", str(data), env={**os.environ, **environ}
    )
    assert started.returncode == 0, started.stderr
    assert "stands by" in started.stdout


def taken_over(data: Path) -> Running:
    """The platform of one that stood by, once it is ready."""
    while (data / "run" / "ready").read_text() == "standby":
        time.sleep(0.05)
    return Running(data, json.loads(sagesmith("env", "--shell", "json", "--data", str(data)).stdout))


def supervisor(platform: Running) -> psutil.Process:
    return psutil.Process(next(each["pid"] for each in platform.status()["processes"] if each["name"] == "supervisor"))


@pytest.fixture
def shared(tmp_path: Path, empty_postgres: str) -> Iterator[dict[str, str]]:
    """The settings of a database and an S3 that two platforms use."""
    with user_store(tmp_path / "user-store", tls=False) as store:
        yield {**store.settings(), "SAGESMITH_DATABASE_URL": empty_postgres}


@pytest.fixture
def ended() -> Iterator[Callable[[Path], Path]]:
    """Notes data directories whose platforms are ended after the test."""
    noted: list[Path] = []

    def note(data: Path) -> Path:
        noted.append(data)
        return data

    yield note
    for data in noted:
        sagesmith("down", "--data", str(data))


def test_a_second_platform_on_a_database_is_refused_and_told_of_the_first(
    tmp_path: Path, empty_postgres: str, new_platform: Callable[..., Running]
) -> None:
    environ = {"SAGESMITH_DATABASE_URL": empty_postgres}
    first = new_platform(environ=environ)
    said = up(tmp_path / "second", environ)
    assert f"another platform runs on the database of SAGESMITH_DATABASE_URL: {os.uname().nodename}:" in said
    assert "--standby" in said
    assert first.client("sagemaker").list_models()["Models"] == []

    os.kill(supervisor(first).pid, signal.SIGKILL)
    again = start(first.data, environ=environ)
    assert again.client("sagemaker").list_models()["Models"] == []
    again.cli("down")
    third = tmp_path / "third"
    assert "is that of a platform whose keys" in up(third, environ)
    assert not (third / "keys").exists()


def test_what_one_needs_to_stand_by_is_said(tmp_path: Path, empty_postgres: str) -> None:
    assert "--standby wants a PostgreSQL database" in up(tmp_path / "data", {}, "--standby")
    environ = {"SAGESMITH_DATABASE_URL": empty_postgres}
    assert "--standby wants an S3" in up(tmp_path / "data", environ, "--standby")
    environ |= {"SAGESMITH_S3_ENDPOINT": "http://127.0.0.1:9", "SAGESMITH_COMPUTE": "ray"}
    assert "wants a cluster that both use: SAGESMITH_RAY_ADDRESS" in up(tmp_path / "data", environ, "--standby")


def test_one_without_the_keys_is_refused_before_it_makes_any_and_one_that_stands_by_says_so(
    tmp_path: Path, empty_postgres: str, new_platform: Callable[..., Running], ended: Callable[[Path], Path]
) -> None:
    first = new_platform(environ={"SAGESMITH_DATABASE_URL": empty_postgres})
    environ = {"SAGESMITH_DATABASE_URL": empty_postgres, "SAGESMITH_S3_ENDPOINT": "http://127.0.0.1:9"}
    environ |= {"SAGESMITH_S3_ACCESS_KEY_ID": "key", "SAGESMITH_S3_SECRET_ACCESS_KEY": "secret"}
    second = tmp_path / "second"
    assert "sagesmith backup --keys" in up(second, environ, "--standby")
    assert not (second / "keys").exists()
    copy_of_keys(first, ended(second))
    stand_by(second, environ)
    said = sagesmith("status", "--data", str(second))
    assert (said.returncode, said.stdout.partition(".")[0]) == (0, "A platform stands by for another")
    assert "supervisor" in said.stdout
    assert "Traceback" not in sagesmith("doctor", "--data", str(second)).stderr

    # Its jobs may outlive a platform that was started without --standby, so nobody takes its place.
    (waiting,) = [psutil.Process(int(line.split()[0])) for line in said.stdout.splitlines() if "supervisor" in line]
    os.kill(supervisor(first).pid, signal.SIGKILL)
    psutil.wait_procs([waiting])
    assert "was started without --standby" in (second / "logs" / "supervisor.log").read_text()


def test_one_that_stands_by_takes_over_with_all_resources_and_no_job_runs_twice(
    tmp_path: Path, shared: dict[str, str], ended: Callable[[Path], Path]
) -> None:
    first = start(ended(tmp_path / "first"), "--standby", "--port", "0", environ=shared)
    second = copy_of_keys(first, ended(tmp_path / "second"))
    stand_by(second, shared)
    sagemaker = first.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="kept")
    job = jobs.shell_job(first, "exec sleep 1000")
    while sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatus"] != "Training":
        time.sleep(0.05)
    runs: list[psutil.Process] = []
    while len(runs) < 2:
        runs = [psutil.Process(each["pid"]) for each in first.status()["processes"] if job in each["name"]]

    os.kill(supervisor(first).pid, signal.SIGKILL)
    psutil.wait_procs(runs)
    after = taken_over(second)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert after.variables[name] == first.variables[name]
    described = jobs.wait_job(after, job)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError")
    groups = after.client("sagemaker").list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == ["kept"]
    assert jobs.wait_job(after, jobs.shell_job(after, "true"))["TrainingJobStatus"] == "Completed"

    # The first comes back, stands by in its turn, and follows one that is ended in order at once.
    stand_by(first.data, shared)
    assert after.cli("down").returncode == 0
    assert jobs.wait_job(taken_over(first.data), job)["TrainingJobStatus"] == "Failed"


def test_what_runs_on_a_cluster_ends_before_one_that_stood_by_begins(
    tmp_path: Path, shared: dict[str, str], ended: Callable[[Path], Path]
) -> None:
    with ray_cluster(2) as cluster:
        environ = {**shared, **cluster.settings()}
        first = start(tmp_path / "first", "--standby", "--port", "0", environ=environ)
        second = copy_of_keys(first, ended(tmp_path / "second"))
        stand_by(second, environ)
        job = jobs.shell_job(first, "exec sleep 1000", RetryStrategy={"MaximumRetryAttempts": 1})
        (runs,) = _begun(first, job, set())
        os.kill(supervisor(first).pid, signal.SIGKILL)
        assert runs.is_running()
        after = taken_over(second)
        (again,) = _begun(after, job, {runs.pid})
        assert [each.pid for each in agents(after, job)] == [again.pid]
        # What is the other's now is left alone by who had it before.
        assert first.cli("down").returncode == 0
        assert again.is_running()
        assert sagesmith("down", "--data", str(second), env=environ).returncode == 0
        psutil.wait_procs([again])


def _begun(platform: Running, job: str, former: set[int]) -> list[psutil.Process]:
    """The agents of a job that runs, once there are others than the former ones."""
    while True:
        described = platform.client("sagemaker").describe_training_job(TrainingJobName=job)
        assert described["TrainingJobStatus"] == "InProgress", described
        found = [each for each in agents(platform, job) if each.pid not in former]
        if found and described["SecondaryStatus"] == "Training":
            return found
        time.sleep(0.05)


def test_who_loses_the_database_to_another_ends_itself(
    tmp_path: Path, postgres: str, shared: dict[str, str], ended: Callable[[Path], Path]
) -> None:
    first = start(ended(tmp_path / "first"), "--standby", "--port", "0", environ=shared)
    job = jobs.shell_job(first, "exec sleep 1000")
    sagemaker = first.client("sagemaker")
    while sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatus"] != "Training":
        time.sleep(0.05)
    runs = [psutil.Process(each["pid"]) for each in first.status()["processes"]]
    name = shared["SAGESMITH_DATABASE_URL"].rpartition("/")[2]
    with psycopg.connect(postgres + "postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        psutil.wait_procs(runs)
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert "this platform ends: " in (first.data / "logs" / "supervisor.log").read_text()
