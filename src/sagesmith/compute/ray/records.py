"""What platform and driver tell each other of a task: files in its directory on the platform's machine."""

import contextlib
import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sagesmith.agent.taskdir import TaskDir
from sagesmith.compute.base import ENDED, Process
from sagesmith.compute.reading import read_events
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.files import replace_file


@dataclass(frozen=True, slots=True)
class Seen:
    """How a task stands, as its host told last.

    Attributes:
        alive: the node agent runs, or is still to be started.
        address: where its model server listens, None if none does.
        processes: on this machine; those of other nodes have no pid here.
        node: Ray's id of its node, empty before it has one.
        pending: what it waits for, empty if it does not.
    """

    alive: bool = True
    address: str | None = None
    processes: list[Process] = field(default_factory=list)
    node: str = ""
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The layout of a task's directory on the platform's machine. Specification, stop, report, output and
    metrics are where the agent has them on the node, byte for byte."""

    root: Path

    @property
    def task(self) -> TaskDir:
        return TaskDir(self.root)

    @property
    def gang(self) -> Path:
        """The ids of all tasks that start together: a gang of which one has no specification yet is not started."""
        return self.root / "gang.json"

    @property
    def peers(self) -> Path:
        """Where the hosts of a job reach each other, by name; not there if they are on one machine."""
        return self.root / "peers.json"

    @property
    def recalled(self) -> Path:
        """What the agent left at its end, and how much of the files was here, if the task's node was lost then."""
        return self.root / "recalled.json"

    @property
    def started(self) -> Path:
        """There before an agent may run: without it nothing of the task ever ran."""
        return self.root / "started"

    @property
    def killed(self) -> Path:
        """There once the task must not run (any more)."""
        return self.root / "killed"

    @property
    def seen(self) -> Path:
        return self.root / "seen.json"

    def read_gang(self) -> list[str]:
        members: list[str] = json.loads(self.gang.read_bytes())
        return members

    def read_peers(self) -> dict[str, str]:
        try:
            peers: dict[str, str] = json.loads(self.peers.read_bytes())
        except FileNotFoundError:
            return {}
        return peers

    def read_seen(self) -> Seen:
        try:
            fields: dict[str, Any] = json.loads(self.seen.read_bytes())
        except FileNotFoundError:
            return Seen()
        fields["processes"] = [Process(**each) for each in fields["processes"]]
        return Seen(**fields)

    def write_seen(self, seen: Seen) -> None:
        replace_file(self.seen, json.dumps(asdict(seen)).encode())


def namespace(platform: Platform) -> str:
    """The Ray namespace of a platform: two on one cluster know nothing of each other's actors, unless one stands by for
    the other, whose actors it ends when it takes over."""
    if platform.standby:
        return "sagesmith-" + KeyRing.load(platform.dir.keys, platform.account_id).fingerprint[:16]
    place = f"{socket.gethostname()}:{platform.dir.root.resolve()}"
    return "sagesmith-" + hashlib.sha256(place.encode()).hexdigest()[:16]


def has_ended(record: Record) -> bool:
    """Whether what is here of a task's report has its end."""
    events, _ = read_events(record.task.report, 0)
    return bool(events) and events[-1].state in ENDED


def append(path: Path, data: bytes) -> None:
    """Add to a file, which is made if it is not there and there is something to add."""
    if data:
        with path.open("ab") as file:
            file.write(data)


def flush(path: Path) -> None:
    """Make a file durable; nothing if it is not there."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
