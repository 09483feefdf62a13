"""Word of what happens in directories, from the kernel instead of by looking: inotify(7).

A watch tells of one event and is over, so that a program that writes all the time costs no more than who asks again.
What it tells is that it is worth looking, never what there is to see: who misses an event looks a little later.
"""

import contextlib
import ctypes
import logging
import os
import select
import struct
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

logger = logging.getLogger("sagesmith.compute")

_IN_MODIFY, _IN_CLOSE_WRITE, _IN_MOVED_TO, _IN_CREATE = 0x2, 0x8, 0x80, 0x100
_IN_ONLYDIR, _IN_ONESHOT = 0x0100_0000, 0x8000_0000
_IN_IGNORED = 0x8000
_WANTED = _IN_MODIFY | _IN_CLOSE_WRITE | _IN_MOVED_TO | _IN_CREATE | _IN_ONLYDIR | _IN_ONESHOT
"""A file that was written is also closed when the process that wrote it ends, however it does."""
_EVENT = struct.Struct("iIII")
_READ_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """Watches directories in a thread of its own, which lives as long as the process. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._waiting: dict[int, Callable[[], None]] = {}

    def watch(self, directory: Path, wake: Callable[[], None]) -> bool:
        """Call `wake` once, in the watcher's thread, when a file of a directory is made, written or closed after that.

        Who watches a directory a second time takes the first one's place. What `wake` raises is logged.

        Returns:
            False: the kernel does not tell; it has no inotify, or its limits are reached (`fs.inotify.*`, sysctl(8)).
        """
        with self._lock:
            descriptor = self._opened()
            if descriptor < 0:
                return False
            number = _libc.inotify_add_watch(descriptor, os.fsencode(directory), ctypes.c_uint32(_WANTED))
            if number < 0:
                return False
            self._waiting[number] = wake
            return True

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
            if self._descriptor >= 0:
                threading.Thread(target=self._run, args=(self._descriptor,), name="watch", daemon=True).start()
        return self._descriptor

    def _run(self, descriptor: int) -> None:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        while True:
            poller.poll()
            with contextlib.suppress(BlockingIOError):
                for wake in self._happened(os.read(descriptor, _READ_BYTES)):
                    try:
                        wake()
                    except Exception:
                        logger.exception("who waited for a task could not be woken")

    def _happened(self, events: bytes) -> list[Callable[[], None]]:
        """Who waits for some events. A watch is over with its first, which an IN_IGNORED follows."""
        found = []
        place = 0
        while place < len(events):
            number, mask, _, length = _EVENT.unpack_from(events, place)
            place += _EVENT.size + length
            with self._lock:
                wake = self._waiting.pop(number, None)
            if wake is not None and not mask & _IN_IGNORED:
                found.append(wake)
        return found


@cache
def shared() -> Watcher:
    """The process' watcher: of the kernel's instances a user has few (`fs.inotify.max_user_instances`, often 128)."""
    return Watcher()
