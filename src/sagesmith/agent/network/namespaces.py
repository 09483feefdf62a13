"""Making and entering namespaces.

Whoever enters a user namespace does not come back, and a process with threads cannot enter one at all. So it is a short
child of the agent that goes there and sends back what it made: descriptors. A namespace lives as long as a process in
it or a descriptor of it, and so it ends with its agent and sandbox, however they end.
"""

import ctypes
import errno
import os
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SELF = "/proc/self/ns"
_MAX_DESCRIPTORS = 64
_MAX_MESSAGE_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)
"""os.setns and os.unshare came with Python 3.12."""


class NetworkFailed(Exception):
    """A task's network cannot be made here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, as descriptors.

    Attributes:
        user: the user namespace that owns it; None if that is this machine's own, which only root changes.
    """

    network: int
    user: int | None = None

    def enter(self) -> None:
        """Move this process, which has one thread and goes nowhere else after that, into it."""
        if self.user is not None:
            enter_user(self.user)
        enter_network(self.network)

    def close(self) -> None:
        for descriptor in (self.network, self.user):
            if descriptor is not None:
                os.close(descriptor)


def new_user_namespace() -> int:
    """Enter a user namespace of our own that has nobody but ourselves in it, and return a descriptor of it."""
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(_CLONE_NEWUSER), "make a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")
    return os.open(f"{_SELF}/user", os.O_RDONLY | os.O_CLOEXEC)


def new_network_namespace() -> int:
    """Enter a network namespace of our own, which has nothing but a loopback interface, and return a descriptor."""
    _check(_libc.unshare(_CLONE_NEWNET), "make a network namespace")
    return os.open(f"{_SELF}/net", os.O_RDONLY | os.O_CLOEXEC)


def enter_network(descriptor: int) -> None:
    """Leave the present network namespace for another."""
    _check(_libc.setns(descriptor, _CLONE_NEWNET), "enter a network namespace")


def enter_user(descriptor: int) -> None:
    """Enter a user namespace below the present one, and have every right in it."""
    _check(_libc.setns(descriptor, _CLONE_NEWUSER), "enter a user namespace")


def in_child(work: Callable[[], Sequence[int]]) -> list[int]:
    """Run `work` in a child process and return the descriptors that it returned.

    Raises:
        OSError: that `work` raised.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _answer(theirs, work)
    theirs.close()
    try:
        message, descriptors, _, _ = socket.recv_fds(ours, _MAX_MESSAGE_BYTES, _MAX_DESCRIPTORS)
    finally:
        ours.close()
        os.waitpid(pid, 0)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if not message:
        raise OSError(errno.ECHILD, "the process that makes a task's network ended before it had done so")
    (code,) = struct.unpack_from("=i", message)
    if code:
        raise OSError(code, message[4:].decode("utf-8", "replace"))
    return list(descriptors)


def _answer(connection: socket.socket, work: Callable[[], Sequence[int]]) -> None:
    """The child's whole life."""
    try:
        try:
            descriptors = work()
            socket.send_fds(connection, [struct.pack("=i", 0)], descriptors)
        except OSError as error:
            text = error.strerror or str(error)
            connection.send(struct.pack("=i", error.errno or errno.EIO) + text.encode()[: _MAX_MESSAGE_BYTES - 4])
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        os._exit(0)


def _check(result: int, doing: str) -> None:
    if result:
        code = ctypes.get_errno()
        # What unshare(2) says of a limit sounds like a full disk.
        reason = "more than /proc/sys/user allows" if code == errno.ENOSPC else os.strerror(code)
        raise OSError(code, f"could not {doing}: {reason}")
