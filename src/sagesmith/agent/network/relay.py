"""What goes in and out of a task's network: from listeners inside it to the platform outside, and from one outside to a
server inside.

The far end of a way in keeps its connections for as long as it likes (gunicorn: two seconds), and the near end, a
router, for a minute. A request may so be on its way while the far end closes: HTTP allows that, and at AWS nobody sees
it. So a far end that closes when it owes no answer is replaced if a request came, and else the near end hears of it in
such a way that it never loses one.

A near end that goes while an answer is owed takes its far end along: what nobody waits for any more is no debt. One
that only says that it sends no more (half a close) still gets its answer.
"""

import contextlib
import errno
import resource
import select
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from sagesmith.agent.network.ways import Way

_BUFFER_BYTES = 1 << 20
_WANTED_DESCRIPTORS = 16_384
_RESERVED_DESCRIPTORS = 256
"""What the agent itself keeps open at most: a program's connections must not keep it from its work."""
_READ, _WRITE, _GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR
_HANGUP = select.EPOLLHUP
"""The peer has closed a connection, both halves of it; that of a unix socket, as near ends of ways inward are."""
_EVENTS_A_TURN = 64
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, socket(7)


@dataclass(slots=True, eq=False)
class _Side:
    """One of the two sockets of a connection.

    Attributes:
        is_near: it is the listener's.
        unsent: what the other side sent and this one did not take yet.
        finished: it sends nothing more.
        connecting: it is on its way.
        retired: it may not send any more.
        owes: the near side sent something, and this one has not said anything since.
        waited_for: what the poll looks for; a side that it looks for nothing of is not registered, for the end of a
            connection would be told all the same, again and again.
    """

    socket: socket.socket
    way: Way
    is_near: bool
    other: "_Side | None" = None
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    finished: bool = False
    connecting: bool = False
    retired: bool = False
    owes: bool = False
    waited_for: int = 0

    def interest(self) -> int:
        """What to wait for; a side is not read from while the other one has not taken what came before."""
        assert self.other is not None
        if self.connecting:
            return _WRITE
        wanted = _WRITE if self.unsent else 0
        if not self.finished and not self.other.unsent and not self.other.connecting:
            wanted |= _READ
        if self.is_waiting:
            wanted |= _HANGUP
        return wanted

    @property
    def is_waiting(self) -> bool:
        """Whether it is a client that has asked a server in the task, and was not answered yet."""
        return self.is_near and self.way.inward and self.other is not None and self.other.owes


class Relay:
    """Carries what connects to listeners, in a thread of its own.

    Copying costs little beside what the front door does with the bytes, and takes two descriptors a connection.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self._poll = select.epoll()
        self._ways = {way.listener.fileno(): way for way in ways}
        self._sides: dict[int, _Side] = {}
        self._buffer = bytearray(_BUFFER_BYTES)
        self._limit = 0
        self._accepting = False

    def add(self, way: Way) -> None:
        """Carry this too; before `start`."""
        self._ways[way.listener.fileno()] = way

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        self._limit = _raise_limit() - _RESERVED_DESCRIPTORS
        for way in self._ways.values():
            way.listener.setblocking(False)
            self._poll.register(way.listener, 0)
        self._accept_more(True)
        threading.Thread(target=self._run, name="relay", daemon=True).start()

    def _run(self) -> None:
        while True:
            for descriptor, events in self._poll.poll(maxevents=_EVENTS_A_TURN):
                try:
                    if descriptor in self._ways:
                        self._accept(self._ways[descriptor])
                    elif (side := self._sides.get(descriptor)) is not None:
                        self._turn(side, events)
                except Exception:
                    # One connection's trouble is not the others'.
                    traceback.print_exc(file=sys.stderr)
                    if (side := self._sides.get(descriptor)) is not None:
                        self._close(side)

    def _accept(self, way: Way) -> None:
        try:
            accepted, _ = way.listener.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._accept_more(False)
            return
        near = _Side(accepted, way, is_near=True)
        self._add(near)
        if not self._connect(near):
            return
        self._wait_for(near)
        if len(self._sides) >= self._limit:
            self._accept_more(False)

    def _connect(self, near: _Side) -> bool:
        """Give a near side a far end; if there is none to have, it is closed."""
        try:
            far = _Side(near.way.connect(), near.way, is_near=False, connecting=True)
        except OSError as error:
            self._close(near)
            if error.errno in _EXHAUSTED:
                self._accept_more(False)
            return False
        near.other, far.other = far, near
        self._add(far)
        return True

    def _add(self, side: _Side) -> None:
        side.socket.setblocking(False)
        if side.socket.family != socket.AF_UNIX:
            side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sides[side.socket.fileno()] = side

    def _turn(self, side: _Side, events: int) -> None:
        if events & _HANGUP and side.is_waiting:
            self._close(side)
            return
        try:
            if side.connecting:
                if code := side.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(code, "nobody answers there")
                side.connecting = False
            # Where a connection has ended, sending and receiving say how.
            if events & (_WRITE | _GONE):
                self._flush(side)
            if events & (_READ | _GONE) and side.interest() & _READ:
                self._read(side)
        except BlockingIOError:
            pass
        except OSError:
            if not self._replaced(side):
                self._close(side)
            return
        if side.socket.fileno() < 0:
            return
        assert side.other is not None
        if side.finished and side.other.finished and not side.unsent and not side.other.unsent:
            self._close(side)
        else:
            self._wait_for(side)

    def _read(self, side: _Side) -> None:
        other = side.other
        assert other is not None
        if side.is_near and side.way.inward and not other.owes and _has_ended(other.socket):
            # It ended before it could see any of what comes now.
            if not self._reconnect(side):
                return
            other = side.other
            assert other is not None
        with memoryview(self._buffer) as buffer:
            count = side.socket.recv_into(buffer)
            if count == 0:
                self._finish(side)
                return
            self._note(side)
            try:
                sent = 0 if other.connecting else other.socket.send(buffer[:count])
            except BlockingIOError:
                sent = 0
            other.unsent = memoryview(bytes(buffer[sent:count]))

    def _note(self, side: _Side) -> None:
        """Something came from a side."""
        assert side.other is not None
        far, way = (side.other if side.is_near else side), side.way
        if not (side.is_near and way.owed):
            way.silent_since = time.monotonic()
        if way.inward and not side.is_near:
            # A server that writes an answer's head and body apart waits for this before it sends the second: 40 ms.
            with contextlib.suppress(OSError):
                side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if far.owes != side.is_near:
            far.owes = side.is_near
            way.owed += 1 if far.owes else -1

    def _finish(self, side: _Side) -> None:
        assert side.other is not None
        if self._replaced(side):
            return
        side.finished = True
        if side.way.inward and not side.is_near:
            side.other.finished = True
            self._close(side)
            return
        # A server may take an end for a client that went away, and a near end of which nothing is wanted is not that.
        if not (side.retired or side.other.connecting):
            side.other.socket.shutdown(socket.SHUT_WR)

    def _replaced(self, far: _Side) -> bool:
        """Deal with the end of a far end that owes nothing; False if this is none.

        What the near end had sent by then gets a new far end. If that is nothing the near end is closed, which tells
        it that its answer was whole; from just before on it cannot send, and so it knows what was never seen.
        """
        near = far.other
        if far.is_near or near is None or not far.way.inward or far.owes or far.connecting or near.unsent:
            return False
        if not _has_something(near.socket):
            with contextlib.suppress(OSError):
                near.socket.shutdown(socket.SHUT_RD)
            if not _has_something(near.socket):
                near.finished = far.finished = True
                self._close(near)
                return True
            near.retired = True
        self._reconnect(near)
        return True

    def _reconnect(self, near: _Side) -> bool:
        """Exchange the far end for a new one."""
        former = near.other
        assert former is not None
        self._forget(former)
        former.socket.close()
        if not self._connect(near):
            return False
        self._wait_for(near)
        return True

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
        both = [side] if side.other is None else [side, side.other]
        whole = len(both) == 2 and all(each.finished for each in both)
        for each in both:
            if self._forget(each):
                if not whole:
                    each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                each.socket.close()  # And with it goes its registration.
        if not self._accepting:
            self._accept_more(True)

    def _forget(self, side: _Side) -> bool:
        if side.owes:
            side.owes = False
            side.way.owed -= 1
        return self._sides.pop(side.socket.fileno(), None) is not None

    def _accept_more(self, accepting: bool) -> None:
        """Take new connections, or leave them waiting until another one ends."""
        self._accepting = accepting
        for way in self._ways.values():
            self._poll.modify(way.listener, _READ if accepting else 0)


def _has_something(connection: socket.socket) -> bool:
    """Whether there is something to read, its end apart."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False


def _has_ended(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _raise_limit() -> int:
    """Let this process have more descriptors, as far as it may; the limit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft
