"""The ways in and out of a task's network: who listens, and where what connects there is carried (`relay`)."""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from sagesmith.hosts import TASKS_SOURCE_ADDRESS

_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT, ip(7)

Connect = Callable[[], socket.socket]
"""Makes the far end of a connection: a socket that does not block, connected or connecting. Raises OSError."""


def to_platform(address: tuple[str, int]) -> Connect:
    """Connects to a place of the platform, as user code."""

    def connect() -> socket.socket:
        far = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        try:
            far.setblocking(False)
            if address[0].startswith("127."):
                far.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                far.bind((TASKS_SOURCE_ADDRESS, 0))
            begin(far, address)
        except BaseException:
            far.close()
            raise
        return far

    return connect


def begin(far: socket.socket, address: tuple[str, int]) -> None:
    """Begin to connect a socket that does not block.

    Raises:
        OSError: it is refused at once.
    """
    code = far.connect_ex(address)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))


@dataclass(slots=True, eq=False)
class Way:
    """A listener, and where its connections are carried.

    Attributes:
        inward: to a server in the task: requests go there, and answers come back.
        owed: how many connections have sent something that the far end has not answered with a byte yet.
        silent_since: when a far end last said something, or came to owe an answer when none did; by `time.monotonic`.
    """

    listener: socket.socket
    connect: Connect
    inward: bool = False
    owed: int = 0
    silent_since: float = 0.0
