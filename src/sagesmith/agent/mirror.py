"""A folder that user code writes to, copied to a prefix of S3: while the program runs, and at its end."""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from sagesmith.agent.archive import walk
from sagesmith.agent.task import real_directory

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3

LOOK_SECONDS = 2.0
_SHARE_OF_TIME = 20.0
"""Looking through a large folder costs processor time, which is the program's: at most a twentieth of it."""
_LONG_OPEN_SECONDS = 30.0
"""A file that stays open, as a log does, is taken for whole when it has not changed for so long."""
_COPY_BYTES = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _State:
    """By what a file is known to have changed."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "_State":
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class _Changed(Exception):
    """A file was written to while it was read."""


class Mirror:
    """One folder and its prefix.

    User code owns the folder and may replace any part of it at any moment, so nothing is opened by a path: a link
    that it puts in a file's place would lead the agent, which may be root, to files of this machine.

    Args:
        root: not user code's to replace.
        folder: relative to `root`.
        shown_as: the folder's path as user code knows it.
        say: writes a line into the task's log.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        shown_as: str,
        bucket: str,
        prefix: str,
        kms_key_id: str | None,
        say: Callable[[str], None],
    ) -> None:
        self._root = root
        self._folder = folder
        self.shown_as = shown_as
        self._bucket = bucket
        self._prefix = prefix.rstrip("/")
        self._kms_key_id = kms_key_id
        self._say = say
        self._seen: dict[str, tuple[_State, float]] = {}
        self._stored: dict[str, _State] = {}

    @property
    def target(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def look(self, s3: "S3", give_up: Callable[[], bool]) -> None:
        """Upload the files that are new or changed and are whole: not changed since the look before, and closed.

        What cannot be stored now is tried again at the next look, and by `finish`, which says why.
        """
        from sagesmith.agent.s3 import S3Failed

        before, self._seen = self._seen, {}
        moment = time.monotonic()
        # The oldest first: what names other files, as the latest checkpoint's, is written after them.
        for name, state in sorted(self._files(), key=lambda each: each[1].modified_ns):
            seen_as, since = before.get(name, (None, moment))
            self._seen[name] = (state, since if seen_as == state else moment)
            if give_up() or self._stored.get(name) == state or seen_as != state:
                continue
            with contextlib.suppress(OSError, S3Failed, _Changed):
                if self._is_being_written(name) and moment - since < _LONG_OPEN_SECONDS:
                    continue
                write = partial(self._copy, name, state)
                s3.upload_stream(write, self._bucket, self._key(name), self._kms_key_id, state.size)
                self._stored[name] = state

    def assume_stored(self) -> None:
        """Take what is in the folder now for what S3 has."""
        self._stored = dict(self._files())

    def finish(self, s3: Callable[[], "S3"]) -> None:
        """Upload what is not there yet, when nobody writes to the folder any more.

        Raises:
            S3Failed: something could not be stored.
        """
        folder = real_directory(self._root, self._folder)
        if folder is None:
            return
        files = []
        for path in walk(folder):
            status = path.lstat()
            name = path.relative_to(folder).as_posix()
            if not stat.S_ISREG(status.st_mode) or self._stored.get(name) == _State.of(status):
                continue
            if _is_key(name):
                files.append((path, self._bucket, self._key(name)))
            else:
                self._say(f"The name of a file in {self.shown_as} is not UTF-8: {name!a} is not uploaded.")
        if files:
            s3().upload_files(files, self._kms_key_id)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _files(self) -> Iterator[tuple[str, _State]]:
        try:
            top = _open_directory(self._root, self._folder.parts)
        except OSError:
            return
        try:
            for path, _, names, descriptor in os.fwalk(".", dir_fd=top):
                for name in names:
                    relative = str(PurePosixPath(path, name))
                    with contextlib.suppress(OSError):
                        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode) and _is_key(relative):
                            yield relative, _State.of(status)
        finally:
            os.close(top)

    def _copy(self, name: str, state: _State, target: IO[bytes]) -> None:
        """Write a file's content to `target`.

        Raises:
            _Changed: it is not what was seen, or was not all the time.
            OSError: it is not there any more.
        """
        with self._open(name) as file:
            shutil.copyfileobj(file, target, _COPY_BYTES)
            if _State.of(os.fstat(file.fileno())) != state:
                raise _Changed

    def _is_being_written(self, name: str) -> bool:
        """Whether somebody has the file open for writing: then nobody gets a read lease on it (fcntl(2))."""
        with self._open(name) as file:
            try:
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            except OSError as error:
                # Whose file system or container does not allow leases has to rely on what changes meanwhile.
                return error.errno == errno.EAGAIN
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return False

    def _open(self, name: str) -> IO[bytes]:
        """A file for reading.

        Raises:
            OSError: it is not there any more, or is not a regular file.
        """
        path = self._folder / name
        directory = _open_directory(self._root, path.parts[:-1])
        try:
            descriptor = os.open(path.name, _FILE, dir_fd=directory)
        finally:
            os.close(directory)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(name)
        return os.fdopen(descriptor, "rb")


@contextlib.contextmanager
def kept_up_to_date(mirrors: Sequence[Mirror], s3: Callable[[], "S3"]) -> Iterator[None]:
    """Look at folders again and again, in a thread, while the body runs."""
    if not mirrors:
        yield
        return
    over = threading.Event()

    def keep() -> None:
        pause = LOOK_SECONDS
        while not over.wait(pause):
            began = time.thread_time()
            for mirror in mirrors:
                mirror.look(s3(), over.is_set)
            pause = max(LOOK_SECONDS, (time.thread_time() - began) * _SHARE_OF_TIME)

    thread = threading.Thread(target=keep, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _open_directory(root: Path, parts: Sequence[str]) -> int:
    """A directory's descriptor, where no part below `root` is a link.

    Raises:
        OSError: one is, or is not there.
    """
    descriptor = os.open(root, _DIRECTORY)
    for part in parts:
        try:
            inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _is_key(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
