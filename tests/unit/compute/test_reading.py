"""Logs of tasks, read piece by piece."""

from pathlib import Path

import pytest

from sagesmith.agent.output import Output
from sagesmith.compute import local
from sagesmith.compute.local import LocalBackend
from sagesmith.compute.reading import read_lines
from sagesmith.files import free_beginning


def test_lines_have_their_own_times_and_only_whole_ones_are_read(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    output.write_text("1 a b\n1 \n22 ä\n3 half", encoding="utf-8")
    assert read_lines(output, 0, 1000) == ([(1, "a b"), (1, ""), (22, "ä")], 15)
    assert read_lines(output, 15, 1000) == ([], 15)


def test_lines_know_which_of_several_containers_printed_them(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    for name in ("", "one", "two"):
        Output(output, container=name).say(f"of {name}")
    lines = [line for _, line in read_lines(output, 0, 1000)[0]]
    assert lines == ["of ", "of one", "of two"]
    assert [getattr(each, "container", None) for each in lines] == [None, "one", "two"]


def test_a_line_longer_than_what_is_read_at_once_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    output.write_bytes(b"1 " + b"x" * 200_000 + b"\n2 y\n")
    lines, place = read_lines(output, 0, 10)
    assert lines[0] == (1, "x" * 200_000)
    assert place >= 200_003


def test_where_lines_are_gone_reading_goes_on_with_the_next_whole_one(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    lines = [f"1 line {number:013}\n" for number in range(10_000)]
    output.write_text("".join(lines))
    free_beginning(output, 100_000)
    if not output.read_bytes().startswith(b"\0"):
        pytest.skip("the file system cannot free a part of a file")
    found, place = read_lines(output, 0, 1 << 20)
    assert 0 < len(found) < 10_000
    assert [text for _, text in found] == [line[2:-1] for line in lines[-len(found) :]]
    assert place == output.stat().st_size


def test_what_was_read_long_ago_is_freed_and_what_was_read_just_now_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LOG_KEPT_BYTES", 1 << 20)
    monkeypatch.setattr(local, "LOG_FREED_BYTES", 1 << 20)
    output = tmp_path / "tasks" / "t" / "output.log"
    output.parent.mkdir(parents=True)
    lines = [f"{number} line {number:050}" for number in range(100_000)]
    output.write_text("\n".join(lines) + "\n")
    size, before = output.stat().st_size, output.stat().st_blocks
    backend = LocalBackend(tmp_path / "tasks", tmp_path / "sockets")
    place, found = 0, []
    while place < size:
        more, place = backend.read_log("t", place, 1 << 19)
        found += more
    assert [f"{at} {text}" for at, text in found] == lines
    assert backend.read_log("t", place) == ([], size)
    if not output.read_bytes().startswith(b"\0"):
        pytest.skip("the file system cannot free a part of a file")
    assert output.stat().st_blocks < before / 2
    assert backend.read_log("t", size - (1 << 20))[0]
