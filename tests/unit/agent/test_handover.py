"""What a task leaves at its end, on a disk that has become full."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sagesmith.agent import handover
from sagesmith.agent.handover import Piece
from sagesmith.agent.report import Report
from sagesmith.agent.taskdir import TaskDir
from sagesmith.compute.reading import read_events


@pytest.mark.parametrize("limit", [9, 1 << 20])
def test_a_line_that_a_full_disk_cut_within_a_character_is_left_out(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "output"
    path.write_bytes("1 one\n2 two\n3 äö".encode()[:-1])
    piece = Piece.end_of(path, limit)
    assert piece.content.decode() == ("1 one\n2 two\n" if limit > 9 else "")
    assert path.read_bytes()[piece.start :].startswith(piece.content)


def test_nothing_that_fails_while_it_is_left_keeps_a_task_from_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = TaskDir(tmp_path)
    directory.report.touch()
    directory.output.write_bytes(b"1 \xff\n")  # Nothing of ours: it cannot be read as text.
    spec = SimpleNamespace(handover="s3://sagesmith-internal-1/ends/task")
    handover.leave(SimpleNamespace(spec=spec, directory=directory, s3=SimpleNamespace(put=None)), b"{}\n")
    assert "could not be left at s3://sagesmith-internal-1/ends/task: UnicodeDecodeError" in capsys.readouterr().err


def test_an_event_that_a_full_disk_takes_half_of_is_there_once_when_it_is_added_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report(tmp_path / "report.jsonl")
    report.write("Training")
    line = report.line("Completed")
    room = [len(line) // 2, 0]
    write = os.write

    def write_what_fits(descriptor: int, data: bytes) -> int:
        fits = room.pop(0) if room else len(data)
        if not fits:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:fits])

    monkeypatch.setattr(os, "write", write_what_fits)
    with pytest.raises(OSError, match="No space left"):
        report.append(line)
    report.append(line)
    events, _ = read_events(tmp_path / "report.jsonl", 0)
    assert [each.state for each in events] == ["Training", "Completed"]
