"""Updates of inference components: copy by copy, rolled back, and what they may not be."""

from dataclasses import replace
from typing import Any

import pytest

from sagesmith.services.cloudwatch import alarms
from sagesmith.services.sagemaker.placement import NOT_ENOUGH
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.components import (
    KIND,
    copies,
    create,
    describe,
    host,
    hosting,
    route,
    scale,
    serve,
    specification,
)
from tests.unit.services.sagemaker.world import World, context, model

IMAGE = model("M")["PrimaryContainer"]["Image"]


def age(world: World, seconds: float, name: str = "ic") -> None:
    """Let time pass for the step of an update."""
    document = world.stored(KIND, name)
    coming = {**document.body["_next"], "shifted_at": document.body["_next"]["shifted_at"] - seconds}
    with world.store.write() as tx:
        tx.update(replace(document, body={**document.body, "_next": coming}))


def update(world: World, **deployment: Any) -> None:
    world.call("CreateModel", **model("M2"))
    world.call(
        "UpdateInferenceComponent",
        InferenceComponentName="ic",
        Specification={**specification(cpus=0.5), "ModelName": "M2"},
        **({"DeploymentConfig": deployment} if deployment else {}),
    )
    world.turn()


def rolling(size: int = 1, kind: str = "COPY_COUNT", seconds: int = 0) -> dict[str, Any]:
    return {"MaximumBatchSize": {"Type": kind, "Value": size}, "WaitIntervalInSeconds": seconds}


def test_an_update_brings_another_model_and_the_old_one_answers_until_then(world: World) -> None:
    host(world)
    create(world)
    (old,) = serve(world)
    update(world)
    assert describe(world)["InferenceComponentStatus"] == "Updating"
    found = route(world)
    assert found is not None
    assert found.addresses == [old.address]
    serve(world)
    world.turn(2)
    shown = describe(world)
    assert shown["InferenceComponentStatus"] == "InService"
    assert shown["Specification"]["ModelName"] == "M2"
    assert old.alive, "a request may still be on its way to it"
    scale(world, 2)
    serve(world)
    assert copies(world) == (2, 2), "what is being ended stands in the way of nothing"
    found = route(world)
    assert found is not None
    assert old.address not in found.addresses


def test_an_update_gives_what_changes_alone(world: World) -> None:
    host(world)
    container = {"Image": IMAGE, "ArtifactUrl": "s3://b/model.tar.gz", "Environment": {"A": "1"}}
    asked = {"Container": container, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024}}
    world.call("CreateInferenceComponent", InferenceComponentName="ic", EndpointName="Ep", Specification=asked)
    world.turn()
    serve(world)
    changed = {"Container": {"ArtifactUrl": "s3://b/next.tar.gz"}}
    world.call("UpdateInferenceComponent", InferenceComponentName="ic", Specification=changed)
    world.turn()
    serve(world)
    world.turn(2)
    shown = describe(world)["Specification"]
    assert shown["Container"]["ArtifactUrl"] == "s3://b/next.tar.gz"
    assert shown["Container"]["DeployedImage"]["SpecifiedImage"] == IMAGE
    assert shown["ComputeResourceRequirements"] == {"MinMemoryRequiredInMb": 1024}
    assert world.backend.started[-1].environment["A"] == "1"


def test_a_rolling_update_goes_copy_by_copy(world: World) -> None:
    host(world, hosting(InitialInstanceCount=2))
    create(world, copies=2)
    old = [str(each.address) for each in serve(world)]
    update(world, RollingUpdatePolicy=rolling(seconds=300))
    assert len(world.backend.started) == 3
    serve(world)
    found = route(world)
    assert found is not None
    assert len(found.addresses) == 3
    age(world, 400)
    world.turn(3)
    assert len(world.backend.started) == 4
    found = route(world)
    assert found is not None
    assert len([each for each in found.addresses if each in old]) == 1
    serve(world)
    age(world, 400)
    world.turn(3)
    shown = describe(world)
    assert shown["InferenceComponentStatus"] == "InService"
    assert shown["LastDeploymentConfig"]["RollingUpdatePolicy"]["WaitIntervalInSeconds"] == 300


def test_an_update_to_a_broken_model_is_rolled_back(world: World) -> None:
    host(world)
    create(world)
    (old,) = serve(world)
    update(world)
    world.backend.present[world.backend.started[-1].id].say("Failed", failure_reason="cannot be loaded")
    world.turn(3)
    shown = describe(world)
    assert (shown["InferenceComponentStatus"], shown["FailureReason"]) == ("InService", "cannot be loaded")
    assert shown["Specification"]["ModelName"] == "M"
    found = route(world)
    assert found is not None
    assert found.addresses == [old.address]


def test_an_update_for_which_there_is_no_room_beside_the_old_copies_is_rolled_back(world: World) -> None:
    host(world)
    create(world, cpus=2.0)
    serve(world)
    update(world)
    world.turn(2)
    shown = describe(world)
    assert (shown["InferenceComponentStatus"], shown["FailureReason"]) == ("InService", NOT_ENOUGH)
    assert copies(world) == (1, 1)


@pytest.mark.parametrize(("kind", "value"), [("COPY_COUNT", 2), ("CAPACITY_PERCENT", 51)], ids=["copies", "percent"])
def test_a_rolling_update_takes_half_of_the_copies_at_most(world: World, kind: str, value: int) -> None:
    host(world)
    create(world, copies=2)
    serve(world)
    with pytest.raises(AwsError, match="MaximumBatchSize"):
        update(world, RollingUpdatePolicy=rolling(value, kind))
    assert describe(world)["InferenceComponentStatus"] == "InService"


def test_an_alarm_rolls_an_update_back(world: World) -> None:
    host(world)
    create(world)
    serve(world)
    alarm = {
        "AlarmName": "bad",
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": [{"Name": "InferenceComponentName", "Value": "ic"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    with world.store.write() as tx:
        document = alarms.put(tx, context("PutMetricAlarm"), alarm, 0.0)
        alarms.move(tx, document, "ALARM", "a test", None, 0.0)
    update(
        world,
        RollingUpdatePolicy=rolling(seconds=300),
        AutoRollbackConfiguration={"Alarms": [{"AlarmName": "bad"}]},
    )
    world.turn(3)
    shown = describe(world)
    assert shown["InferenceComponentStatus"] == "InService"
    assert "bad" in shown["FailureReason"]
    assert shown["Specification"]["ModelName"] == "M"
