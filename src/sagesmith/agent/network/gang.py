"""How the tasks of one job find the network between them.

Each member of a gang notes in the gang's directory which descriptors of its process are the common namespaces, and
whoever comes next opens them there: no process has to serve anybody, and when all members are gone, so are the
namespaces. The first one finds nobody, and makes them.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sagesmith.files import replace_file
from sagesmith.process_identity import ProcessIdentity

DIRECTORY = ".gangs"
"""Beside the tasks' directories."""


@dataclass(frozen=True, slots=True)
class Common:
    """What the tasks of a gang share, as descriptors.

    Attributes:
        bridge: the network namespace that has the bridge between them.
        user: the user namespace that owns all of the gang's networks; None where root makes them.
    """

    bridge: int
    user: int | None


@dataclass(frozen=True, slots=True)
class Gang:
    """One member's view of its gang.

    Attributes:
        directory: the gang's own.
        host: the member's name.
    """

    directory: Path
    host: str

    @classmethod
    def beside(cls, task_directory: Path, name: str, host: str) -> "Gang":
        return cls(task_directory.parent / DIRECTORY / name, host)

    def join(self, make: Callable[[], Common]) -> Common:
        """What the members share: another member's, or else made now.

        Raises:
            OSError: that `make` raised, or the machine fails.
        """
        with self._locked():
            common = next(self._found(), None) or make()
            note = {"process": asdict(ProcessIdentity.own()), **asdict(common)}
            replace_file(self._note, json.dumps(note).encode())
        return common

    def leave(self) -> None:
        """Take back the note, if there is one; the last one removes the directory."""
        if not self._note.exists():
            return
        with self._locked():
            self._note.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.directory.rmdir()

    @property
    def _note(self) -> Path:
        return self.directory / f"{self.host}.json"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        while True:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # Another member was the last one to leave.
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink == 0:
                    continue  # As above.
                yield
                return
            finally:
                os.close(descriptor)

    def _found(self) -> Iterator[Common]:
        for path in sorted(self.directory.glob("*.json")):
            note = json.loads(path.read_bytes())
            process = ProcessIdentity(**note["process"])
            opened: list[int] = []
            try:
                wanted = [note["bridge"], *([] if note["user"] is None else [note["user"]])]
                opened += [os.open(f"/proc/{process.pid}/fd/{each}", os.O_RDONLY | os.O_CLOEXEC) for each in wanted]
            except OSError:
                pass  # It has ended.
            # Looked at after they were opened: a later process of that pid may have had other things there.
            if len(opened) == len(wanted) and process.runs():
                yield Common(opened[0], opened[1] if len(opened) > 1 else None)
            else:
                for descriptor in opened:
                    os.close(descriptor)
