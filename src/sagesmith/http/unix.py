"""Unix sockets in directories that others may write to."""

from __future__ import annotations

import contextlib
import errno
import os
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
