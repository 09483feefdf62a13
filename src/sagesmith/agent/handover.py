"""What a task has told, left in the object store just before its end is reported.

On a cluster a report is on the task's node, and the node may be gone before anybody has read the end of it: the work
would be done, its artifacts stored, and nobody would know. So the agent leaves it where it outlives the node.
"""

import contextlib
import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sagesmith.agent.task import Task

TAIL_BYTES = 1 << 20
"""So much of the end of output and metrics goes with it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of a file, to its end.

    Attributes:
        start: which byte of the file they begin at.
    """

    start: int
    content: bytes

    @classmethod
    def end_of(cls, path: Path, limit: int) -> "Piece":
        """The last lines of a file, of so many bytes at the most; without a line that a full disk has cut off, perhaps
        within a character."""
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(size - limit, 0)
                if start:
                    file.seek(start - 1)
                    start += len(file.readline()) - 1
                file.seek(start)
                content = file.read()
                return cls(start, content[: content.rfind(b"\n") + 1])
        except FileNotFoundError:
            return cls(0, b"")


@dataclass(frozen=True, slots=True)
class Handover:
    """Report, output and metrics of a task, as they are in its directory."""

    report: Piece
    output: Piece
    metrics: Piece

    def to_json(self) -> bytes:
        """What we write is UTF-8 and cut between lines, so that it is text."""
        pieces = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({name: [each.start, each.content.decode()] for name, each in pieces.items()}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Handover":
        return cls(**{name: Piece(start, said.encode()) for name, (start, said) in json.loads(text).items()})


def be_ready(task: Task) -> None:
    """Load what `leave` needs while user code runs, so that the end does not wait for it."""
    if task.spec.handover is not None:
        threading.Thread(target=lambda: task.s3, name="handover", daemon=True).start()


def leave(task: Task, last: bytes) -> None:
    """Leave what a task has told, if its specification says where.

    Nothing that fails here keeps a task from its end: then the report on the node is all that there is.

    Args:
        last: the line that is about to be added to the report.
    """
    if task.spec.handover is None:
        return
    directory, place = task.directory, urlsplit(task.spec.handover)
    try:
        report = directory.report.read_bytes() + last
        told = Handover(
            Piece(0, report), *(Piece.end_of(each, TAIL_BYTES) for each in (directory.output, directory.metrics))
        )
        task.s3.put(place.netloc, place.path.removeprefix("/"), told.to_json())
    except Exception as error:
        said = f"the end of the task could not be left at {task.spec.handover}: {type(error).__name__}: {error}\n"
        with contextlib.suppress(OSError):  # The disk that has the agent's log may be full.
            sys.stderr.write(said)
