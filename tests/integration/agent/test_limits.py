"""What a task may use of its node."""

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.agent import limits
from sagesmith.agent.limits import Limits, impose, remove_recorded
from sagesmith.compute.base import Resources
from tests.integration.agent.conftest import OrdinaryUser, Tasks

EAT = "x=$(head -c 700000000 /dev/zero | tr '\\0' x); echo survived"


def groups() -> list[str]:
    return [str(path) for path in limits.CGROUPS.glob("**/sagesmith-*") if path.is_dir()]


def test_a_job_that_eats_more_memory_than_its_instance_has_is_out_of_memory(tasks: Tasks) -> None:
    ended = tasks.run("hungry", EAT, resources=Resources(memory_bytes=256 << 20), instance_type="ml.t3.medium")
    reason = ended.events[-1].detail["failure_reason"]
    assert reason.startswith("AlgorithmError: Out of memory: the job used more than the 0.2 GiB that it has as ml.t3")
    assert [each for each in groups() if "hungry" in each] == []


def test_without_control_groups_memory_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CGROUPS", tmp_path / "none")
    imposed = impose(Resources(memory_bytes=1 << 20), "task", tmp_path / "limits.json")
    assert imposed.groups == []
    assert not imposed.is_over(1 << 19)
    assert imposed.is_over(1 << 21)
    assert imposed.ran_out_of_memory()


def test_memory_is_watched_where_control_groups_are_of_cpu_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_version_2", lambda *_: [])
    monkeypatch.setattr(limits, "_version_1", lambda *_: [tmp_path])
    assert impose(Resources(memory_bytes=1 << 20), "task", tmp_path / "limits.json").watched
    (tmp_path / "memory.limit_in_bytes").touch()
    assert not impose(Resources(memory_bytes=1 << 20), "task", tmp_path / "limits.json").watched


def test_a_job_within_its_limits_is_left_alone(tasks: Tasks) -> None:
    ended = tasks.run("modest", "nproc; echo fine", resources=Resources(cpus=1, memory_bytes=256 << 20))
    assert ended.events[-1].state == "Completed"


def test_a_job_with_one_cpu_gets_no_more_time_than_one_has(tasks: Tasks) -> None:
    burn = "for i in 1 2; do (timeout 1 sh -c 'while :; do :; done'; true) & done; wait; times"
    tasks.run("busy", burn, resources=Resources(cpus=1))
    lines = [line for _, line in tasks.backend.read_log("busy", 0)[0]]
    minutes, _, seconds = lines[-1].split()[0].partition("m")
    assert int(minutes) * 60 + float(seconds.rstrip("s")) < 1.5


def test_the_groups_of_a_task_that_was_killed_go_with_it(tasks: Tasks) -> None:
    tasks.start("doomed", "echo ready; exec sleep 600", resources=Resources(cpus=1, memory_bytes=256 << 20))
    while not tasks.backend.read_log("doomed", 0)[0]:
        time.sleep(0.02)
    tasks.backend.kill("doomed")
    tasks.backend.forget("doomed")
    assert [each for each in groups() if "doomed" in each] == []


def test_more_than_the_machine_has_is_what_the_machine_has(tmp_path: Path) -> None:
    record = tmp_path / "limits.json"
    imposed = impose(Resources(cpus=10_000, memory_bytes=1 << 60), "huge", record)
    assert imposed.memory_bytes == limits.usable_memory_bytes() < 1 << 50
    assert imposed.cores is None
    imposed.remove()
    remove_recorded(record)
    assert Limits().ran_out_of_memory() is False


def test_an_ordinary_users_job_that_eats_too_much_memory_is_out_of_it_too(tasks: Tasks, nobody: OrdinaryUser) -> None:
    spec = tasks.spec("greedy", EAT + "; sleep 60", resources=Resources(cpus=1, memory_bytes=256 << 20))
    (ran,) = nobody.run([replace(spec, cache=str(nobody.home / "cache"))])
    reason = ran.events[-1]["detail"]["failure_reason"]
    assert reason.startswith("AlgorithmError: Out of memory")
    assert reason.endswith("exit code: 137")


def test_without_control_groups_a_task_runs_on_as_many_cores_as_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CGROUPS", tmp_path / "none")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one core")
    child = subprocess.Popen(["sleep", "600"])
    try:
        impose(Resources(cpus=1), "task", tmp_path / "limits.json").enter([child.pid])
        assert len(os.sched_getaffinity(child.pid)) == 1
    finally:
        child.kill()
        child.wait()


def test_a_jobs_user_code_gives_way_to_the_platform(tasks: Tasks) -> None:
    tasks.start("polite", "nice; echo ready; exec sleep 600")
    tasks.wait_for_line("polite", "ready")
    assert tasks.lines("polite")[0] == "10"
    weights = [file for group in groups() if "polite" in group for file in Path(group).glob("cpu.[sw][he]*")]
    assert {(file.name, file.read_text().strip()) for file in weights} <= {("cpu.shares", "110"), ("cpu.weight", "11")}
    assert weights or os.geteuid() != 0


def test_without_control_groups_a_jobs_session_gives_way(tasks: Tasks, nobody: OrdinaryUser) -> None:
    # The kernel hears ten such words of ordinary users a second: other tests may have used them up.
    for attempt in range(10):
        spec = tasks.spec(f"alone-{attempt}", "nice; cat /proc/self/autogroup 2>/dev/null || echo none nice 10")
        (ran,) = nobody.run([replace(spec, cache=str(nobody.home / "cache"))])
        niceness, session = ran.lines
        assert niceness == "10"
        if session.endswith(" nice 10"):
            return
    pytest.fail(f"no session gave way: {session}")
