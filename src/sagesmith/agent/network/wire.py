"""A task's link to hosts of its job that are on other machines.

On one machine a bridge joins the hosts of a job (`network`). Where they are on several, whoever started the agents
carries frames between them: it is handed a packet socket at the far end of each task's eth0. What it reads there the
task has sent; what it writes there the task receives.

    task of algo-1                nobody's namespace
    eth0  198.18.0.1  ───────────  far end  ◄ packet socket ►  whoever started the agent  ◄ TCP ►  the other machines

A packet socket (packet(7)) needs no device of the machine's, as a tap does, which containers seldom have. Frames come
with a virtio_net_hdr before them, so that the kernel neither cuts what a program sends at once into packets of 1500
bytes nor computes their checksums: the other machine's does.
"""

import contextlib
import os
import socket
import struct

VARIABLE = "SAGESMITH_WIRE"
"""Names the descriptor of a unix socket, in the agent's environment, that takes the packet socket."""
HEADER_BYTES = 10  # struct virtio_net_hdr, linux/virtio_net.h
_ADDRESS = struct.Struct("!4sH")
_LOCAL = b"\x02SM\0"
"""Addresses that nobody was assigned have the bit of 2 in their first byte (IEEE 802)."""
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 263, 15, 23  # linux/if_packet.h
_SO_RCVBUFFORCE, _ETH_P_ALL = 33, 3
_BUFFER_BYTES = 8 << 20


def hardware_address(number: int) -> bytes:
    """Of the eth0 of a job's host: frames name by it the host that they are for.

    Args:
        number: the host's, from 1.
    """
    return _ADDRESS.pack(_LOCAL, number)


def destination(frame: "bytes | memoryview") -> int | None:
    """Which host a frame with its header is for; 0: all of them, None: nobody."""
    if len(frame) < HEADER_BYTES + _ADDRESS.size:
        return None
    prefix, number = _ADDRESS.unpack_from(frame, HEADER_BYTES)
    if prefix[0] & 1:
        return 0
    return int(number) if prefix == _LOCAL else None


def is_offered() -> bool:
    """Whether the hosts of the job are on several machines: whoever started this agent waits for its end of eth0."""
    return VARIABLE in os.environ


def open_end(interface: str) -> int:
    """A packet socket at a link of the namespace that the process is in.

    Raises:
        OSError: the machine does not let us.
    """
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        end.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        end.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        with contextlib.suppress(PermissionError):  # Root alone may have more than net.core.rmem_max.
            end.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        end.bind((interface, _ETH_P_ALL))
    except BaseException:
        end.close()
        raise
    return end.detach()


def hand_over(end: int) -> None:
    """Give a packet socket to whoever started this agent; our own descriptor of it is closed.

    Raises:
        OSError: it is gone.
    """
    with socket.socket(fileno=int(os.environ.pop(VARIABLE))) as taker:
        try:
            socket.send_fds(taker, [b"\n"], [end])
        finally:
            os.close(end)
