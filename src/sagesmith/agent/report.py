"""The durable report of a task."""

import os
import time
from pathlib import Path
from typing import Any

from sagesmith.agent.taskdir import event_to_json
from sagesmith.compute.base import TaskEvent, TaskState
from sagesmith.files import flush_directory


class Report:
    """Appends events to `report.jsonl`; an event is on the disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._next = 1
        self._time = 0.0
        flush_directory(path.parent)

    def write(self, state: TaskState, message: str = "", **detail: Any) -> None:
        """Add an event."""
        self.append(self.line(state, message, **detail))

    def line(self, state: TaskState, message: str = "", **detail: Any) -> bytes:
        """The line of the next event, for `append`."""
        # A clock that steps back must not make a task end before it began.
        self._time = max(time.time(), self._time)
        event = TaskEvent(self._next, self._time, state, message, detail)
        return event_to_json(event).encode() + b"\n"

    def append(self, line: bytes) -> None:
        """Add the line of an event, all of it or, if the disk is full, nothing."""
        start, rest = os.fstat(self._descriptor).st_size, line
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, start)
            raise
        os.fsync(self._descriptor)
        self._next += 1
