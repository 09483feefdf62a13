"""The platform's own Ray node: a whole cluster on loopback, or a node without CPUs that joins the user's cluster.

It outlives the driver and a killed supervisor, as local tasks do; the next driver finds it by its record.
"""

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from sagesmith.config import Platform
from sagesmith.files import remove_tree, replace_file, write_durably
from sagesmith.process_identity import ProcessIdentity

START_SECONDS = 60.0
END_SECONDS = 15.0
_OBJECT_STORE_BYTES = 100_000_000
"""What pieces of logs pass through; Ray's least is 80 MB."""
_POLL_SECONDS = 0.05


class NodeFailed(Exception):
    """The node did not start; the message has its last words."""


@dataclass(frozen=True, slots=True)
class RayNode:
    """Where the platform's own Ray node has its files.

    Args:
        record: the node's identity and the cluster's address, while it runs.
        temporary: Ray's sockets and logs; a short path.
        log: what the node says.
        token: of a cluster of our own.
        cluster: the user's cluster, `host:port`; None: one of our own.
    """

    record: Path
    temporary: Path
    log: Path
    token: Path
    cluster: str | None

    @classmethod
    def of(cls, platform: Platform) -> "RayNode":
        """The node of a platform."""
        directory = platform.dir
        return cls(
            directory.run / "ray-node.json",
            directory.sockets / "ray",
            directory.logs / "ray-node.log",
            directory.keys / "ray.token",
            platform.ray_address,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What the node, and everything that speaks to its cluster, has in its environment."""
        variables = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
        if self.cluster is None:
            # "No cluster" makes Ray listen on loopback alone; a node address of 127.0.0.1 does not, on Linux.
            variables |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
            variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token)}
        return variables

    def ensure(self, environ: Mapping[str, str]) -> str:
        """Start the node unless it runs; the cluster's address.

        Raises:
            NodeFailed: it does not start.
        """
        known = self._known()
        if known is not None and known[0].runs() and (self.cluster is None or known[1] == self.cluster):
            return known[1]
        self.end()
        if not self.token.exists():
            write_durably(self.token, secrets.token_hex(32).encode())
        address = self.cluster or f"127.0.0.1:{_free_port()}"
        self.temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(address),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environ, **self.environment},
                start_new_session=True,
            )
        identity = ProcessIdentity.of(process.pid)
        if identity is not None:
            replace_file(self.record, json.dumps([asdict(identity), address]).encode())
        self._wait(process, address)
        return address

    def runs(self) -> bool:
        known = self._known()
        return known is not None and known[0].runs()

    def process(self) -> ProcessIdentity | None:
        """The node's first process, None if it does not run."""
        known = self._known()
        return known[0] if known is not None and known[0].runs() else None

    def end(self) -> None:
        """End the node and everything below it; nothing if it does not run."""
        identity = self.process()
        if identity is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                node = psutil.Process(identity.pid)
                everything = [*node.children(recursive=True), node]
                node.terminate()
                _, alive = psutil.wait_procs(everything, END_SECONDS)
                for each in alive:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
                psutil.wait_procs(alive, END_SECONDS)
        self.record.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            remove_tree(self.temporary)

    def _command(self, address: str) -> list[str]:
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        start += [f"--object-store-memory={_OBJECT_STORE_BYTES}", "--include-log-monitor=false"]
        if self.cluster is not None:
            return [*start, f"--address={address}", "--num-cpus=0", "--num-gpus=0"]
        host, _, port = address.rpartition(":")
        return [
            *start,
            "--head",
            f"--node-ip-address={host}",
            f"--port={port}",
            f"--temp-dir={self.temporary}",
            "--include-dashboard=false",
            "--disable-usage-stats",
        ]

    def _wait(self, process: "subprocess.Popen[bytes]", address: str) -> None:
        """Until the cluster's control service answers and the node has begun."""
        give_up = time.monotonic() + START_SECONDS
        host, _, port = address.rpartition(":")
        while not (_listens(host.strip("[]"), int(port)) and _below(process.pid, "raylet")):
            if process.poll() is not None or time.monotonic() > give_up:
                said = self.log.read_text(errors="replace").splitlines()[-10:]
                raise NodeFailed("the Ray node did not start; its last words:\n" + "\n".join(said))
            time.sleep(_POLL_SECONDS)

    def _known(self) -> tuple[ProcessIdentity, str] | None:
        try:
            identity, address = json.loads(self.record.read_bytes())
        except FileNotFoundError:
            return None
        return ProcessIdentity(**identity), str(address)


def _below(pid: int, name: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(each.name() == name for each in psutil.Process(pid).children(recursive=True))
    return False


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_installed() -> bool:
    """Whether Ray can be imported here."""
    return find_spec("ray") is not None
