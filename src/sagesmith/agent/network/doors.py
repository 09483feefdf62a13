"""The places of the platform that user code may reach: the front door and the proxy, nothing else of this machine."""

import ipaddress
import socket
from dataclasses import dataclass

_BACKLOG = 4096
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Door:
    """A TCP port of the platform, by the address or name that clients in the task are told."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Door":
        host, _, port = text.rpartition(":")
        return cls(host.strip("[]"), int(port))

    @property
    def address(self) -> str | None:
        """The host as an address; None if it is a name."""
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            return None

    @property
    def inside(self) -> str:
        """Where a listener stands for it in the task's network; a name is made to mean this by its hosts file."""
        return self.address or LOOPBACK

    def outside(self) -> tuple[str, int]:
        """Where it is.

        Raises:
            OSError: the name is not known.
        """
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return str(found[0][4][0]), self.port

    def listen(self) -> socket.socket:
        """A listener for it in the network namespace that the process is in."""
        listener = socket.socket(socket.AF_INET6 if ":" in self.inside else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.inside, self.port))
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener
