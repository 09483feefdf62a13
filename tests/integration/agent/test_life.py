"""Processes: what is killed stays dead, what is lost is found, what is forgotten is gone."""

import os
import signal
import time
from pathlib import Path

from sagesmith.agent.taskdir import TaskDir, spec_to_json
from sagesmith.compute.base import Channel
from sagesmith.files import write_durably
from tests.integration.agent.conftest import Tasks


def gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def processes_of(text: str) -> list[int]:
    """Processes with a text in their command line, zombies aside."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


FORKS = "trap '' TERM; sleep 61{n} & setsid sleep 61{n} & (sleep 61{n} &) ; echo started; sleep 61{n}"


def test_a_killed_agent_takes_user_code_with_it(tasks: Tasks) -> None:
    tasks.start("orphan", FORKS.format(n=1))
    seen = tasks.wait_for_line("orphan", "started")
    names = {each.name: each.pid for each in seen.processes}
    assert set(names) == {"agent:orphan", "job:orphan"}
    os.kill(names["agent:orphan"], signal.SIGKILL)
    while not all(map(gone, names.values())) or processes_of("sleep\x00611"):
        time.sleep(0.01)
    seen = tasks.backend.inspect("orphan")
    assert seen is not None
    assert seen.lost


def test_kill_ends_everything_before_it_returns(tasks: Tasks) -> None:
    tasks.start("killed", FORKS.format(n=2))
    tasks.wait_for_line("killed", "started")
    tasks.backend.kill("killed")
    assert not processes_of("sleep\x00612")
    tasks.backend.kill("killed")


def test_a_restarted_platform_finds_a_running_task_and_its_whole_log(tasks: Tasks) -> None:
    tasks.start("found", "for i in 1 2 3; do echo line $i; done; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo end")
    before = tasks.wait_for_line("found", "line 3")
    again = tasks.another_backend()
    seen = again.inspect("found")
    assert seen is not None
    assert seen.alive
    assert [each.pid for each in seen.processes] == [each.pid for each in before.processes]
    again.start([tasks.spec("found", "echo another")])
    (tasks.data / "tasks/found/sandbox/tmp/go").touch()
    tasks.wait("found", lambda seen: seen.ended)
    while not (ended := again.inspect("found")).ended:
        time.sleep(0.01)
    assert ended.events[-1].state == "Completed"
    lines, offset = again.read_log("found", 0, limit=10)
    while offset < (tasks.data / "tasks/found/output.log").stat().st_size:
        more, offset = again.read_log("found", offset, limit=10)
        lines += more
    assert [text for _, text in lines] == ["line 1", "line 2", "line 3", "end"]


def test_a_task_whose_starter_died_before_the_agent_came_up_is_run(tasks: Tasks) -> None:
    directory = TaskDir(tasks.data / "tasks" / "halfway")
    directory.root.mkdir(parents=True)
    write_durably(directory.spec, spec_to_json(tasks.spec("halfway", "echo ran")).encode())
    tasks.wait("halfway", lambda seen: seen.ended)
    assert tasks.lines("halfway") == ["ran"]


def test_a_task_is_run_once_however_often_it_is_started(tasks: Tasks) -> None:
    spec = tasks.spec("once", "echo ran")
    backends = [tasks.backend, tasks.another_backend(), tasks.another_backend()]
    for backend in backends:
        backend.start([spec])
    tasks.wait("once", lambda seen: seen.ended)
    for backend in backends:
        backend.start([spec])
        assert backend.inspect("once").ended
    assert tasks.lines("once") == ["ran"]


def test_a_torn_last_line_of_a_report_is_not_read(tasks: Tasks) -> None:
    tasks.run("torn", "true")
    report = tasks.data / "tasks/torn/report.jsonl"
    whole = report.read_bytes()
    report.write_bytes(whole[:-20])
    seen = tasks.another_backend().inspect("torn")
    assert [each.state for each in seen.events] == ["Starting", "Downloading", "Training", "Uploading"]


def test_a_task_that_is_stopped_while_it_downloads_ends_at_once(tasks: Tasks) -> None:
    # Nobody answers at this address, and a transfer would be tried for a minute.
    tasks.start("early", "true", channels=[Channel("c", "s3://bucket/x")])
    tasks.wait("early", lambda seen: bool(seen.events) and seen.events[-1].state == "Downloading")
    tasks.backend.stop("early")
    seen = tasks.wait("early", lambda seen: seen.ended)
    assert seen.events[-1].state == "Stopped"


def test_a_task_that_is_stopped_as_soon_as_it_was_started_ends(tasks: Tasks) -> None:
    tasks.start("hasty", "sleep 600")
    tasks.backend.stop("hasty")
    assert tasks.wait("hasty", lambda seen: seen.ended).events[-1].state == "Stopped"


def test_a_task_that_was_killed_before_its_agent_came_up_never_runs(tasks: Tasks) -> None:
    tasks.start("never", "echo ran")
    # Another process of the platform has no handle of the agent that is just starting.
    again = tasks.another_backend()
    again.kill("never")
    tasks.wait("never", lambda seen: seen.lost)
    assert tasks.lines("never") == []
    tasks.backend.start([tasks.spec("never", "echo ran")])
    assert tasks.backend.inspect("never").lost


def test_what_a_crash_left_of_a_forgotten_task_is_swept(tasks: Tasks) -> None:
    tasks.run("half", "true")
    (tasks.data / "tasks/half").rename(tasks.data / "tasks/.removed-half")
    assert tasks.backend.tasks() == []
    assert tasks.another_backend().tasks() == []
    assert not list((tasks.data / "tasks").iterdir())


def test_a_task_that_was_never_started_is_unknown(tasks: Tasks) -> None:
    assert tasks.backend.inspect("nobody") is None
    tasks.backend.stop("nobody")
    tasks.backend.kill("nobody")
    tasks.backend.forget("nobody")
    assert tasks.backend.read_log("nobody", 0) == ([], 0)
    assert tasks.backend.tasks() == []


def test_many_tasks_leave_nothing(tasks: Tasks) -> None:
    def mounts() -> int:
        return len(Path("/proc/self/mounts").read_text().splitlines())

    before = mounts()
    for batch in range(10):
        names = [f"quick-{batch}-{number}" for number in range(10)]
        for name in names:
            tasks.start(name, "echo hi; mkdir -m 0 /tmp/locked; touch /opt/ml/model/.x; rm /opt/ml/model/.x")
        for name in names:
            seen = tasks.wait(name, lambda seen: seen.ended)
            assert seen.events[-1].state == "Completed"
            tasks.backend.forget(name)
    assert list((tasks.data / "tasks").iterdir()) == []
    assert mounts() == before
    while processes_of(str(tasks.data)) or processes_of("job:quick-"):
        time.sleep(0.01)


def test_secrets_of_the_environment_are_in_no_command_line(tasks: Tasks) -> None:
    tasks.start("secret", "echo $TOKEN | wc -c; sleep 617", environment={"TOKEN": "hunter2-" * 4})
    tasks.wait_for_line("secret", "33")
    assert not processes_of("hunter2")
    for pid in processes_of("job:secret"):
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()
