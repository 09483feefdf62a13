"""The Ray backend as the platform sees it: directories that the driver reads and fills, and a word to wake it."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith.agent.taskdir import spec_to_json
from sagesmith.compute.base import MetricSample, TaskEvent, TaskObservation, TaskSpec
from sagesmith.compute.ray.records import Record, Seen
from sagesmith.compute.reading import read_events, read_lines, read_samples
from sagesmith.files import flush_directory, remove_tree, write_durably
from sagesmith.http.unix import socket_at

KILL_SECONDS = 55.0
"""The longest that the driver may take until a task is gone: less than a lease of the reconcile loop."""
_WORD_SECONDS = 5.0
_REMOVED = ".removed-"


@dataclass(slots=True)
class _Known:
    """What was read of a task so far. Whoever uses it holds its lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    events: list[TaskEvent] = field(default_factory=list)
    report_bytes: int = 0
    seen: Seen = field(default_factory=Seen)
    seen_version: tuple[int, int] = (0, 0)
    containers: Sequence[str] | None = None


class RayBackend:
    """`compute.base.Backend` on a Ray cluster, through the driver. Thread safe.

    Nothing here waits for Ray but `kill` and `forget`, which must know that a task is gone.

    Args:
        tasks_dir: where the tasks' directories are on this machine.
        driver: the driver's socket.
    """

    def __init__(self, tasks_dir: Path, driver: Path) -> None:
        self._tasks_dir = tasks_dir
        self._driver = driver
        self._known: dict[str, _Known] = {}
        self._known_lock = threading.Lock()
        for path in tasks_dir.glob(f"{_REMOVED}*"):
            remove_tree(path)

    def start(self, specs: Sequence[TaskSpec]) -> None:
        """Write the specifications; the driver starts nothing of a gang of which one is missing."""
        new = [spec for spec in specs if not self._record(spec.id).task.spec.exists()]
        members = json.dumps([spec.id for spec in specs]).encode()
        try:
            for spec in new:
                record = self._record(spec.id)
                record.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_durably(record.gang, members)
                write_durably(record.task.spec, spec_to_json(spec).encode())
            flush_directory(self._tasks_dir)
        except BaseException:
            for spec in new:
                with contextlib.suppress(OSError):
                    remove_tree(self._record(spec.id).root)
            raise
        if new:
            with contextlib.suppress(OSError):  # A driver that is only coming up looks by itself.
                self._tell("look", "", _WORD_SECONDS)

    def expect(self, spec: TaskSpec) -> None:
        """Nothing is kept ready on a cluster."""

    def stop(self, task_id: str) -> None:
        if self._record(task_id).task.spec.exists():
            self._tell("stop", task_id, _WORD_SECONDS)

    def kill(self, task_id: str) -> None:
        if self._record(task_id).task.spec.exists():
            self._tell("kill", task_id, KILL_SECONDS)

    def inspect(self, task_id: str) -> TaskObservation | None:
        record = self._record(task_id)
        with self._known_lock:
            known = self._known.get(task_id)
        if known is None:
            if not record.task.spec.exists():
                return None
            with self._known_lock:
                known = self._known.setdefault(task_id, _Known())
        with known.lock:
            # How it stands is looked at first: of a task that is over the report is whole by then.
            self._read_seen(record, known)
            events, known.report_bytes = read_events(record.task.report, known.report_bytes)
            known.events += events
            seen = known.seen
            if known.containers is None:
                known.containers = [each.name for each in record.task.read_spec().containers]
            return TaskObservation(
                task_id,
                seen.alive,
                list(known.events),
                seen.address,
                list(seen.processes),
                seen.pending,
                known.containers,
            )

    def tasks(self) -> list[TaskObservation]:
        try:
            names = sorted(path.name for path in self._tasks_dir.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        return [observed for name in names if (observed := self.inspect(name)) is not None]

    def watch(self, task_id: str, wake: Callable[[], None]) -> bool:
        return False

    def read_log(self, task_id: str, offset: int, limit: int = 1 << 20) -> tuple[list[tuple[int, str]], int]:
        return read_lines(self._record(task_id).task.output, offset, limit)

    def read_metrics(self, task_id: str, offset: int, limit: int = 1 << 18) -> tuple[list[MetricSample], int]:
        return read_samples(self._record(task_id).task.metrics, offset, limit)

    def forget(self, task_id: str) -> None:
        """Remove a task's directory; it is killed first should it still run, and its node has nothing of it then."""
        self.kill(task_id)
        root = self._record(task_id).root
        doomed = root.with_name(_REMOVED + root.name)
        with contextlib.suppress(FileNotFoundError):
            root.rename(doomed)
        with self._known_lock:
            self._known.pop(task_id, None)
        remove_tree(doomed)

    def _read_seen(self, record: Record, known: _Known) -> None:
        try:
            status = record.seen.stat()
        except FileNotFoundError:
            return
        version = (status.st_ino, status.st_mtime_ns)
        if version != known.seen_version:
            known.seen, known.seen_version = record.read_seen(), version

    def _tell(self, verb: str, task_id: str, seconds: float) -> None:
        """Have the driver do something.

        Raises:
            OSError: it is not there, or says that it could not.
        """
        connection = _Connection(self._driver, seconds)
        try:
            connection.request("POST", f"/{verb}/{task_id}", headers={"connection": "close"})
            answer = connection.getresponse()
            said = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise OSError(f"the Ray driver does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise OSError(f"the Ray driver could not {verb} {task_id}: {said}")

    def _record(self, task_id: str) -> Record:
        return Record(self._tasks_dir / task_id)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with socket_at(str(self._path)) as path:
            self.sock.connect(path)
