"""A Ray cluster of several nodes on this machine, as a user of the platform would have one on several."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.integration.conftest import Running

LEASE_SECONDS = 4
_NEAR, _FAR = "10.213.77.1", "10.213.77.2"


@dataclass
class RayCluster:
    """One that runs."""

    folder: Path
    address: str
    environ: dict[str, str]
    nodes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def settings(self) -> dict[str, str]:
        """The variables with which a platform uses it."""
        return {
            **self.environ,
            "SAGESMITH_COMPUTE": "ray",
            "SAGESMITH_RAY_ADDRESS": self.address,
            "SAGESMITH_RAY_LEASE_SECONDS": str(LEASE_SECONDS),
            "SAGESMITH_RAY_STRATEGY": "STRICT_SPREAD",
        }

    def add_node(self, *options: str, within: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Start a node and return when its raylet runs.

        Args:
            within: a command that runs another, such as one that enters a network namespace.
        """
        command = [
            *within,
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            "--include-log-monitor=false",
        ]
        command += ["--object-store-memory=100000000", *options]
        log = self.folder / f"node-{len(self.nodes)}.log"
        with log.open("wb") as output:
            node = subprocess.Popen(command, env=self.environ, stdout=output, stderr=output, start_new_session=True)
        self.nodes.append(node)
        while "--block" not in log.read_text():
            assert node.poll() is None, log.read_text()
            time.sleep(0.05)
        return node

    @contextlib.contextmanager
    def elsewhere(self, *options: str) -> "Iterator[subprocess.Popen[bytes]]":
        """A node with a network of its own, as another machine has: its loopback is not the platform's. Needs root."""
        space, near, far = f"ray-{os.getpid()}", f"rn{os.getpid()}", f"rf{os.getpid()}"
        head = self.address.rpartition(":")[0]
        for words in (
            f"netns add {space}",
            f"link add {near} type veth peer name {far} netns {space}",
            f"addr add {_NEAR}/24 dev {near}",
            f"link set {near} up",
            f"-n {space} addr add {_FAR}/24 dev {far}",
            f"-n {space} link set {far} up",
            f"-n {space} link set lo up",
            f"-n {space} route add {head} via {_NEAR}",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        node = None
        try:
            options = (f"--address={self.address}", f"--node-ip-address={_FAR}", *options)
            node = self.add_node(*options, within=("ip", "netns", "exec", space))
            yield node
        finally:
            if node is not None and node in self.nodes:
                self.kill_node(node)
            # By itself it would go with the namespace, and that with the last process that dies in it.
            subprocess.run(["ip", "link", "del", near], check=True)
            subprocess.run(["ip", "netns", "del", space], check=True)

    def raylet(self, node: "subprocess.Popen[bytes]") -> psutil.Process:
        return next(each for each in psutil.Process(node.pid).children() if each.name() == "raylet")

    def kill_node(self, node: "subprocess.Popen[bytes]") -> None:
        """End a node without a word, as a power failure does: its raylet, and what watches over it."""
        everything = psutil.Process(node.pid).children()
        os.kill(node.pid, signal.SIGKILL)
        for each in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        node.wait()
        self.nodes.remove(node)


@contextlib.contextmanager
def ray_cluster(*cpus: int) -> Iterator[RayCluster]:
    """A cluster with a node for each number of CPUs, the head being the first."""
    # Ray's sockets are in it: its path must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    environ = {
        **os.environ,
        "SAGESMITH_NODE_DIR": str(folder / "node"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "RAY_health_check_initial_delay_ms": "500",
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "1000",
        "RAY_health_check_failure_threshold": "4",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    cluster = RayCluster(folder, f"{_own_address()}:{port}", environ)
    head = ["--head", f"--port={port}", f"--temp-dir={folder}"]
    try:
        cluster.add_node(*head, "--include-dashboard=false", "--disable-usage-stats", f"--num-cpus={cpus[0]}")
        for count in cpus[1:]:
            cluster.add_node(f"--address={cluster.address}", f"--num-cpus={count}")
        yield cluster
    finally:
        for node in reversed(cluster.nodes):
            with contextlib.suppress(psutil.NoSuchProcess):
                below = psutil.Process(node.pid).children(recursive=True)
                node.terminate()
                node.wait()
                for each in below:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _own_address() -> str:
    """This machine's address for others, loopback's if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def agents(platform: Running, job: str) -> list[psutil.Process]:
    """The node agents of a job, on whichever node of this machine."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError, psutil.Error):
            if command.read_bytes().rstrip(b"\0").endswith(f"\0agent:{job}".encode()):
                process = psutil.Process(int(command.parent.name))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    # What an agent has just forked is called as it is until it becomes something else.
    known = {each.pid for each in found}
    return [each for each in found if _parent(each) not in known]


def _parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return process.ppid()
    return None
