"""Word of what happens in directories."""

import queue
import subprocess
import sys
from pathlib import Path

import pytest

from sagesmith.compute.watching import Watcher

HOLDS = "import sys; file = open(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def told() -> "queue.SimpleQueue[str]":
    return queue.SimpleQueue()


def test_who_watches_is_told_once_of_whatever_is_written(
    watcher: Watcher, told: "queue.SimpleQueue[str]", tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert watcher.watch(tmp_path / name, lambda name=name: told.put(name))  # type: ignore[misc]
    for _ in range(3):
        with (tmp_path / "a" / "output.log").open("a") as file:
            file.write("line\n")
    (tmp_path / "b" / "stop").touch()
    assert [told.get(), told.get()] == ["a", "b"]
    assert watcher.watch(tmp_path / "a", lambda: told.put("again"))
    (tmp_path / "a" / "more").touch()
    assert told.get() == "again"
    assert told.empty()


def test_the_end_of_a_process_that_has_a_file_open_is_told(
    watcher: Watcher, told: "queue.SimpleQueue[str]", tmp_path: Path
) -> None:
    report = tmp_path / "report.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(report)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert watcher.watch(tmp_path, lambda: told.put("ended"))
        holder.kill()
        assert told.get() == "ended"


def test_a_directory_that_is_not_there_is_not_watched(watcher: Watcher, tmp_path: Path) -> None:
    assert not watcher.watch(tmp_path / "none", lambda: None)


def test_one_that_cannot_be_woken_does_not_keep_others_from_it(
    watcher: Watcher, told: "queue.SimpleQueue[str]", tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError("asleep")

    for name, wake in (("a", fail), ("b", lambda: told.put("b"))):
        (tmp_path / name).mkdir()
        assert watcher.watch(tmp_path / name, wake)
        (tmp_path / name / "file").touch()
    assert told.get() == "b"


def test_a_directory_that_is_removed_tells_nobody(
    watcher: Watcher, told: "queue.SimpleQueue[str]", tmp_path: Path
) -> None:
    for name in ("gone", "here"):
        (tmp_path / name).mkdir()
        assert watcher.watch(tmp_path / name, lambda name=name: told.put(name))  # type: ignore[misc]
    (tmp_path / "gone").rmdir()
    (tmp_path / "here" / "file").touch()
    assert told.get() == "here"
