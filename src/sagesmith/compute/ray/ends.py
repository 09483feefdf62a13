"""Ends of tasks whose node was lost before they were read: what their agents left in the object store."""

import functools
import json
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.handover import Handover
from sagesmith.compute.base import S3Access
from sagesmith.compute.ray.records import Record, append, flush, has_ended
from sagesmith.files import write_durably

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3

_NOT_THERE = frozenset({"NoSuchKey", "NoSuchBucket", "404", "AccessDenied", "403"})
"""A store that does not let us list says that what is not there is forbidden."""
_LONGEST_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Ends:
    """Where agents leave them. Every call may block.

    Args:
        access: the platform's own to the object store.
        bucket: the platform's own.
        prefix: of this platform, for a store may have several.
    """

    access: S3Access
    bucket: str
    prefix: str

    def uri(self, task_id: str) -> str:
        """Where a task's agent leaves its end."""
        return f"s3://{self.bucket}/{self._key(task_id)}"

    def prepare(self) -> None:
        """Make the bucket unless it is there, and see that what is left there can be read; the next sweep cleans up.

        Raises:
            OSError: the ends of tasks cannot be kept.
        """
        from sagesmith.agent.s3 import S3Failed

        s3, key = _s3(self.access), self._key("probe")
        try:
            s3.put(self.bucket, key, b"")
            s3.read(self.bucket, key)
        except S3Failed as error:
            raise OSError(f"s3://{self.bucket} cannot be used: {error.code}: {error}") from error

    def recall(self, record: Record) -> None:
        """Add to the files of a task that is gone what its agent left, if it came to its end.

        Raises:
            OSError: the store is away; not for ever.
        """
        if has_ended(record):
            return
        # How much there was is written down first: whoever comes back after a crash goes on from the same.
        if not record.recalled.exists():
            told = self._read(record.root.name)
            if told is None:
                return
            have = [_whole_lines_bytes(path) for path in _files(record)]
            write_durably(record.recalled, json.dumps([time.time(), have, told.decode()]).encode())
        at, have, text = json.loads(record.recalled.read_bytes())
        for path, size, addition in zip(
            _files(record), have, _additions(Handover.from_json(text), have, at), strict=True
        ):
            if path.exists():
                os.truncate(path, size)
            append(path, addition)
            flush(path)

    def remove(self, task_ids: Collection[str]) -> None:
        """Remove what agents left: their ends are known. What cannot be removed now is swept later."""
        from sagesmith.agent.s3 import S3Failed

        try:
            _s3(self.access).delete([(self.bucket, self._key(each)) for each in task_ids])
        except S3Failed:
            return

    def sweep(self, known: Callable[[], Collection[str]]) -> None:
        """Remove what was left by tasks that nobody knows any more.

        Args:
            known: those that somebody does, asked once it is known what was left.
        """
        from sagesmith.agent.s3 import S3Failed

        try:
            found = [each.key for each in _s3(self.access).list(self.bucket, self._key(""))]
        except S3Failed:
            return
        self.remove({key.removeprefix(self._key("")) for key in found} - set(known()))

    def _read(self, task_id: str) -> bytes | None:
        from sagesmith.agent.s3 import S3Failed

        try:
            return _s3(self.access).read(self.bucket, self._key(task_id))
        except S3Failed as error:
            if error.code in _NOT_THERE:
                return None
            raise OSError(f"the end of {task_id} cannot be looked up: {error}") from error

    def _key(self, task_id: str) -> str:
        return f"ends/{self.prefix}/{task_id}"


@functools.cache
def _s3(access: S3Access) -> "S3":
    """botocore takes a while to load, and a client of it to make."""
    from sagesmith.agent.s3 import S3

    return S3(access)


def _files(record: Record) -> list[Path]:
    """Whoever reads the report's end must find all of the others: it is the last."""
    return [record.task.output, record.task.metrics, record.task.report]


def _additions(told: Handover, have: Sequence[int], at: float) -> list[bytes]:
    """What is missing of each file."""
    found = []
    for piece, size in zip((told.output, told.metrics, told.report), have, strict=True):
        lost = piece.start - size
        notice = f"{int(at * 1000)} [{lost} bytes of output were lost with the node]\n".encode()
        hole = notice if lost > 0 and piece is told.output else b""
        found.append(hole + piece.content[max(-lost, 0) :])
    return found


def _whole_lines_bytes(path: Path) -> int:
    """Where a file's last whole line ends."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(size - _LONGEST_LINE_BYTES, 0)
            file.seek(start)
            return start + file.read().rfind(b"\n") + 1
    except FileNotFoundError:
        return 0
