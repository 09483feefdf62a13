"""A task's network: a namespace of its own, in which the platform's doors and the other hosts of the job are, and
nothing else of this machine.

    task of algo-1                 the job's own namespace               task of algo-2
    lo    127.0.0.1:<doors>                                              lo    127.0.0.1:<doors>
    eth0  198.18.0.1  ───────────────── bridge ─────────────────────────  eth0  198.18.0.2

Every job has the same addresses, for no two of them meet. What goes through the doors is carried by the node agent
(`relay`). A host on its own has an eth0 too, with nobody at its other end: frameworks look it up by this name. Hosts on
several machines have another end of it each (`wire`).
"""

import contextlib
import ipaddress
import os
import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from sagesmith.agent.network import wire
from sagesmith.agent.network.doors import LOOPBACK, Door
from sagesmith.agent.network.gang import Common, Gang
from sagesmith.agent.network.namespaces import (
    Namespace,
    enter_network,
    enter_user,
    in_child,
    new_network_namespace,
    new_user_namespace,
)
from sagesmith.agent.network.netlink import Netlink
from sagesmith.agent.network.outside import NAMESERVER, UNREACHABLE, Outside
from sagesmith.agent.network.relay import Relay
from sagesmith.agent.network.ways import Way, to_platform

INTERFACE = "eth0"
"""What `network_interface_name` in resourceconfig.json says."""
HOSTS = ipaddress.IPv4Network("198.18.0.0/16")
"""Addresses for benchmarks within a network (RFC 2544), which nobody has who is reached over the Internet."""
NO_NAMESERVER = "# Nothing outside is reached directly: HTTP and HTTPS go through the proxy, which resolves names.\n"
_BRIDGE = "gang"
_FAR_END = f"{INTERFACE}-far"
_FIRST_FREE_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True, slots=True)
class Network:
    """A task's network. It lasts as long as this process, or what runs in it.

    Attributes:
        namespace: what user code is to be started in.
        names: the lines of its hosts file: address and names.
        outside: its way to other machines; None if there is none but the proxy.
    """

    namespace: Namespace
    names: Sequence[tuple[str, Sequence[str]]]
    outside: Outside | None
    _relay: Relay
    _descriptors: tuple[int, int]

    @classmethod
    def make(
        cls,
        host: str,
        hosts: Sequence[str],
        doors: Sequence[Door],
        gang: Gang | None,
        pasta: str | None = None,
        into: Namespace | None = None,
    ) -> Self:
        """Make the network of one host.

        Args:
            host: which of `hosts` it is.
            hosts: all hosts of the job, in the same order for all of them.
            doors: what of the platform is reached from inside.
            gang: where the job's other hosts are found; None if there are none.
            pasta: the program that leads to other machines; None if nothing is to.
            into: the namespace to furnish, with nothing but a loopback interface in it; None: a new one.

        Raises:
            OSError: this machine does not let us.
        """
        wired = gang is not None and wire.is_offered()
        common = None if gang is None or wired else gang.join(partial(_make_common, into))
        address = HOSTS[hosts.index(host) + 1]
        made = in_child(lambda: _make(address, common, doors, into, wired=wired, outside=pasta is not None))
        if wired:
            wire.hand_over(made.pop())
        user = common.user if common is not None else None
        if into is not None:
            user = into.user
        elif common is None and os.geteuid() != 0:
            user = made.pop(1)
        listeners = [socket.socket(fileno=each) for each in made[1:]]
        relay = Relay(
            [Way(listener, to_platform(door.outside())) for listener, door in zip(listeners, doors, strict=True)]
        )
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        namespace = Namespace(made[0], user)
        outside = None if pasta is None else Outside.start(pasta, namespace, str(address), has_peers=gang is not None)
        return cls(namespace, _names(host, hosts, doors), outside, relay, limits)

    def enter(self) -> None:
        """Move the calling process, a new one that is to become user code's, into this network."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._descriptors)
        self.namespace.enter()

    def let_in(self, way: Way) -> None:
        """Carry this inward too; before `open`."""
        self._relay.add(way)

    def open(self) -> None:
        """Carry what goes in and out from now on."""
        if self.outside is not None:
            self.outside.wait()
        self._relay.start()

    def resolv_conf(self) -> str:
        if self.outside is None:
            return NO_NAMESERVER
        return f"nameserver {NAMESERVER}\n"

    def hosts_file(self) -> str:
        return "".join(f"{address} {' '.join(names)}\n" for address, names in self.names)


def _names(host: str, hosts: Sequence[str], doors: Sequence[Door]) -> list[tuple[str, list[str]]]:
    # The host's own line first: an address that stands twice is called what its first line says.
    numbered = {name: str(HOSTS[number + 1]) for number, name in enumerate(hosts)}
    local = dict.fromkeys(["localhost", *(door.host for door in doors if door.address is None)])
    return [
        (LOOPBACK, list(local)),
        ("::1", ["localhost", "ip6-localhost", "ip6-loopback"]),
        (numbered[host], [host]),
        *((address, [name]) for name, address in numbered.items() if name != host),
    ]


def _make_common(into: Namespace | None) -> Common:
    """What the first member of a gang makes: a bridge in a namespace that nobody is in.

    Containers of an ordinary user are all in one user namespace, their engine's, and so the bridge must be.
    """
    made = in_child(lambda: _make_bridge(into.user if into is not None else None))
    return Common(made[0], made[1] if len(made) > 1 else None)


def _make_bridge(user: int | None) -> list[int]:
    own: list[int] = []
    if user is not None:
        enter_user(user)
    elif os.geteuid() != 0:
        own = [new_user_namespace()]
    bridge = new_network_namespace()
    with Netlink() as links:
        links.add_bridge(_BRIDGE)
    return [bridge, *own]


def _make(
    address: ipaddress.IPv4Address,
    common: Common | None,
    doors: Sequence[Door],
    into: Namespace | None,
    *,
    wired: bool,
    outside: bool,
) -> list[int]:
    """In a child: the network's descriptor, its user namespace's if it has one of its own, the doors' listeners, and
    the far end of eth0 if it leads to other machines."""
    # What means this machine, or the platform's, means the task itself: a listener of a door, or nothing.
    local = [door.address for door in doors]
    if outside:
        with Netlink() as links:
            local += links.addresses()
    user: list[int] = []
    if into is not None:
        if into.user is not None:
            enter_user(into.user)
        enter_network(into.network)
        network = into.network
    else:
        if common is not None and common.user is not None:
            enter_user(common.user)
        elif os.geteuid() != 0:
            user = [new_user_namespace()]
        network = new_network_namespace()
    # In AWS's containers programs are root and may listen on port 80. Some machines let nobody change /proc/sys.
    with contextlib.suppress(OSError):
        _FIRST_FREE_PORT.write_text("0", encoding="ascii")
    far_end: list[int] = []
    number = int(address) & 0xFFFF
    if wired:
        os.close(new_network_namespace())
        with Netlink() as links:
            links.add_veth(_FAR_END, INTERFACE, peer_namespace=network, peer_address=wire.hardware_address(number))
        far_end = [wire.open_end(_FAR_END)]
        enter_network(network)
    elif common is None:
        with Netlink() as links:
            links.add_veth(f"{INTERFACE}-peer", INTERFACE)
    else:
        enter_network(common.bridge)
        with Netlink() as links:
            links.add_veth(f"{INTERFACE}.{number}", INTERFACE, bridge=_BRIDGE, peer_namespace=network)
        enter_network(network)
    with Netlink() as links:
        links.up("lo")
        for each in local:
            if each is not None and not each.is_loopback and not each.is_link_local:
                links.add_address("lo", each, each.max_prefixlen)
        for network_of_clouds in UNREACHABLE if outside else ():
            links.add_unreachable(network_of_clouds)
        links.add_address(INTERFACE, address, HOSTS.prefixlen)
        links.up(INTERFACE)
    return [network, *user, *(door.listen().detach() for door in doors), *far_end]
