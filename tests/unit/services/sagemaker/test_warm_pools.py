"""Warm pools: hosts that an ended training job keeps for the next one."""

from typing import Any

import pytest

from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import Task, World, training_job

WARM = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30, "KeepAlivePeriodInSeconds": 600}


def create(world: World, name: str, **resources: Any) -> None:
    world.call("CreateTrainingJob", **training_job(name, ResourceConfig={**WARM, **resources}))


def run(world: World, name: str, **resources: Any) -> Task:
    create(world, name, **resources)
    world.turn()
    (task,) = (each for each in world.backend.present.values() if each.spec.job_name == name)
    return task


def complete(world: World, task: Task) -> None:
    task.say("Training")
    task.say("Completed")
    world.until(lambda: describe(world, task.spec.job_name)["TrainingJobStatus"] == "Completed")


def describe(world: World, name: str) -> dict[str, Any]:
    return world.call("DescribeTrainingJob", TrainingJobName=name)


def pool(world: World, name: str) -> dict[str, Any]:
    return describe(world, name)["WarmPoolStatus"]


def held(world: World) -> int:
    with world.store.read() as tx:
        return tx.hosts_held()


def test_a_pool_is_in_use_then_available_and_goes_to_the_next_matching_job(world: World) -> None:
    first = run(world, "first")
    assert pool(world, "first") == {"Status": "InUse"}
    complete(world, first)
    assert pool(world, "first") == {"Status": "Available"}
    assert held(world) == 1
    listed = world.call("ListTrainingJobs", WarmPoolStatusEquals="Available")["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in listed] == ["first"]
    complete(world, run(world, "second"))
    assert pool(world, "first")["Status"] == "Reused"
    assert pool(world, "first")["ReusedByJob"] == "second"
    assert pool(world, "first")["ResourceRetainedBillableTimeInSeconds"] >= 0
    assert held(world) == 1


def test_a_matching_job_starts_at_once_although_others_wait(world: World) -> None:
    world.new_loop(concurrency=2)
    complete(world, run(world, "warm"))
    run(world, "other", InstanceType="ml.c5.xlarge", KeepAlivePeriodInSeconds=0)
    world.call(
        "CreateTrainingJob", **training_job("large", ResourceConfig={**WARM, "InstanceCount": 2}, RoleArn=OTHER_ROLE)
    )
    create(world, "matching")
    world.loop.turn()
    assert "matching" in [spec.job_name for spec in world.backend.started]


OTHER_ROLE = "arn:aws:iam::123456789012:role/Other"


@pytest.mark.parametrize(
    "changes",
    [{"RoleArn": OTHER_ROLE}, {"ResourceConfig": {**WARM, "VolumeSizeInGB": 31}}, {"EnableNetworkIsolation": True}],
)
def test_a_job_that_differs_gets_hosts_of_its_own(world: World, changes: dict[str, Any]) -> None:
    complete(world, run(world, "warm"))
    world.call("CreateTrainingJob", **training_job("other", **{"ResourceConfig": WARM, **changes}))
    world.turn()
    assert pool(world, "warm") == {"Status": "Available"}
    assert held(world) == 2


def test_a_pool_gives_way_to_a_job_that_would_have_to_wait_for_it(world: World) -> None:
    world.new_loop(concurrency=1)
    complete(world, run(world, "warm"))
    run(world, "other", InstanceType="ml.c5.xlarge")
    assert pool(world, "warm")["Status"] == "Terminated"
    assert held(world) == 1


def test_a_pool_ends_when_its_time_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(world, run(world, "warm"))
    world.call("UpdateTrainingJob", TrainingJobName="warm", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    world.turn()
    assert pool(world, "warm")["Status"] == "Terminated"
    assert held(world) == 0
    with pytest.raises(AwsError, match="in status Completed"):
        world.call("UpdateTrainingJob", TrainingJobName="warm", ResourceConfig={"KeepAlivePeriodInSeconds": 60})


def test_a_pool_outlives_a_restart_and_keeps_its_job(world: World) -> None:
    complete(world, run(world, "warm"))
    world.new_loop()
    world.turn()
    assert (pool(world, "warm"), held(world)) == ({"Status": "Available"}, 1)
    with pytest.raises(AwsError, match="warm pool that is Available") as refused:
        world.call("DeleteTrainingJob", TrainingJobName="warm")
    assert refused.value.code == "ResourceInUse"
    world.call("UpdateTrainingJob", TrainingJobName="warm", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    world.turn()
    world.call("DeleteTrainingJob", TrainingJobName="warm")
    assert held(world) == 0


def test_hosts_that_are_to_blame_are_not_kept(world: World) -> None:
    task = run(world, "warm")
    task.say("Training")
    task.alive = False
    world.turn(2)
    assert describe(world, "warm")["TrainingJobStatus"] == "Failed"
    assert pool(world, "warm") == {"Status": "Terminated"}
    assert held(world) == 0
