"""Slots: how many invocations of an endpoint are under way, over all router processes together and exactly.

An endpoint has a file, and a slot is a byte of it that a router has locked. The lock is one of an open file (fcntl(2),
"Open file description locks"), which ends with its process however that ends, so that no crash leaves a slot taken. The
file's time of change is when a slot was last taken or given back.
"""

import fcntl
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

_FLOCK = struct.Struct("@hhqqi4x")
"""struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid."""


@dataclass(frozen=True, slots=True)
class Use:
    """How an endpoint's slots are used.

    Attributes:
        now: how many are taken.
        last: when one was last taken or given back, in seconds since the epoch; 0.0 if never.
    """

    now: int
    last: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is taken.

    Attributes:
        number: from 0. So many were in use at least when it was taken: all slots before it were.
        opening: which file it is in: the how-manieth that was opened.
    """

    number: int
    opening: int


@dataclass(slots=True)
class SlotFile:
    """One process' view of an endpoint's slots. One thread at a time, and one of these a process and file.

    Args:
        path: made if it is not there.
    """

    path: Path
    _descriptor: int = -1
    _inode: int = -1
    _opening: int = 0
    _mine: set[int] = field(default_factory=set)

    def take(self, count: int) -> Slot | None:
        """Take the first of `count` slots that is free; None if none is."""
        self._open()
        for number in range(count):
            if number not in self._mine and _locked(self._descriptor, number):
                self._mine.add(number)
                os.utime(self._descriptor)
                return Slot(number, self._opening)
        return None

    def give_back(self, slot: Slot) -> None:
        """Free a slot. One of a former file is free already."""
        if slot.opening == self._opening and slot.number in self._mine:
            self._mine.remove(slot.number)
            os.utime(self._descriptor)
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, slot.number, 1))

    @property
    def is_gone(self) -> bool:
        """Whether the endpoint was deleted, and this process has no slot of it any more."""
        return not self._mine and not self.path.exists()

    def close(self) -> None:
        """Free all slots that this process has."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = self._inode = -1
        self._mine.clear()

    def _open(self) -> None:
        """Open the file, or the one that has taken its place: that of a later endpoint of the same name."""
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            inode = -1
        if self._descriptor >= 0 and inode == self._inode:
            return
        self.close()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._inode = os.fstat(self._descriptor).st_ino
        self._opening += 1


def path_of(folder: Path, region: str, endpoint: str) -> Path:
    """The file of an endpoint's slots."""
    return folder / f"{region}.{endpoint.lower()}"


def use(path: Path, count: int) -> Use:
    """How the first `count` slots of a file are used by all processes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Use(0, 0.0)
    try:
        last = os.fstat(descriptor).st_mtime
        if _is_free(descriptor, 0, count):
            return Use(0, last)
        return Use(sum(not _is_free(descriptor, number, 1) for number in range(count)), last)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, number: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, number, 1))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_free(descriptor: int, start: int, length: int) -> bool:
    found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, start, length))
    return int(_FLOCK.unpack(found)[0]) == fcntl.F_UNLCK


def _flock(kind: int, start: int, length: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
