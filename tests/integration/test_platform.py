"""The command line, as a user types it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sagesmith.config import Platform
from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith


def test_up_says_where_everything_is_and_down_leaves_nothing_behind(new_platform: Callable[..., Running]) -> None:
    running = new_platform()
    pids = [process["pid"] for process in running.status()["processes"]]
    names = {process["name"] for process in running.status()["processes"]}
    assert {"supervisor", "api", "router", "store"} <= names
    assert running.cli("down").returncode == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    store = json.loads((running.data / "objects" / "ports.json").read_text())
    left = [path.name for path in Path("/tmp").glob("seaweedfs-*.sock")]
    assert not [name for name in left for port in store.values() if f"-{port}." in name or f"-{port + 10_000}." in name]


def test_down_finds_a_platform_whose_notes_are_gone(new_platform: Callable[..., Running]) -> None:
    running = new_platform()
    pids = [process["pid"] for process in running.status()["processes"]]
    (running.data / "run" / "processes.json").unlink()
    assert "is down" in running.cli("down").stdout
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_second_up_on_one_data_directory_is_refused(platform: Running) -> None:
    second = platform.cli("up", "--port", "0")
    assert second.returncode == 1
    assert "a platform already runs on" in second.stderr


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = sagesmith("up", "--port", str(port), "--data", str(tmp_path / "data"))
    assert answer.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be taken" in answer.stderr
    assert "--port" in answer.stderr


def test_a_data_directory_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "format.json").write_text(json.dumps({"format": 999, "version": "99.0"}))
    answer = sagesmith("up", "--data", str(data))
    assert answer.returncode == 1
    assert "99.0" in answer.stderr


def test_run_starts_a_platform_passes_the_exit_code_on_and_ends_what_it_started(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    program = "import boto3, sys; print(boto3.client('sts').get_caller_identity()['Account']); sys.exit(7)"
    answer = sagesmith("run", "--data", data, "--", sys.executable, "-c", program)
    assert answer.returncode == 7, answer.stderr
    assert answer.stdout.strip() == "123456789012"
    assert sagesmith("status", "--data", data).returncode == 3


@pytest.mark.parametrize("name", ["api", "router", "store"])
def test_a_killed_process_is_started_again(new_platform: Callable[..., Running], name: str) -> None:
    running = new_platform()
    s3 = running.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="x", Body=b"1")
    killed = [process["pid"] for process in running.status()["processes"] if process["name"] == name]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert s3.get_object(Bucket="kept", Key="x")["Body"].read() == b"1"
    assert running.client("sagemaker").list_models()["Models"] == []
    now = [process["pid"] for process in running.status()["processes"] if process["name"] == name]
    assert len(now) == len(killed)
    assert not set(now) & set(killed)


def test_the_platform_comes_before_its_jobs(platform: Running) -> None:
    """Whoever waits for an answer does not wait for node agents that start, which are many."""
    job = jobs.shell_job(platform, "echo begun; sleep 600")
    group = "/aws/sagemaker/TrainingJobs"
    logs, client = platform.client("logs"), platform.client("sagemaker")
    while not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] or not jobs.job_log(platform, job):
        assert client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress"
        time.sleep(0.05)
    agents = [each for each in platform.status()["processes"] if each["name"] == f"agent:{job}"]
    assert [os.getpriority(os.PRIO_PROCESS, each["pid"]) for each in agents] == [10]
    assert [os.getsid(each["pid"]) for each in agents] == [each["pid"] for each in agents]
    places = {"supervisor": 0, "api": -10, "router": -15, "store": -10}
    for each in platform.status()["processes"]:
        if each["name"] in places:
            place = places[each["name"]] if os.geteuid() == 0 else 0
            assert os.getpriority(os.PRIO_PROCESS, each["pid"]) == place, each
    # Of all ordinary users together the kernel hears ten a second; not every kernel groups processes by session.
    if os.geteuid() == 0 and Path("/proc/self/autogroup").exists():
        api = next(each["pid"] for each in platform.status()["processes"] if each["name"] == "api")
        assert _place_of_session(api).endswith("nice -10")
        assert _place_of_session(agents[0]["pid"]).endswith("nice 10")
    platform.client("sagemaker").stop_training_job(TrainingJobName=job)
    jobs.wait_job(platform, job)


def test_the_platform_is_one_session_whose_processes_no_terminal_ends(platform: Running) -> None:
    """The kernel shares a machine among sessions first: a router must not wait for the API process' turn to end."""
    own = {each["name"]: each["pid"] for each in platform.status()["processes"]}
    names = ("supervisor", "api", "router", "store")
    assert {os.getsid(own[name]) for name in names} == {own["supervisor"]}
    assert {os.getpgid(own[name]) for name in names} == {own[name] for name in names}


def _place_of_session(pid: int) -> str:
    return Path(f"/proc/{pid}/autogroup").read_text(encoding="ascii").strip()


def test_after_the_supervisor_is_killed_up_takes_over(new_platform: Callable[..., Running]) -> None:
    running = new_platform()
    s3 = running.client("s3")
    s3.create_bucket(Bucket="kept")
    port = running.url.rsplit(":", 1)[1]
    old = running.status()["processes"]
    supervisor = next(process["pid"] for process in old if process["name"] == "supervisor")
    os.kill(supervisor, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(each["pid"]) for each in old if psutil.pid_exists(each["pid"])], timeout=30)
    again = new_platform("--port", port, data=running.data)
    assert again.url == running.url
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["kept"]


def test_a_backup_restored_elsewhere_has_the_same_objects_and_key(
    new_platform: Callable[..., Running], tmp_path: Path
) -> None:
    running = new_platform()
    running.client("s3").create_bucket(Bucket="kept")
    assert running.cli("down").returncode == 0
    file = tmp_path / "backup.tar.gz"
    assert sagesmith("backup", str(file), "--data", str(running.data)).returncode == 0
    assert file.stat().st_mode & 0o077 == 0
    restored = tmp_path / "restored"
    assert sagesmith("restore", str(file), "--data", str(restored)).returncode == 0
    again = new_platform(data=restored)
    assert again.variables["AWS_ACCESS_KEY_ID"] == running.variables["AWS_ACCESS_KEY_ID"]
    assert [bucket["Name"] for bucket in again.client("s3").list_buckets()["Buckets"]] == ["kept"]


def test_doctor_finds_nothing_missing_on_a_machine_that_runs_these_tests(platform: Running) -> None:
    answer = platform.cli("doctor")
    assert answer.returncode == 0, answer.stdout
    assert "bubblewrap runs" in answer.stdout


def test_health_is_for_everybody_on_the_machine_and_metrics_for_who_has_the_token(platform: Running) -> None:
    facts = Platform.load(platform.data)
    platform.client("sagemaker").create_model(
        ModelName=jobs.name("counted"), PrimaryContainer={"Image": jobs.IMAGE}, ExecutionRoleArn=jobs.ROLE
    )
    token = (platform.data / "keys" / "admin.token").read_text()

    def ask(path: str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", facts.admin_port)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    status, text = ask("/health")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer no"}):
        assert ask("/metrics", **headers)[0] == 401
    status, text = ask("/metrics", Authorization=f"Bearer {token}")
    assert status == 200
    assert re.search(r'^sagesmith_resources\{kind="model",status=""\} [1-9]', text, re.MULTILINE)
    assert ask("/status")[0] == 401


@pytest.mark.parametrize("shell", ["sh", "fish"])
def test_env_speaks_the_shells_syntax(platform: Running, shell: str) -> None:
    text = platform.cli("env", "--shell", shell).stdout
    word = "export AWS_ENDPOINT_URL=" if shell == "sh" else "set -gx AWS_ENDPOINT_URL "
    assert word in text
    if shell == "sh":
        answer = subprocess.run(["sh", "-c", f"{text}\nprintf %s $AWS_ENDPOINT_URL"], capture_output=True, text=True)
        assert answer.stdout == platform.url


def test_prune_removes_ended_jobs_old_logs_and_idle_environments(
    new_platform: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    idle = cache / "environments" / "scikit-learn-0.0-0-py3.11-unused"
    idle.mkdir(parents=True)
    (idle / "file").write_bytes(b"x" * 1000)
    idle.chmod(0o555)
    running = new_platform()
    job = jobs.shell_job(running, "echo line")
    assert jobs.wait_job(running, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(running, job) == ["line"]
    monkeypatch.setenv("SAGESMITH_CACHE", str(cache))
    kept = running.cli("prune", "--older-than-days", "1")
    assert kept.returncode == 0, kept.stderr
    assert idle.exists()
    assert jobs.job_log(running, job) == ["line"]
    pruned = running.cli("prune", "--older-than-days", "0", "--environments")
    assert pruned.returncode == 0, pruned.stderr
    assert not idle.exists()
    assert running.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    assert jobs.job_log(running, job) == []
