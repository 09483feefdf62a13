"""A task's host's ends of the tunnels: on a thread of its own, for as long as the host lives."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sagesmith.compute.ray.switch import Switch
from sagesmith.compute.ray.tunnel import Way, listen, listen_plainly
from sagesmith.http.unix import socket_at

_START_SECONDS = 30.0
_Result = TypeVar("_Result")
MODEL = "model"


class Ways:
    """Listeners on this node. Thread safe."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="ways", daemon=True).start()

    def to_platform(self, name: str) -> str:
        """`host:port` on this node's loopback that leads to one of the gate's targets."""
        connect = self._way.connect(name, self._way.by.client_context())
        server, port = self._run(listen_plainly(connect))
        self._servers.append(server)
        return f"127.0.0.1:{port}"

    def to_model_servers(self, paths: Mapping[str, Path], host: str) -> str:
        """The address for routers of what listens on a unix socket of this node, of the first one if there are several.

        Args:
            paths: by container's number, or by nothing if there is but one.
            host: this node's address for other machines.
        """
        targets = {f"{MODEL}/{name}" if name else MODEL: partial(_connect, path) for name, path in paths.items()}
        server, port = self._run(listen(self._way.by, targets, host, 0))
        self._servers.append(server)
        first = next(iter(paths))
        return f"tls:{self._way.by.token}@{host}:{port}" + (f"/{first}" if first else "")

    def for_peers(self, gang: str, address: str) -> tuple[Switch, str]:
        """A task's part of the network between its job's machines, and `host:port` where the other hosts reach it.

        Args:
            address: this node's for other machines.
        """
        switch = Switch(self._way.by, gang)
        server, port = self._run(switch.open(address))
        self._servers.append(server)
        return switch, f"{address}:{port}"

    def join(self, switch: Switch, own: int, peers: Mapping[int, tuple[str, int]]) -> None:
        """Let a switch connect to the job's other hosts."""
        self._loop.call_soon_threadsafe(switch.join, own, peers)

    def plug(self, switch: Switch, taker: socket.socket) -> None:
        """Give a switch the packet socket that the agent hands over, once it does; `taker` is closed then."""

        def take() -> None:
            with taker:
                _, descriptors, _, _ = socket.recv_fds(taker, 1, 1)
            for each in descriptors:
                self._loop.call_soon_threadsafe(switch.plug, socket.socket(fileno=each))

        threading.Thread(target=take, name="plug", daemon=True).start()

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_SECONDS)


async def _connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with socket_at(str(path)) as found:
        return await asyncio.open_unix_connection(found)
