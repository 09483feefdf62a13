"""Gangs of which a host is lost while their agents are being started; the cluster is one in memory."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sagesmith.agent.taskdir import spec_to_json
from sagesmith.compute.base import S3Access, TaskSpec
from sagesmith.compute.ray.cluster import HostAway, HostGone
from sagesmith.compute.ray.ends import Ends
from sagesmith.compute.ray.following import Follower
from sagesmith.compute.ray.launching import Launcher
from sagesmith.compute.ray.placing import NeverFits, Node
from sagesmith.compute.ray.records import Record
from sagesmith.compute.reading import read_events

ACCESS = S3Access("http://127.0.0.1:9", "none", "none", "us-east-1")
GANG = ["one", "two"]


class MemoryHost:
    """A host of which a test says how it answers."""

    def __init__(self) -> None:
        self.failing: Exception | None = None
        self.started = 0

    async def machine(self) -> str:
        return "machine"

    async def start(self, *_what: Any) -> None:
        if self.failing is not None:
            raise self.failing
        self.started += 1


class MemoryCluster:
    """Two nodes, places for everything, and the hosts that were made."""

    lease_seconds = 1.0

    def __init__(self) -> None:
        self.present: dict[str, MemoryHost] = {}
        self.made: list[str] = []

    def nodes(self) -> list[Node]:
        return [Node(name, 4.0, 2.0**34, 0.0) for name in GANG]

    def reserve(self, *_what: Any) -> None:
        pass

    def is_reserved(self, gang: str) -> bool:
        return True

    def host(self, task_id: str) -> Any:
        return self.present.get(task_id)

    def make_host(self, task_id: str, gang: str, index: int) -> Any:
        if task_id not in self.present:
            self.made.append(task_id)
            self.present[task_id] = MemoryHost()
        return self.present[task_id]


class World:
    """A gang of two tasks and what launches it."""

    def __init__(self, root: Path) -> None:
        self.cluster = MemoryCluster()
        follower = Follower(self.cluster, None, Ends(ACCESS, "bucket", "platform"))
        self.launcher = Launcher(self.cluster, "SPREAD", None, None, follower)
        self.records = [Record(root / name) for name in GANG]
        for record in self.records:
            record.root.mkdir()
            record.gang.write_text(json.dumps(GANG))
            record.task.spec.write_text(spec_to_json(spec(record.root.name)))

    def launch(self) -> None:
        asyncio.run(self.launcher.launch(self.records, GANG[0]))

    def states(self) -> list[list[str]]:
        return [[each.state for each in read_events(record.task.report, 0)[0]] for record in self.records]

    def break_off(self) -> None:
        """Start the first task and have its host not answer: nobody knows whether its agent runs."""
        self.cluster.present = {name: MemoryHost() for name in GANG}
        self.cluster.present["one"].failing = HostAway("the node does not answer")
        with pytest.raises(HostAway):
            self.launch()
        self.cluster.present["one"].failing = None
        assert [record.started.exists() for record in self.records] == [True, False]


def spec(task_id: str) -> TaskSpec:
    return TaskSpec(
        id=task_id,
        kind="train",
        label=task_id,
        job_name="job",
        job_arn="arn:aws:sagemaker:us-east-1:123456789012:training-job/job",
        image="image",
        instance_type="ml.m5.large",
        hosts=["algo-1", "algo-2"],
        host="algo-1",
        s3=ACCESS,
        cache="/nowhere",
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_gang_has_all_of_its_agents_started(world: World) -> None:
    world.launch()
    assert world.cluster.made == GANG
    assert [host.started for host in world.cluster.present.values()] == [1, 1]


def test_a_gang_whose_host_answers_again_goes_on_with_the_hosts_that_it_had(world: World) -> None:
    world.break_off()
    world.launch()
    assert world.cluster.made == []
    assert [host.started for host in world.cluster.present.values()] == [1, 1]


@pytest.mark.parametrize("lost", GANG)
def test_no_host_is_made_anew_once_an_agent_of_the_gang_may_run(world: World, lost: str) -> None:
    world.break_off()
    del world.cluster.present[lost]
    world.launch()
    assert world.cluster.made == []
    # Whether the first one runs, or has ended, is found out by who follows it: it waits until its agent cannot run.
    assert world.states() == [[], ["Failed"]]
    assert [record.read_seen().alive for record in world.records] == [True, False]
    (event,), _ = read_events(world.records[1].task.report, 0)
    assert event.detail["failure_reason"].startswith("InternalServerError: no node could take the job: a node was lost")


def test_a_gang_of_which_nothing_runs_has_its_lost_host_made_anew(world: World) -> None:
    dead = MemoryHost()

    async def gone() -> str:
        world.cluster.present.pop("one", None)
        raise HostGone("its node died")

    dead.machine = gone
    world.cluster.present["one"] = dead
    world.launch()
    assert world.cluster.made == ["two", "one"]
    assert [host.started for host in world.cluster.present.values()] == [1, 1]


def test_a_gang_that_never_fits_is_ended_with_the_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_what: Any) -> None:
        raise NeverFits("it is too large")

    monkeypatch.setattr(MemoryCluster, "reserve", refuse)
    world.launch()
    assert world.states() == [["Failed"], ["Failed"]]
