"""kill -9 at random moments on a Ray cluster of two nodes: of the API process, the driver, node agents, the actors that
hold them, and whole nodes, each of which is replaced by another one."""

import contextlib
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from tests.chaos import soak
from tests.chaos.conftest import World, eventually, make_world
from tests.integration.conftest import Running
from tests.integration.ray_cluster import RayCluster, ray_cluster

pytestmark = pytest.mark.timeout(soak.LIMIT_SECONDS)
NODES = 2
NODE_CPUS = 4
ROUNDS, ROUNDS_A_NODE = 5, 4
"""Every so many rounds it is a node."""


@dataclass
class Nodes:
    """Those that take tasks; the cluster's head takes none, for the cluster does not outlive it."""

    cluster: RayCluster
    running: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def add(self) -> None:
        self.running.append(self.cluster.add_node(f"--address={self.cluster.address}", f"--num-cpus={NODE_CPUS}"))

    def replace(self, which: "subprocess.Popen[bytes]") -> None:
        self.cluster.kill_node(which)
        self.running.remove(which)
        self.add()


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with ray_cluster(0) as cluster:
        found = Nodes(cluster)
        for _ in range(NODES):
            found.add()
        yield found


@pytest.fixture
def world_on_ray(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = {**nodes.cluster.settings(), "SAGESMITH_RAY_STRATEGY": "PACK"}
    made = make_world(tmp_path_factory.mktemp("chaos-ray") / "data", settings)
    yield made
    ended = made.running.cli("down")
    assert ended.returncode == 0, ended.stderr


def test_jobs_on_ray_end_well_and_are_never_run_twice_at_once_whatever_is_killed(
    world_on_ray: World, nodes: Nodes
) -> None:
    def kill(dice: random.Random, number: int) -> None:
        if number % ROUNDS_A_NODE == ROUNDS_A_NODE - 1:
            nodes.replace(dice.choice(nodes.running))
        elif found := _victims(world_on_ray.running, nodes.cluster):
            with contextlib.suppress(psutil.NoSuchProcess):
                dice.choice(found).kill()

    soak.work_while(world_on_ray, ROUNDS, kill)
    soak.assert_jobs_ended_well(world_on_ray)
    eventually(world_on_ray.predicts_again)
    assert _agents(nodes.cluster) == []


def _victims(platform: Running, cluster: RayCluster) -> list[psutil.Process]:
    """API process and driver, and of each task its agent and the actor that holds it."""
    found = _agents(cluster)
    for agent in list(found):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [host for host in (agent.parent(),) if host is not None and host.name().startswith("ray::")]
    for each in platform.status()["processes"]:
        if each["name"] in ("api", "ray-driver"):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(each["pid"]))
    return found


def _agents(cluster: RayCluster) -> list[psutil.Process]:
    """The node agents of jobs on the cluster's nodes, and nobody else's."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            is_agent = "sagesmith.agent" in command and command[-1].startswith(soak.AGENTS)
            if is_agent and command[-2].startswith(f"{cluster.folder}/") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
