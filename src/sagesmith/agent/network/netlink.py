"""As much of rtnetlink(7) as it takes to set up a network namespace: links up, bridges, veth pairs, addresses, routes.

iproute2 is not on every machine, and starting it costs more than all of this.
"""

import contextlib
import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Self

# linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/veth.h
_HEAD = 16  # struct nlmsghdr
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_GETADDR, _RTM_NEWROUTE = 16, 20, 22, 24
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST, _ACK, _EXCLUSIVE, _CREATE, _DUMP = 0x1, 0x4, 0x200, 0x400, 0x300
_IFF_UP = 0x1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 10, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_NODAD = 0x02
_RTA_DST = 1
_RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNREACHABLE = 254, 4, 7
_RECEIVE_BYTES = 1 << 16

Address = IPv4Address | IPv6Address


class Netlink:
    """Changes the network namespace that the thread is in. Each call is one request, and waits for its answer.

    Raises:
        OSError: the kernel refused; the message names the request.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def addresses(self) -> list[Address]:
        """The addresses of all links."""
        self._sequence += 1
        body = struct.pack("=BBBBI", socket.AF_UNSPEC, 0, 0, 0, 0)
        head = struct.pack("=IHHII", _HEAD + len(body), _RTM_GETADDR, _REQUEST | _DUMP, self._sequence, 0)
        self._socket.send(head + body)
        found: list[Address] = []
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            while len(data) >= _HEAD:
                length, kind = struct.unpack_from("=IH", data)
                if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                    return found
                found += _addresses_in(data[_HEAD + 8 : length])
                data = data[-(-length // 4) * 4 :]

    def up(self, name: str) -> None:
        """Switch a link on."""
        self._ask(_RTM_NEWLINK, 0, _link(socket.if_nametoindex(name), _IFF_UP), f"switch {name} on")

    def add_bridge(self, name: str) -> None:
        """Make a bridge and switch it on."""
        body = _link(0, _IFF_UP) + _attribute(_IFLA_IFNAME, _text(name)) + _link_info("bridge")
        self._ask(_RTM_NEWLINK, _CREATE | _EXCLUSIVE, body, f"make the bridge {name}")

    def add_veth(
        self,
        name: str,
        peer: str,
        *,
        bridge: str | None = None,
        peer_namespace: int | None = None,
        peer_address: bytes | None = None,
    ) -> None:
        """Make a pair of links, of which one end may be a bridge's port, and the other in another namespace.

        `name` is switched on; `peer` is for whoever goes to its namespace.

        Args:
            peer_address: the hardware address of `peer`; one that the kernel chooses if None.
        """
        peer_body = _link(0) + _attribute(_IFLA_IFNAME, _text(peer))
        if peer_namespace is not None:
            peer_body += _attribute(_IFLA_NET_NS_FD, struct.pack("=I", peer_namespace))
        if peer_address is not None:
            peer_body += _attribute(_IFLA_ADDRESS, peer_address)
        body = _link(0, _IFF_UP) + _attribute(_IFLA_IFNAME, _text(name))
        if bridge is not None:
            body += _attribute(_IFLA_MASTER, struct.pack("=I", socket.if_nametoindex(bridge)))
        body += _link_info("veth", _attribute(_VETH_INFO_PEER, peer_body))
        self._ask(_RTM_NEWLINK, _CREATE | _EXCLUSIVE, body, f"make the pair of links {name} and {peer}")

    def add_address(self, name: str, address: Address, prefix_length: int) -> None:
        """Give a link an address; nothing if it has it."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        body = struct.pack("=BBBBI", family, prefix_length, 0, 0, socket.if_nametoindex(name))
        body += _attribute(_IFA_LOCAL, address.packed) + _attribute(_IFA_ADDRESS, address.packed)
        if address.version == 6:
            body += _attribute(_IFA_FLAGS, struct.pack("=I", _IFA_F_NODAD))
        with contextlib.suppress(FileExistsError):
            self._ask(_RTM_NEWADDR, _CREATE | _EXCLUSIVE, body, f"give {name} the address {address}")

    def add_unreachable(self, network: IPv4Network | IPv6Network) -> None:
        """Refuse what goes to a network, whatever other routes say of wider ones."""
        family = socket.AF_INET if network.version == 4 else socket.AF_INET6
        table = (_RT_TABLE_MAIN, _RTPROT_STATIC, 0, _RTN_UNREACHABLE)
        body = struct.pack("=BBBBBBBBI", family, network.prefixlen, 0, 0, *table, 0)
        body += _attribute(_RTA_DST, network.network_address.packed)
        self._ask(_RTM_NEWROUTE, _CREATE, body, f"make {network} unreachable")

    def _ask(self, kind: int, flags: int, body: bytes, purpose: str) -> None:
        self._sequence += 1
        head = struct.pack("=IHHII", _HEAD + len(body), kind, _REQUEST | _ACK | flags, self._sequence, 0)
        self._socket.send(head + body)
        while True:
            answer = self._socket.recv(_RECEIVE_BYTES)
            _, answer_kind, _, sequence, _ = struct.unpack_from("=IHHII", answer)
            if sequence == self._sequence and answer_kind == _NLMSG_ERROR:
                break
        (code,) = struct.unpack_from("=i", answer, _HEAD)
        if code:
            # EOPNOTSUPP is what the kernel answers to a kind of link that it has no module for.
            hint = " (the kernel has no such links)" if -code == errno.EOPNOTSUPP else ""
            raise OSError(-code, f"{os.strerror(-code)}: could not {purpose}{hint}")


def _addresses_in(attributes: bytes) -> list[Address]:
    """The address of one link: IFA_LOCAL where both ends have one, else IFA_ADDRESS."""
    values: dict[int, bytes] = {}
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        values[kind] = attributes[4:length]
        attributes = attributes[-(-length // 4) * 4 :]
    packed = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    return [] if packed is None else [ip_address(packed)]


def _link(index: int, flags: int = 0) -> bytes:
    """struct ifinfomsg: of the flags, those that are given are changed."""
    return struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, index, flags, flags)


def _link_info(kind: str, data: bytes = b"") -> bytes:
    info = _attribute(_INFO_KIND, _text(kind))
    return _attribute(_IFLA_LINKINFO, info + (_attribute(_INFO_DATA, data) if data else b""))


def _attribute(kind: int, data: bytes) -> bytes:
    """struct rtattr with its data, filled up to four bytes."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _text(name: str) -> bytes:
    return name.encode() + b"\0"
