"""Reading what a node agent writes, from where one has read before: its report, its output, what it has measured."""

import os
from pathlib import Path
from typing import BinaryIO

from sagesmith.agent.metrics import sample_from_json
from sagesmith.agent.output import DATA_LOG
from sagesmith.agent.taskdir import event_from_json
from sagesmith.compute.base import AgentLine, ContainerLine, MetricSample, TaskEvent


def read_events(report: Path, offset: int) -> tuple[list[TaskEvent], int]:
    """The events of a report from byte `offset` on, and the next offset. Only whole lines."""
    data = read_bytes(report, offset)
    end = data.rfind(b"\n") + 1
    return [event_from_json(line) for line in data[:end].splitlines()], offset + end


def read_lines(output: Path, offset: int, limit: int) -> tuple[list[tuple[int, str]], int]:
    """As `Backend.read_log` does, of the file at `output`."""
    data, next_offset = _whole_lines(output, offset, limit)
    stamps: dict[str, tuple[int, str | None]] = {}
    lines: list[tuple[int, str]] = []
    for line in data.decode("utf-8", "replace").split("\n")[:-1]:
        stamp, _, text = line.partition(" ")
        # What was printed at once has one time.
        known = stamps.get(stamp)
        if known is None:
            time, marked, container = stamp.partition(DATA_LOG)
            known = stamps[stamp] = (int(time), container if marked else None)
        at, of = known
        lines.append((at, text if of is None else ContainerLine.of(of, text) if of else AgentLine(text)))
    return lines, next_offset


def read_samples(metrics: Path, offset: int, limit: int) -> tuple[list[MetricSample], int]:
    """As `Backend.read_metrics` does, of the file at `metrics`."""
    found, next_offset = _whole_lines(metrics, offset, limit)
    return [sample_from_json(line) for line in found.splitlines()], next_offset


def _whole_lines(path: Path, offset: int, limit: int) -> tuple[bytes, int]:
    """The lines of a file from a byte on, and where the next one begins; none if there is no file."""
    try:
        with path.open("rb") as file:
            offset = _beginning(file, offset)
            data = file.read(limit)
            # A line is at most some 256 KB: one that does not fit into a small limit is still given whole.
            while b"\n" not in data and (more := file.read(1 << 16)):
                data += more
    except FileNotFoundError:
        return b"", offset
    end = data.rfind(b"\n") + 1
    return data[:end], offset + end


def _beginning(file: BinaryIO, offset: int) -> int:
    """Go to a byte of a file, or to the first line behind it if what was there has been removed.

    That happens only if the database lost its last transactions with the machine's power, and with them how far the
    file had been read.
    """
    file.seek(offset)
    if file.read(1) != b"\0":
        file.seek(offset)
        return offset
    file.seek(os.lseek(file.fileno(), offset, os.SEEK_DATA))
    file.readline()
    return file.tell()


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
