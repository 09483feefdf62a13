"""Unix sockets: listening at a path, and connecting in directories that others may write to."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Iterator  # noqa: UP035


@contextlib.contextmanager
def socket_at(path: str) -> Iterator[str]:
    """A path to connect to that stands for the socket at `path`, and for nothing that a link there leads to.

    A model server owns the directory that its socket is in: with a link in the socket's place it could have the
    platform speak to the platform's own sockets, or to another model server's.

    Raises:
        OSError: there is nothing, or no socket.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "not a socket", path)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def listen_at(path: str) -> socket.socket:
    """A socket that listens at `path`, mode 0600, in place of one that a dead process left there.

    It is bound beside the path and renamed: a client never finds a socket that nobody listens on yet.

    Raises:
        OSError: the path is taken by something else, or not ours to take.
    """
    if os.path.exists(path) and not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH110, PTH116
        raise FileExistsError(f"{path} is there and is no socket")
    temporary = f"{path}.{os.getpid()}"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.exists(temporary):  # noqa: PTH110
            os.unlink(temporary)  # noqa: PTH108
        listening.bind(temporary)
        os.chmod(temporary, 0o600)  # noqa: PTH101
        listening.listen(1024)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        listening.close()
        raise
    return listening
