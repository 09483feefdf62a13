"""Ends that were read from the object store: what is missing of a task's files is added, whatever dies meanwhile."""

import json
from pathlib import Path

import pytest

from sagesmith.agent.handover import Handover, Piece
from sagesmith.agent.taskdir import event_to_json
from sagesmith.compute.base import S3Access, TaskEvent
from sagesmith.compute.ray.ends import Ends
from sagesmith.compute.ray.records import Record
from sagesmith.compute.reading import read_events, read_lines

ENDS = Ends(S3Access("http://127.0.0.1:9", "none", "none", "us-east-1"), "bucket", "platform")
EVENTS = [event_to_json(TaskEvent(1, 1.0, "Training")), event_to_json(TaskEvent(2, 2.0, "Completed"))]
REPORT = "\n".join([*EVENTS, ""]).encode()
OUTPUT = "".join(f"{number} line {number} äöü\n" for number in range(100)).encode()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Of a task whose first event is here, with the output up to the middle of a line."""
    found = Record(tmp_path)
    found.task.report.write_text(EVENTS[0] + "\n")
    found.task.output.write_bytes(OUTPUT[:777])
    return found


def leave(record: Record, output: Piece) -> None:
    """Note what its agent left, as the first look at the store does."""
    whole = OUTPUT[:777].rfind(b"\n") + 1
    told = Handover(Piece(0, REPORT), output, Piece(0, b""))
    record.recalled.write_text(json.dumps([9.0, [whole, 0, len(EVENTS[0]) + 1], told.to_json().decode()]))


def ended(record: Record) -> bool:
    return [each.state for each in read_events(record.task.report, 0)[0]] == ["Training", "Completed"]


def test_what_an_agent_leaves_is_read_as_it_was() -> None:
    told = Handover(Piece(0, REPORT), Piece(40, OUTPUT[40:]), Piece(0, b""))
    assert Handover.from_json(told.to_json()) == told


def test_the_last_lines_of_a_file_begin_with_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(OUTPUT)
    for limit in range(len(OUTPUT) - 60, len(OUTPUT) + 2):
        piece = Piece.end_of(path, limit)
        assert OUTPUT[piece.start :] == piece.content
        assert len(piece.content) <= limit
        assert piece.start == 0 or OUTPUT[piece.start - 1 : piece.start] == b"\n"
    assert Piece.end_of(tmp_path / "nothing", 10) == Piece(0, b"")


@pytest.mark.parametrize("start", [0, 300])
def test_the_rest_of_the_output_and_the_end_are_added(record: Record, start: int) -> None:
    start = OUTPUT.index(b"\n", start) + 1 if start else 0
    leave(record, Piece(start, OUTPUT[start:]))
    ENDS.recall(record)
    assert record.task.output.read_bytes() == OUTPUT
    assert not record.task.metrics.exists()
    assert ended(record)


def test_output_that_nobody_has_is_said_to_be_lost(record: Record) -> None:
    start = OUTPUT.index(b"50 line 50")
    leave(record, Piece(start, OUTPUT[start:]))
    ENDS.recall(record)
    lines = [line for _, line in read_lines(record.task.output, 0, 1 << 20)[0]]
    (notice,) = [line for line in lines if "lost" in line]
    known = OUTPUT[:777].rfind(b"\n") + 1
    assert notice == f"[{start - known} bytes of output were lost with the node]"
    assert lines[-50:] == [f"line {number} äöü" for number in range(50, 100)]


@pytest.mark.parametrize("lost", [False, True])
def test_a_driver_that_dies_meanwhile_adds_nothing_twice(record: Record, lost: bool) -> None:
    start = OUTPUT.index(b"50 line 50") if lost else 0
    leave(record, Piece(start, OUTPUT[start:]))
    ENDS.recall(record)
    once = record.task.output.read_bytes()
    record.task.report.write_text(EVENTS[0] + "\n")  # It died before the last of the files had its part.
    ENDS.recall(record)
    assert record.task.output.read_bytes() == once
    assert ended(record)
