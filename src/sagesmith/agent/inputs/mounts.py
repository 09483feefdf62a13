"""Mounting file systems where only one sandbox sees them.

The process that is to become the sandbox first takes a mount namespace of its own, mounts there, and hands back the
descriptors through which the agent serves. So a mount ends with its sandbox however that ends, the rest of the machine
never sees it, and the agent cannot wait for itself. Root needs nothing for it but the right to mount, which the sandbox
needs too; an ordinary user gets it in a user namespace of its own, if /dev/fuse may be opened.

Source: user_namespaces(7); fuse file systems may be mounted in user namespaces since Linux 4.18.
"""

import ctypes
import errno
import os
import socket
from collections.abc import Sequence
from pathlib import Path

DEVICE = "/dev/fuse"
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _RECURSIVE, _SLAVE = 1, 2, 4, 1 << 14, 1 << 19
_libc = ctypes.CDLL(None, use_errno=True)
"""os.unshare came with Python 3.12, and there is no os.mount."""


class Mounts:
    """Mounts to be made by a process of its own, by `make`, and to be received here, by `receive`.

    Args:
        places: directories.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._here, self._there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def make(self) -> None:
        """In the new process, which has one thread: mount.

        Raises:
            OSError: this machine does not allow it.
        """
        uid, gid = os.geteuid(), os.getegid()
        _own_mounts(uid, gid)
        # The namespace in which /dev/fuse is opened has to be the one in which it is mounted.
        for place in self._places:
            descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
            options = f"fd={descriptor},rootmode=40000,user_id={uid},group_id={gid},allow_other,default_permissions"
            flags = _READ_ONLY | _NO_SUID | _NO_DEVICES
            _check(_libc.mount(b"s3", os.fsencode(place), b"fuse.s3", flags, options.encode()), "mount(2)")
            socket.send_fds(self._there, [b"\0"], [descriptor])
            os.close(descriptor)

    def receive(self) -> list[int]:
        """The descriptors to serve, in the order of the places; `make` has returned.

        Raises:
            OSError: it was not done.
        """
        self._there.close()
        received: list[int] = []
        with self._here:
            for _ in self._places:
                message, descriptors, _, _ = socket.recv_fds(self._here, 1, 1)
                if not message:
                    raise OSError(errno.ENOTCONN, "the file system was not mounted")
                received += descriptors
        for descriptor in received:
            os.set_inheritable(descriptor, False)
        return received


def try_out(place: Path) -> str | None:
    """Mount at a place and forget about it. None if that works, else why it does not."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            Mounts([place]).make()
        except OSError as error:
            os.write(
                write_end, ": ".join(str(each) for each in (error.filename, error.strerror or error) if each).encode()
            )
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as answer:
        said = answer.read().decode("utf-8", "replace")
    os.waitpid(pid, 0)
    return said or None


def _own_mounts(uid: int, gid: int) -> None:
    if _libc.unshare(_NEW_MOUNTS):
        if ctypes.get_errno() != errno.EPERM:
            _check(-1, "a mount namespace")
        _check(_libc.unshare(_NEW_USER | _NEW_MOUNTS), "a user namespace")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    # What is mounted here shows nowhere else; what is mounted elsewhere still shows here.
    _check(_libc.mount(None, b"/", None, _RECURSIVE | _SLAVE, None), "mount(2) of /")


def _check(result: int, doing: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{doing}: {os.strerror(code)}")
