"""The front door's sockets: on loopback, and for other machines."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from sagesmith.config import DEFAULT_HOST
from sagesmith.hosts import DNS_NAME
from sagesmith.platform.errors import PortTaken

BACKLOG = 1024
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Where HTTP without TLS is served. Whatever else is listened on wants TLS."""

_ANY = ("0.0.0.0", "::")  # noqa: S104 compared with
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen. The supervisor opens them and the routers inherit them: while a router is started again,
    another takes the connections, and while all are, the connections wait instead of being refused.

    Attributes:
        endpoint: on loopback, without TLS; None where `outside` is on all addresses, and so on those of loopback too.
        proxy: on loopback.
        outside: for other machines; None where there is none.
        host: the address of loopback at which the endpoint is reached.
    """

    endpoint: socket.socket | None
    proxy: socket.socket
    outside: socket.socket | None
    host: str

    @property
    def port(self) -> int:
        found = self.outside if self.endpoint is None else self.endpoint
        assert found is not None
        return int(found.getsockname()[1])

    @property
    def proxy_port(self) -> int:
        return int(self.proxy.getsockname()[1])

    @property
    def descriptors(self) -> dict[str, int]:
        """The sockets that there are, by name."""
        found = {"endpoint": self.endpoint, "proxy": self.proxy, "outside": self.outside}
        return {name: one.fileno() for name, one in found.items() if one is not None}

    def close(self) -> None:
        for one in (self.endpoint, self.proxy, self.outside):
            if one is not None:
                one.close()


def listen(host: str, port: int, proxy_port: int) -> Listening:
    """Listen on a host's address and port, on loopback at the same port, and on a port of loopback for the proxy.

    Args:
        port: 0 takes any.
        proxy_port: another is taken where somebody has it.

    Raises:
        PortTaken: an address is not this machine's, or another program listens there.
    """
    endpoint, outside, inner = _open(host, port)
    proxy = bind("127.0.0.1", proxy_port, fall_back=True)
    listening = Listening(endpoint, proxy, outside, inner)
    for one in (endpoint, proxy, outside):
        if one is not None:
            one.listen(BACKLOG)
    return listening


def _open(host: str, port: int) -> tuple[socket.socket | None, socket.socket | None, str]:
    if host in LOOPBACK:
        return bind(host, port), None, host
    if host in _ANY:
        return None, bind(host, port), DEFAULT_HOST
    for _ in range(_ATTEMPTS - 1 if port == 0 else 0):
        outside = bind(host, 0)
        try:
            return bind(DEFAULT_HOST, int(outside.getsockname()[1])), outside, DEFAULT_HOST
        except PortTaken:
            outside.close()
    outside = bind(host, port)
    try:
        return bind(DEFAULT_HOST, int(outside.getsockname()[1])), outside, DEFAULT_HOST
    except PortTaken:
        outside.close()
        raise


def bind(host: str, port: int, *, fall_back: bool = False) -> socket.socket:
    """A socket on a port that nobody listens on; any port if that one is taken and may be `fall_back`'s.

    Raises:
        PortTaken: it cannot be.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise PortTaken(f"--host {host} is no address of this machine: {error.strerror}.") from error
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if host == "::":
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        found.bind(address)
    except OSError as error:
        found.close()
        if fall_back:
            return bind(host, 0)
        raise PortTaken(
            f"port {port} on {host} cannot be taken: {error.strerror}. Give another with --port (0: any)."
        ) from error
    return found


def names(host: str, further: Sequence[str]) -> list[str]:
    """What the front door is called by other machines: the names and addresses of its certificate, the first first.

    Args:
        host: the address that it listens on.
        further: what the user calls it by. Then the machine's own name does not count, so that two machines of which
            one stands by for the other have certificates of one CA.
    """
    found = [*further, *([] if host in _ANY else [host])]
    hostname = socket.gethostname().lower()
    if not further and DNS_NAME.fullmatch(hostname):
        found.append(hostname)
    if host in _ANY:
        found += _addresses()
    return list(dict.fromkeys([*found, "localhost", "127.0.0.1", "::1"]))


def _addresses() -> list[str]:
    """This machine's addresses but those that only its own links know."""
    found = []
    for interface in psutil.net_if_addrs().values():
        for one in interface:
            if one.family in {socket.AF_INET, socket.AF_INET6}:
                address = ipaddress.ip_address(one.address.partition("%")[0])
                if not address.is_link_local and not address.is_loopback:
                    found.append(str(address))
    return found
