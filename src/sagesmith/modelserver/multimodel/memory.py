"""How much memory this process has, and how much another model may take."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_PART = 0.9
"""Of the instance's memory: what handlers allocate while they predict needs room as well."""
_FORGETS = 0.9
_TELLING_BYTES = 1 << 20
"""Of smaller models, what handlers allocate meanwhile says more than what the model takes."""


class Memory:
    """The account of one process. Used by the thread that loads.

    Args:
        limit_bytes: the instance's memory, None if there is no limit.
        models_bytes: what all models may take together, None if only the instance's memory limits them.
    """

    def __init__(self, limit_bytes: int | None, models_bytes: int | None) -> None:
        self._limit = None if limit_bytes is None else int(limit_bytes * _PART)
        self._models_limit = models_bytes
        self._models = 0
        # What a model takes in memory, for each byte of its files: of those that were loaded lately the most.
        self._expansion = 1.0

    def has_room(self, files_bytes: int) -> bool:
        """Whether a model whose files have so many bytes fits beside the others."""
        expected = int(files_bytes * self._expansion)
        if self._models_limit is not None and self._models + expected > self._models_limit:
            return False
        return self._limit is None or resident_bytes() + expected <= self._limit

    def take(self, files_bytes: int, before: int) -> int:
        """Note a model that was just loaded; what it takes.

        Args:
            before: what the process had before.
        """
        grown = max(resident_bytes() - before, files_bytes)
        if files_bytes >= _TELLING_BYTES:
            self._expansion = max(1.0, self._expansion * _FORGETS, grown / files_bytes)
        self._models += grown
        return grown

    def give_back(self, taken: int) -> None:
        """Note that a model was unloaded, and hand what it leaves to the system."""
        self._models -= taken
        trim()


def resident_bytes() -> int:
    """What this process has in memory."""
    return int(_STATM.read_bytes().split()[1]) * _PAGE


def trim() -> None:
    """Return what was freed to the system, where the C library can."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
