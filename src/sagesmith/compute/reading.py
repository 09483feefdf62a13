"""Reading what a node agent writes, from where one has read before: its report, its output, what it has measured."""

from pathlib import Path

from sagesmith.agent.metrics import sample_from_json
from sagesmith.agent.taskdir import event_from_json
from sagesmith.compute.base import MetricSample, TaskEvent


def read_events(report: Path, offset: int) -> tuple[list[TaskEvent], int]:
    """The events of a report from byte `offset` on, and the next offset. Only whole lines."""
    data = read_bytes(report, offset)
    end = data.rfind(b"\n") + 1
    return [event_from_json(line) for line in data[:end].splitlines()], offset + end


def read_lines(output: Path, offset: int, limit: int) -> tuple[list[tuple[int, str]], int]:
    """As `Backend.read_log` does, of the file at `output`."""
    lines: list[tuple[int, str]] = []
    found, next_offset = _whole_lines(output, offset, limit)
    for line in found:
        stamp, _, text = line.partition(b" ")
        lines.append((int(stamp), text.decode("utf-8", "replace")))
    return lines, next_offset


def read_samples(metrics: Path, offset: int, limit: int) -> tuple[list[MetricSample], int]:
    """As `Backend.read_metrics` does, of the file at `metrics`."""
    found, next_offset = _whole_lines(metrics, offset, limit)
    return [sample_from_json(line) for line in found], next_offset


def _whole_lines(path: Path, offset: int, limit: int) -> tuple[list[bytes], int]:
    """The lines of a file from a byte on, and where the next one begins; none if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(limit)
            # A line is at most some 256 KB: one that does not fit into a small limit is still given whole.
            while b"\n" not in data and (more := file.read(1 << 16)):
                data += more
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return data[:end].split(b"\n")[:-1], offset + end


def read_bytes(path: Path, offset: int, limit: int = -1) -> bytes:
    """What a file has from a byte on, at most `limit` of it; nothing if it is not there or no longer than that."""
    try:
        if path.stat().st_size <= offset:
            return b""
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)
    except FileNotFoundError:
        return b""
