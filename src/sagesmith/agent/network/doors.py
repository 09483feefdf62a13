"""The places of the platform that user code may reach: the front door and the proxy, nothing else of this machine."""

import ipaddress
import socket
from dataclasses import dataclass

from sagesmith.agent.network.netlink import Address

_BACKLOG = 4096
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Door:
    """A TCP port of the platform, by the address or name that clients in the task are told.

    Attributes:
        leads_to: where this machine reaches it, `host:port`, if that is elsewhere.
    """

    host: str
    port: int
    leads_to: str = ""

    @classmethod
    def parse(cls, text: str) -> "Door":
        """The door of `host:port`, or of `host:port=host:port` if it leads elsewhere."""
        told, _, leads_to = text.partition("=")
        host, _, port = told.rpartition(":")
        return cls(host.strip("[]"), int(port), leads_to)

    @property
    def address(self) -> Address | None:
        """The host as an address; None if it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def inside(self) -> str:
        """Where a listener stands for it in the task's network; a name is made to mean this by its hosts file."""
        return LOOPBACK if self.address is None else str(self.address)

    def outside(self) -> tuple[str, int]:
        """Where it is.

        Raises:
            OSError: the name is not known.
        """
        host, _, port = (self.leads_to or f"{self.host}:{self.port}").rpartition(":")
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        return str(found[0][4][0]), int(port)

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
