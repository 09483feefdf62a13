"""The life of a shadow test, against the real store and model servers that do what a test says."""

import time
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import ROLE, World, model, variant

KEEP = {"AllTraffic": "Retain", "Shadow": "Remove"}
PROMOTE = {"AllTraffic": "Remove", "Shadow": "Promote"}


def in_experiment(name: str, model_name: str = "M", instances: int = 1) -> Params:
    sizes = {"InstanceType": "ml.m5.large", "InstanceCount": instances}
    return {
        "VariantName": name,
        "ModelName": model_name,
        "InfrastructureConfig": {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": sizes},
    }


def mode(sampling: int = 50, shadow: str = "Shadow") -> Params:
    return {
        "SourceModelVariantName": "AllTraffic",
        "ShadowModelVariants": [{"ShadowModelVariantName": shadow, "SamplingPercentage": sampling}],
    }


def request(name: str = "E", **changes: Any) -> Params:
    return {
        "Name": name,
        "Type": "ShadowMode",
        "RoleArn": ROLE,
        "EndpointName": "Ep",
        "ModelVariants": [in_experiment("AllTraffic"), in_experiment("Shadow", "N")],
        "ShadowModeConfig": mode(),
        **changes,
    }


def serve(world: World, fails: str = "") -> None:
    """Let every new model server serve, but those of this variant's model fail."""
    for task in list(world.backend.present.values()):
        if not task.events and task.alive:
            broken = fails and task.spec.model_data == f"s3://models/{fails}.tar.gz"
            task.say("Failed", failure_reason="it cannot be loaded") if broken else task.say("Serving")


def packed(name: str) -> Params:
    container = {**model(name)["PrimaryContainer"], "ModelDataUrl": f"s3://models/{name}.tar.gz"}
    return model(name, PrimaryContainer=container)


@pytest.fixture
def endpoint(world: World) -> World:
    for name in ("M", "N"):
        world.call("CreateModel", **packed(name))
    world.call("CreateEndpointConfig", EndpointConfigName="C", ProductionVariants=[variant("M")])
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    world.turn()
    serve(world)
    world.turn(2)
    assert world.call("DescribeEndpoint", EndpointName="Ep")["EndpointStatus"] == "InService"
    return world


def status(world: World, name: str = "E") -> str:
    return str(world.call("DescribeInferenceExperiment", Name=name)["Status"])


def until(world: World, wanted: str, fails: str = "", killed: bool = False) -> Params:
    """Turn until the experiment is in a state, with a process that ends after each step if `killed`."""

    def reached() -> bool:
        serve(world, fails)
        if killed:
            world.new_loop()
        return status(world) == wanted

    world.until(reached)
    return world.call("DescribeInferenceExperiment", Name="E")


def variants(world: World) -> tuple[dict[str, str], dict[str, str]]:
    """Names and models of the production and the shadow variants that the endpoint has."""
    fleet = world.stored("endpoint", "Ep").body["_fleet"]
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for each in fleet["variants"]:
        found[bool(each.get("shadow"))][each["name"]] = each["container"]["ModelDataUrl"][12:13]
    return found


def configs(world: World) -> set[str]:
    return {each["EndpointConfigName"] for each in world.call("ListEndpointConfigs")["EndpointConfigs"]}


@pytest.mark.parametrize("killed", [False, True], ids=["by one process", "by a process a step"])
def test_a_test_runs_and_the_endpoint_is_as_before(endpoint: World, killed: bool) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running", killed=killed)
    assert variants(endpoint) == ({"AllTraffic": "M"}, {"Shadow": "N"})
    assert len(configs(endpoint)) == 2
    endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=KEEP)
    shown = until(endpoint, "Completed", killed=killed)
    assert variants(endpoint) == ({"AllTraffic": "M"}, {})
    assert configs(endpoint) == {"C"}
    assert shown["CompletionTime"] <= time.time()


def test_what_the_endpoint_was_comes_back_though_its_configuration_was_deleted(endpoint: World) -> None:
    endpoint.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="Ep",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
    )
    endpoint.turn()
    serve(endpoint)
    endpoint.turn(2)
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    endpoint.call("DeleteEndpointConfig", EndpointConfigName="C")
    endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=KEEP)
    until(endpoint, "Completed")
    assert configs(endpoint) == {"C"}
    (only,) = endpoint.call("DescribeEndpoint", EndpointName="Ep")["ProductionVariants"]
    assert only["DesiredInstanceCount"] == 2


def test_a_shadow_is_promoted_with_the_infrastructure_that_is_asked_for(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    desired = [in_experiment("Shadow", "N", instances=2)]
    endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=PROMOTE, DesiredModelVariants=desired)
    until(endpoint, "Completed")
    assert variants(endpoint) == ({"Shadow": "N"}, {})
    (only,) = endpoint.call("DescribeEndpoint", EndpointName="Ep")["ProductionVariants"]
    assert only["DesiredInstanceCount"] == 2
    assert len(configs(endpoint)) == 2, "the former one, and that of the endpoint"


def test_a_promotion_that_cannot_be_is_rolled_back(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=PROMOTE)
    shown = until(endpoint, "Cancelled", fails="N")
    assert "The endpoint has its former variants again." in shown["StatusReason"]
    assert "it cannot be loaded" in shown["StatusReason"]
    assert variants(endpoint) == ({"AllTraffic": "M"}, {})
    assert configs(endpoint) == {"C"}


def test_a_test_whose_shadow_does_not_start_is_cancelled(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    shown = until(endpoint, "Cancelled", fails="N")
    assert "it cannot be loaded" in shown["StatusReason"]
    assert variants(endpoint) == ({"AllTraffic": "M"}, {})
    endpoint.turn(2)
    assert configs(endpoint) == {"C"}


def test_an_update_that_cannot_be_leaves_the_test_as_it_runs(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    endpoint.call("CreateModel", **packed("B"))
    endpoint.call("UpdateInferenceExperiment", Name="E", ModelVariants=[in_experiment("Shadow", "B")])
    assert status(endpoint) == "Updating"
    shown = until(endpoint, "Running", fails="B")
    assert "it cannot be loaded" in shown["StatusReason"]
    assert [each["ModelName"] for each in shown["ModelVariants"]] == ["M", "N"]
    assert variants(endpoint) == ({"AllTraffic": "M"}, {"Shadow": "N"})


def test_a_test_stopped_while_it_starts_leaves_the_endpoint_as_it_was(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    endpoint.until(lambda: endpoint.stored("endpoint", "Ep").status == "Updating")
    endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=KEEP, DesiredState="Cancelled", Reason="no")
    assert until(endpoint, "Cancelled")["StatusReason"] == "no"
    assert variants(endpoint) == ({"AllTraffic": "M"}, {})


def test_a_promotion_is_not_done_because_the_test_never_began(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    endpoint.until(lambda: endpoint.stored("endpoint", "Ep").status == "Updating")
    endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=PROMOTE)
    shown = until(endpoint, "Cancelled", fails="N")
    assert "The endpoint has its former variants again." in shown["StatusReason"]
    assert variants(endpoint) == ({"AllTraffic": "M"}, {})


def test_the_test_of_an_endpoint_that_is_deleted_is_cancelled(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    endpoint.call("DeleteEndpoint", EndpointName="Ep")
    assert until(endpoint, "Cancelled")["StatusReason"] == "Endpoint Ep was deleted."


def test_the_test_of_an_endpoint_that_somebody_else_updates_is_cancelled(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    endpoint.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    assert "updated to C by somebody else" in until(endpoint, "Cancelled")["StatusReason"]
    assert configs(endpoint) == {"C"}


def test_a_test_that_runs_keeps_the_time_when_it_began(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    with pytest.raises(AwsError, match="StartTime of an inference experiment that is Running cannot be changed"):
        endpoint.call("UpdateInferenceExperiment", Name="E", Schedule={"StartTime": time.time() + 60})
    end = time.time() + 600
    endpoint.call("UpdateInferenceExperiment", Name="E", Schedule={"EndTime": end})
    assert until(endpoint, "Running")["Schedule"]["EndTime"] == end


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ShadowModeConfig": mode(shadow="AllTraffic")}, "cannot be both the production variant and the shadow"),
        ({"ShadowModeConfig": mode(shadow="Other")}, "has no variant Other"),
        ({"ShadowModeConfig": mode(sampling=-1)}, "SamplingPercentage must be between 0 and 100"),
        ({"ModelVariants": [in_experiment("AllTraffic", instances=0), in_experiment("Shadow")]}, "at least 1"),
        ({"Schedule": {"EndTime": 1.0}}, "must be after its StartTime and in the future"),
        ({"Schedule": {"EndTime": time.time() + 31 * 86_400}}, "30 days at most"),
        ({"EndpointName": "Absent"}, "Could not find endpoint"),
    ],
    ids=["one variant twice", "no such variant", "sampling", "no instance", "in the past", "too long", "no endpoint"],
)
def test_what_makes_no_sense_is_refused(endpoint: World, changes: Params, words: str) -> None:
    with pytest.raises(AwsError, match=words):
        endpoint.call("CreateInferenceExperiment", **request(**changes))
    assert endpoint.call("ListInferenceExperiments")["InferenceExperiments"] == []


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ({"AllTraffic": "Promote"}, "is the production variant already"),
        ({"AllTraffic": "Remove", "Shadow": "Remove"}, "needs a production variant"),
        ({"Other": "Retain"}, "has no variant Other"),
    ],
    ids=["promotes production", "leaves none", "no such variant"],
)
def test_a_stop_that_makes_no_sense_is_refused(endpoint: World, actions: dict[str, str], words: str) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    with pytest.raises(AwsError, match=words):
        endpoint.call("StopInferenceExperiment", Name="E", ModelVariantActions=actions)
    assert status(endpoint) == "Running"


def test_an_endpoint_in_use_is_known_however_many_tests_ended_on_it(endpoint: World) -> None:
    endpoint.call("CreateInferenceExperiment", **request())
    until(endpoint, "Running")
    first = endpoint.stored("inference-experiment", "E")
    with endpoint.store.write() as tx:
        for number in range(101):
            name = f"old-{number}"
            tx.create(replace(first, key=name, name=name, arn=f"{first.arn}-{name}", status="Completed"))
    endpoint.call("CreateInferenceExperiment", **request("F"))
    endpoint.until(lambda: status(endpoint, "F") == "Cancelled")
    assert status(endpoint) == "Running"
    assert "is used by inference experiment" in endpoint.stored("inference-experiment", "F").body["StatusReason"]


def test_an_endpoint_of_several_variants_takes_no_test(endpoint: World) -> None:
    endpoint.call(
        "CreateEndpointConfig", EndpointConfigName="Two", ProductionVariants=[variant("M"), variant("N", "Other")]
    )
    endpoint.call("CreateEndpoint", EndpointName="Both", EndpointConfigName="Two")
    with pytest.raises(AwsError, match="more than one production variant"):
        endpoint.call("CreateInferenceExperiment", **request(EndpointName="Both"))
