"""Which process a pid meant when it was noted: pids come again, and clocks are set."""

import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from sagesmith.files import write_durably


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same pid.

    Attributes:
        started: start time in clock ticks since boot, field 22 of `/proc/<pid>/stat` (proc(5)): unlike a time of day
            it stays what it is when somebody sets the clock.
        boot: the kernel's boot id: pids and ticks begin anew after a reboot.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The identity of a running process, None if there is none of this pid or it only waits to be collected."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        # The second field is the program's name, in parentheses, and may hold spaces and parentheses itself.
        fields = stat[stat.rindex(b")") + 2 :].split()
        return None if fields[0] in (b"Z", b"X") else cls(pid, int(fields[19]), boot_id())

    @classmethod
    def own(cls) -> "ProcessIdentity":
        """The calling process's."""
        identity = cls.of(os.getpid())
        assert identity is not None
        return identity

    def runs(self) -> bool:
        return ProcessIdentity.of(self.pid) == self


@cache
def boot_id() -> str:
    """The kernel's, random(4)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def write_identity(path: Path, identity: ProcessIdentity) -> None:
    write_durably(path, json.dumps(asdict(identity)).encode())


def read_identity(path: Path) -> ProcessIdentity | None:
    """What `write_identity` wrote, None if it is not there."""
    try:
        return ProcessIdentity(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
