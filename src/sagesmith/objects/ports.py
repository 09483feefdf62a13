"""Ports for the object store: fixed once, kept over restarts, so that clients that know its endpoint still find it."""

import contextlib
import json
import random
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from sagesmith.files import write_durably

GRPC_OFFSET = 10_000
"""SeaweedFS's parts call each other at the HTTP port plus this, whatever gRPC port they are told to listen on."""

LOWEST, HIGHEST = 10_100, 22_700
"""With their gRPC ports these lie below Linux's range for outgoing connections (32768 on), so that no connection of
somebody's takes one while the store restarts."""


_SOCKETS = Path("/tmp")  # noqa: S108 (SeaweedFS asks no TMPDIR)


@dataclass(frozen=True, slots=True)
class StorePorts:
    """HTTP ports of SeaweedFS's parts, on loopback."""

    master: int
    volume: int
    filer: int
    s3: int
    admin: int

    @staticmethod
    def grpc(port: int) -> int:
        """The gRPC port that belongs to an HTTP port."""
        return port + GRPC_OFFSET

    def http(self) -> list[int]:
        return [self.master, self.volume, self.filer, self.s3, self.admin]

    def required(self) -> set[int]:
        """What must listen before S3 is whole. The admin part comes later and nothing waits for it."""
        parts = [self.master, self.volume, self.filer, self.s3]
        return {*parts, *map(self.grpc, parts)}

    def all(self) -> set[int]:
        """Every port that may listen."""
        return {*self.http(), *map(self.grpc, self.http())}


def find_ports(kept: Path, avoid: Collection[int] = ()) -> StorePorts:
    """The ports noted in the file `kept` if they are free, else free ones, which are noted there."""
    ports = _load(kept)
    if ports is None or not all(port not in avoid and is_free(port) for port in ports.all()):
        ports = _choose(avoid)
        write_durably(kept, json.dumps(asdict(ports)).encode())
    return ports


def remove_sockets(kept: Path) -> None:
    """Remove the sockets that SeaweedFS makes in /tmp, named after its ports, and leaves there when it ends.

    Args:
        kept: the file that the ports of a store that has ended are noted in.
    """
    ports = _load(kept)
    if ports is None:
        return
    for port in ports.all():
        for path in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
            with contextlib.suppress(OSError):
                path.unlink()


def _load(path: Path) -> StorePorts | None:
    try:
        return StorePorts(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _choose(avoid: Collection[int]) -> StorePorts:
    candidates = random.sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST)
    found: list[int] = []
    for port in candidates:
        grpc = StorePorts.grpc(port)
        taken = {*found, *map(StorePorts.grpc, found)}
        if {port, grpc} & {*taken, *avoid} or not (is_free(port) and is_free(grpc)):
            continue
        found.append(port)
        if len(found) == 5:
            return StorePorts(*found)
    raise OSError(f"no five free ports between {LOWEST} and {HIGHEST} on 127.0.0.1")


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
