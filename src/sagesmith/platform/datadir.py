"""Preparing a data directory: layout, format, keys, the lock that one platform holds on it."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from sagesmith import __version__, files
from sagesmith.config import DATA_FORMAT, DataDir
from sagesmith.credentials import KeyRing
from sagesmith.files import remove_tree, write_durably
from sagesmith.objects import ports
from sagesmith.process_identity import ProcessIdentity, read_identity, write_identity

_HOLDER = "holder.json"
"""Below `run`: who took the lock. It says so even where the disk had no room for the list of processes."""


class DataDirError(Exception):
    """A data directory cannot be used; the message says why and what to do."""


def prepare(directory: DataDir, account_id: str, environ: Mapping[str, str] = os.environ) -> KeyRing:
    """Make what is missing in a data directory and open its keys.

    Raises:
        DataDirError: it is another user's, of a newer format, or cannot be written.
    """
    root = directory.root
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if root.stat().st_uid != os.getuid():
            raise DataDirError(f"{root} belongs to another user; choose another directory with --data.")
        root.chmod(0o700)
        for path in (
            directory.database.parent,
            directory.objects,
            directory.tasks,
            directory.run,
            directory.logs,
            directory.tls,
        ):
            path.mkdir(mode=0o700, exist_ok=True)
        _check_format(directory)
        make_private(directory.sockets.parent)
        make_private(directory.sockets)
        token = directory.keys / "admin.token"
        keyring = KeyRing.create(
            directory.keys,
            account_id,
            environ.get("SAGESMITH_ACCESS_KEY_ID"),
            environ.get("SAGESMITH_SECRET_ACCESS_KEY"),
        )
        if not token.exists():
            write_durably(token, secrets.token_urlsafe(32).encode())
    except OSError as error:
        raise _unusable(directory, error) from error
    return keyring


def make_private(path: Path) -> None:
    """A directory that is ours alone, also where everybody may create names, such as /tmp.

    Raises:
        DataDirError: something of another user stands there.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or path.is_symlink() or not path.is_dir():
        raise DataDirError(f"{path} is not a directory of this user; remove it or set TMPDIR to another place.")
    path.chmod(0o700)


def lock(directory: DataDir) -> int:
    """Take the lock that the supervisor holds for its lifetime; the kernel lets go of it when the process ends.

    Returns:
        The file descriptor that holds it.

    Raises:
        DataDirError: a platform runs on this directory, or it cannot be written.
    """
    try:
        directory.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DataDirError(
            f"a platform already runs on {directory.root}; `sagesmith status --data {directory.root}` shows it, "
            f"`sagesmith down --data {directory.root}` ends it."
        ) from None
    with contextlib.suppress(OSError):
        write_identity(directory.run / _HOLDER, ProcessIdentity.own())
    return descriptor


def holder(directory: DataDir) -> ProcessIdentity | None:
    """The process that holds the lock, None if none does or it could not note itself."""
    identity = read_identity(directory.run / _HOLDER)
    return identity if identity and identity.runs() and is_locked(directory) else None


def is_locked(directory: DataDir) -> bool:
    """Whether a supervisor holds the lock."""
    return files.is_locked(directory.run / "lock")


def remove_sockets(directory: DataDir) -> None:
    """Remove the sockets of a platform that has ended, its object store's too."""
    with contextlib.suppress(OSError):
        remove_tree(directory.sockets)
    ports.remove_sockets(directory.objects / "ports.json")


def _unusable(directory: DataDir, error: OSError) -> DataDirError:
    return DataDirError(f"{directory.root} cannot be used as a data directory: {error}")


def _check_format(directory: DataDir) -> None:
    path = directory.format_file
    if not path.exists():
        write_durably(path, json.dumps({"format": DATA_FORMAT, "version": __version__}).encode())
        return
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise DataDirError(f"{path} cannot be read: {error}. Restore the directory from a backup.") from error
    if found["format"] != DATA_FORMAT:
        raise DataDirError(
            f"{directory.root} was written by Sagesmith {found['version']} (data format {found['format']}); this is "
            f"{__version__} (format {DATA_FORMAT}). Use that version, or another directory with --data."
        )
