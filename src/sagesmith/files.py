"""Small files that one process writes and others read: replaced in one step, so that nobody ever sees half of one.
And the removal of what others wrote.
"""

import contextlib
import ctypes
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE = 0o600
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


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


def is_locked(path: Path) -> bool:
    """Whether a process holds an exclusive flock(2) on a file; False where there is no such file.

    It asks for a shared lock, so that two who look at once see the same.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def free_beginning(path: Path, length: int) -> None:
    """Give the disk back what the first `length` bytes of a file take; the others stay where they are, fallocate(2).

    Where the file system cannot do that, or the file is gone, nothing happens.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            fallocate = ctypes.CDLL(None).fallocate
            fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong)
            fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, 0, length)
        finally:
            os.close(descriptor)


def remove_tree(root: Path) -> None:
    """Remove a directory and all that is in it, whatever user code made there; nothing if it is not there.

    Modes do not matter, links are removed and never followed, and no depth is too deep: `shutil.rmtree` recurses, and
    gives up at a thousand directories in each other. Nobody else may write there any more.

    Raises:
        OSError: the machine does not let us.
    """
    try:
        if not stat.S_ISDIR(root.lstat().st_mode):
            root.unlink()
            return
    except FileNotFoundError:
        return
    with contextlib.suppress(FileNotFoundError):  # Somebody else may be at the same.
        root.chmod(0o700)
        _empty(root)
        root.rmdir()


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _empty(root: Path) -> None:
    top = os.open(root, _DIRECTORY)
    try:
        # Directories within directories are moved up before their own is removed, so that none is ever deep.
        prefix, count = secrets.token_hex(8), 0
        while names := _names(top):
            for name in names:
                for inner, folder in _emptied(top, name):
                    os.rename(inner, f"{prefix}-{count}", src_dir_fd=folder, dst_dir_fd=top)
                    count += 1
    finally:
        os.close(top)


def _emptied(parent: int, name: str) -> Iterator[tuple[str, int]]:
    """Remove `name` in a directory; of a directory in it, its name and descriptor are given to be moved away first."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    os.chmod(name, 0o700, dir_fd=parent)
    folder = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        for inner in _names(folder):
            if stat.S_ISDIR(os.stat(inner, dir_fd=folder, follow_symlinks=False).st_mode):
                with contextlib.suppress(OSError):
                    os.rmdir(inner, dir_fd=folder)
                    continue
                os.chmod(inner, 0o700, dir_fd=folder)
                yield inner, folder
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


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


def append_whole(path: Path, data: bytes) -> None:
    """Append to a file that nobody else writes to: all of it, or nothing where the disk has no room for all.

    Raises:
        OSError: nothing was written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
