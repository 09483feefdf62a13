"""Small files that one process writes and others read: replaced in one step, so that nobody ever sees half of one."""

import os
from pathlib import Path

PRIVATE = 0o600


def replace_file(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file that a reader sees as it was or as it is now, whenever the writer is killed.

    For what is true only while the machine runs: after a power loss the file may be empty.

    Args:
        mode: of the new file, from its first byte on; the umask takes nothing away from it.
    """
    _replace(path, content, mode, flush=False)


def write_durably(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """`replace_file`, and on the disk when it returns: a power loss leaves the old or the new file, too."""
    _replace(path, content, mode, flush=True)
    flush_directory(path.parent)


def flush_directory(path: Path) -> None:
    """Make the names in a directory durable, fsync(2)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes, mode: int, *, flush: bool) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        if flush:
            file.flush()
            os.fsync(descriptor)
    temporary.replace(path)
