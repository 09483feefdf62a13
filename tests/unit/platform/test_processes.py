"""The supervisor's children: noted on disk for `status`, `down` and the next `up`, their logs kept short."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sagesmith.platform import processes
from sagesmith.platform.processes import Child, ends_of_logs, rotate


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child("waiting", [sys.executable, "-c", "input()"], tmp_path / "child.log")
    child.process = subprocess.Popen(child.command, stdin=subprocess.PIPE)
    yield child
    child.stop()
    assert child.process.stdin is not None
    child.process.stdin.close()


def test_what_was_noted_is_found_again_until_it_ends(child: Child, tmp_path: Path) -> None:
    assert child.process is not None
    processes.save(tmp_path / "processes.json", [child])
    supervisor, noted = processes.load(tmp_path / "processes.json")
    assert (supervisor.name, supervisor.pid) == ("supervisor", os.getpid())
    assert (noted.name, noted.pid) == ("waiting", child.process.pid)
    found = noted.find()
    assert found is not None
    assert found.pid == child.process.pid
    child.stop()
    assert noted.find() is None


def test_a_message_about_children_names_their_logs_and_has_their_last_lines(tmp_path: Path) -> None:
    api, router = (Child(name, [], tmp_path / f"{name}.log") for name in ("api", "router"))
    api.log.write_text("".join(f"line {number}\n" for number in range(100)))
    shown = ends_of_logs([api, router])
    assert f"the end of {api.log}:\nline 85\n" in shown
    assert f"line 99\nthe end of {router.log}:" in shown
    assert "line 84" not in shown


def test_nothing_that_the_clock_says_is_noted(child: Child, tmp_path: Path) -> None:
    """A time of day would be another one after the clock was set, and the process would not be found."""
    path = tmp_path / "processes.json"
    processes.save(path, [child])
    assert all(set(entry) == {"pid", "started", "boot", "name"} for entry in json.loads(path.read_text()))


def test_a_later_process_of_the_same_pid_is_not_taken_for_the_noted_one(child: Child, tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    processes.save(path, [child])
    entries = json.loads(path.read_text())
    entries[1]["started"] -= 1
    path.write_text(json.dumps(entries))
    assert processes.load(path)[1].find() is None


def test_where_nothing_was_noted_nothing_is_known(tmp_path: Path) -> None:
    assert processes.load(tmp_path / "processes.json") == []


def test_a_log_beyond_its_limit_is_kept_once_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab", buffering=0) as writer:
        for text in (b"first\n", b"second\n", b"third\n"):
            writer.write(text)
            rotate(log, limit_bytes=3)
        assert log.read_bytes() == b""
        assert (tmp_path / "api.log.1").read_bytes() == b"third\n"
        writer.write(b"on\n")
    assert log.read_bytes() == b"on\n"


def test_a_log_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"line\n")
    rotate(log, limit_bytes=100)
    rotate(tmp_path / "none.log", limit_bytes=100)
    assert [path.name for path in tmp_path.iterdir()] == ["api.log"]


@contextlib.contextmanager
def _child_of_one_that_collects_none(command: str) -> Iterator[psutil.Process]:
    """A process whose parent is like the first one of many a container. It says a line when it is ready."""
    parent = subprocess.Popen(["sh", "-c", f"({command}) & exec sleep 600"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        parent.stdout.readline()
        (child,) = psutil.Process(parent.pid).children()
        yield child
    finally:
        parent.kill()
        parent.communicate()


def test_what_nobody_collects_is_not_waited_for_as_if_it_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COLLECTED_SECONDS", 0.0)
    with _child_of_one_that_collects_none("echo ready; exec sleep 600") as child:
        began = time.monotonic()
        processes.end([child], 600.0)
        assert time.monotonic() - began < 300
        assert child.status() == psutil.STATUS_ZOMBIE


def test_what_does_not_heed_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COLLECTED_SECONDS", 0.0)
    deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with _child_of_one_that_collects_none(deaf) as child:
        processes.end([child], 0.1)
        assert child.status() == psutil.STATUS_ZOMBIE
