"""Where the proxy opens connections to, and where not."""

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass

from sagesmith.hosts import TASKS_SOURCE_ADDRESS

_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254"),
        *("100.100.100.200", "168.63.129.16"),  # Alibaba Cloud, Azure
    )
)
_ANY_PORT = 9
"""To find a route the kernel wants a port, and nothing is sent."""


class Refused(Exception):
    """A connection that is not made."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks the proxy.

    Somebody on this machine reaches its ports without us. User code in a task, and whoever is on another machine,
    does not, and is not helped to.

    Attributes:
        address: where it comes from.
        own_ports: ports of this machine that everybody may reach.
    """

    address: str
    own_ports: Collection[int]

    def check(self, host: str, port: int) -> None:
        """Refuse an address that it must not reach; a name is not looked at.

        Raises:
            Refused: with a status and a text for the client.
        """
        try:
            found = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return
        address = getattr(found, "ipv4_mapped", None) or found
        if address in _METADATA:
            raise Refused(403, "Sagesmith does not pass on requests to a cloud's metadata address.")
        if port not in self.own_ports and not self._is_here() and is_this_machine(address):
            raise Refused(
                403,
                f"Jobs do not reach port {port} of the machine that they run on. SAGESMITH_JOB_PORTS names those that "
                "they may.",
            )

    def _is_here(self) -> bool:
        return self.address != TASKS_SOURCE_ADDRESS and ipaddress.ip_address(self.address).is_loopback


def is_this_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether what is sent to an address stays on this machine: to these the kernel sends from the same address."""
    if address.is_loopback or address.is_unspecified:
        return True
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), _ANY_PORT))
        except OSError:
            return False  # No way leads there.
        return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address
