"""What goes through the doors of a task's network: from listeners inside it to the platform outside, and back."""

import contextlib
import errno
import resource
import select
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from sagesmith.hosts import TASKS_SOURCE_ADDRESS

_BUFFER_BYTES = 1 << 20
_WANTED_DESCRIPTORS = 16_384
_RESERVED_DESCRIPTORS = 256
"""What the agent itself keeps open at most: a program's connections must not keep it from its work."""
_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT, ip(7)
_READ, _WRITE, _GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR
_EVENTS_A_TURN = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, socket(7)


@dataclass(slots=True, eq=False)
class _Side:
    """One of the two sockets of a connection.

    Attributes:
        unsent: what the other side sent and this one did not take yet.
        finished: it sends nothing more.
        connecting: it is on its way to the platform.
        waited_for: what the poll looks for; a side that it looks for nothing of is not registered, for the end of a
            connection would be told all the same, again and again.
    """

    socket: socket.socket
    other: "_Side | None" = None
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    finished: bool = False
    connecting: bool = False
    waited_for: int = 0

    def interest(self) -> int:
        """What to wait for; a side is not read from while the other one has not taken what came before."""
        assert self.other is not None
        if self.connecting:
            return _WRITE
        wanted = _WRITE if self.unsent else 0
        if not self.finished and not self.other.unsent and not self.other.connecting:
            wanted |= _READ
        return wanted


class Relay:
    """Carries what connects to `listeners` to the platform, in a thread of its own.

    Copying costs little beside what the front door does with the bytes, and takes two descriptors a connection.

    Args:
        listeners: sockets inside the task's network, with the addresses outside that they stand for.
    """

    def __init__(self, listeners: Sequence[tuple[socket.socket, tuple[str, int]]]) -> None:
        self._poll = select.epoll()
        self._doors = {listener.fileno(): (listener, address) for listener, address in listeners}
        self._sides: dict[int, _Side] = {}
        self._buffer = bytearray(_BUFFER_BYTES)
        self._limit = 0
        self._accepting = False

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        self._limit = _raise_limit() - _RESERVED_DESCRIPTORS
        for listener, _ in self._doors.values():
            listener.setblocking(False)
            self._poll.register(listener, 0)
        self._accept_more(True)
        threading.Thread(target=self._run, name="relay", daemon=True).start()

    def _run(self) -> None:
        while True:
            for descriptor, events in self._poll.poll(maxevents=_EVENTS_A_TURN):
                try:
                    if descriptor in self._doors:
                        self._accept(descriptor)
                    elif (side := self._sides.get(descriptor)) is not None:
                        self._turn(side, events)
                except Exception:
                    # One connection's trouble is not the others'.
                    traceback.print_exc(file=sys.stderr)
                    if (side := self._sides.get(descriptor)) is not None:
                        self._close(side)

    def _accept(self, descriptor: int) -> None:
        listener, address = self._doors[descriptor]
        try:
            inside, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                self._accept_more(False)
            return
        try:
            outside = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        except OSError:
            inside.close()
            self._accept_more(False)
            return
        near, far = _Side(inside), _Side(outside, connecting=True)
        near.other, far.other = far, near
        for side in (near, far):
            side.socket.setblocking(False)
            side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sides[side.socket.fileno()] = side
        if address[0].startswith("127."):
            outside.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            outside.bind((TASKS_SOURCE_ADDRESS, 0))
        if outside.connect_ex(address) not in (0, errno.EINPROGRESS):
            self._close(near)
            return
        self._wait_for(near)
        if len(self._sides) >= self._limit:
            self._accept_more(False)

    def _turn(self, side: _Side, events: int) -> None:
        try:
            if side.connecting:
                if code := side.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(code, "the platform does not answer")
                side.connecting = False
            # Where a connection has ended, sending and receiving say how.
            if events & (_WRITE | _GONE):
                self._flush(side)
            if events & (_READ | _GONE) and side.interest() & _READ:
                self._read(side)
        except BlockingIOError:
            pass
        except OSError:
            self._close(side)
            return
        assert side.other is not None
        if side.finished and side.other.finished and not side.unsent and not side.other.unsent:
            self._close(side)
        else:
            self._wait_for(side)

    def _read(self, side: _Side) -> None:
        other = side.other
        assert other is not None
        with memoryview(self._buffer) as buffer:
            count = side.socket.recv_into(buffer)
            if count == 0:
                side.finished = True
                other.socket.shutdown(socket.SHUT_WR)
                return
            try:
                sent = other.socket.send(buffer[:count])
            except BlockingIOError:
                sent = 0
            other.unsent = memoryview(bytes(buffer[sent:count]))

    def _flush(self, side: _Side) -> None:
        if side.unsent:
            side.unsent = side.unsent[side.socket.send(side.unsent) :]

    def _wait_for(self, side: _Side) -> None:
        assert side.other is not None
        for each in (side, side.other):
            wanted = each.interest()
            if wanted == each.waited_for:
                continue
            if not each.waited_for:
                self._poll.register(each.socket, wanted)
            elif wanted:
                self._poll.modify(each.socket, wanted)
            else:
                self._poll.unregister(each.socket)
            each.waited_for = wanted

    def _close(self, side: _Side) -> None:
        """End both halves of a connection; one that is not at its end is reset, so that nobody takes it for whole."""
        assert side.other is not None
        whole = side.finished and side.other.finished
        for each in (side, side.other):
            if self._sides.pop(each.socket.fileno(), None) is not None:
                if not whole:
                    each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                each.socket.close()  # And with it goes its registration.
        if not self._accepting:
            self._accept_more(True)

    def _accept_more(self, accepting: bool) -> None:
        """Take new connections, or leave them waiting until another one ends."""
        self._accepting = accepting
        for listener, _ in self._doors.values():
            self._poll.modify(listener, _READ if accepting else 0)


def _raise_limit() -> int:
    """Let this process have more descriptors, as far as it may; the limit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft
