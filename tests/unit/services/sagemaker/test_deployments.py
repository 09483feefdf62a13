"""From one fleet of an endpoint to the next, against the real store and a backend whose tasks do what a test says."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.routes import VariantRoute, read_routes
from sagesmith.services.cloudwatch import alarms
from sagesmith.services.sagemaker import deployments
from sagesmith.wire.context import Principal, RequestContext
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import World, model, variant

HOUR = 3600
ROLE = "arn:aws:iam::123456789012:root"
ALARM = {
    "Namespace": "AWS/SageMaker",
    "MetricName": "Invocation5XXErrors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "ignore",
}
MODELS = {"old": "m-1", "new": "m-2"}


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def blue_green(wait: int = 0, timeout: int = HOUR * 8, **routing: Any) -> dict[str, Any]:
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait, **routing}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "MaximumExecutionTimeoutInSeconds": timeout,
        }
    }


def rolling(size: int, wait: int = HOUR) -> dict[str, Any]:
    return {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": percent(size),
            "WaitIntervalInSeconds": wait,
            "MaximumExecutionTimeoutInSeconds": HOUR * 8,
        }
    }


@pytest.fixture
def endpoint(world: World) -> World:
    """An endpoint of two instances in service, and a configuration for the next fleet."""
    for name, model_name in MODELS.items():
        world.call("CreateModel", **model(model_name))
        variants = [variant(model_name, "V", InitialInstanceCount=2)]
        world.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants)
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="old")
    serve(world)
    return world


def serve(world: World) -> None:
    """Let tasks start, and those that do not yet, serve."""
    world.turn()
    for task in world.backend.present.values():
        if not task.events:
            task.say("Serving")
    world.turn(2)


def update(world: World, deployment: dict[str, Any]) -> None:
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="new", DeploymentConfig=deployment)
    serve(world)


def describe(world: World) -> dict[str, Any]:
    return world.call("DescribeEndpoint", EndpointName="Ep")


def traffic(world: World) -> list[VariantRoute]:
    return read_routes(world.platform.dir.routes_file)["us-east-1"]["ep"].variants


def shares(world: World) -> list[tuple[float, int]]:
    """Which part of the requests goes to how many instances, the present fleet's first."""
    return [(round(each.share, 2), len(each.addresses)) for each in traffic(world)]


def servers(world: World) -> Counter[int]:
    """How many wanted instances each fleet has."""
    return Counter(
        each["fleet"] for each in world.stored("endpoint", "Ep").body["_instances"] if each["retire_at"] is None
    )


def bake(world: World, seconds: float = HOUR) -> None:
    """Let time pass since the last step and since the beginning."""
    document = world.stored("endpoint", "Ep")
    coming = document.body["_next"]
    older = {name: coming[name] - seconds for name in ("shifted_at", "started_at") if coming[name] is not None}
    with world.store.write() as tx:
        tx.update(replace(document, body={**document.body, "_next": {**coming, **older}}))
    world.turn(2)


def test_all_at_once_waits_for_the_whole_next_fleet_and_then_takes_all_requests(endpoint: World) -> None:
    endpoint.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="new")
    endpoint.turn()
    first, *_ = (task for task in endpoint.backend.present.values() if not task.events)
    first.say("Serving")
    endpoint.turn(2)
    assert shares(endpoint) == [(1.0, 2)]
    assert describe(endpoint)["EndpointStatus"] == "Updating"
    serve(endpoint)
    assert shares(endpoint) == [(1.0, 2)]
    assert describe(endpoint)["EndpointConfigName"] == "new"
    assert servers(endpoint) == {1: 2}


def test_a_canary_has_its_part_until_it_was_watched_long_enough(endpoint: World) -> None:
    update(endpoint, blue_green(HOUR, Type="CANARY", CanarySize=percent(30)))
    assert shares(endpoint) == [(0.7, 2), (0.3, 2)]
    pending = describe(endpoint)["PendingDeploymentSummary"]
    assert (pending["EndpointConfigName"], pending["ProductionVariants"][0]["VariantStatus"][0]["Status"]) == (
        "new",
        "Baking",
    )
    bake(endpoint, HOUR / 2)
    assert shares(endpoint) == [(0.7, 2), (0.3, 2)]
    bake(endpoint, HOUR / 2)
    assert shares(endpoint) == [(1.0, 2)]
    assert describe(endpoint)["EndpointStatus"] == "Updating"
    assert servers(endpoint) == {0: 2, 1: 2}, "the former fleet stays until the last step was watched"
    bake(endpoint)
    assert describe(endpoint)["EndpointStatus"] == "InService"
    assert servers(endpoint) == {1: 2}


def test_a_canary_of_instances_has_their_part_of_the_fleet(endpoint: World) -> None:
    update(endpoint, blue_green(HOUR, Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}))
    assert shares(endpoint) == [(0.5, 2), (0.5, 2)]


def test_linear_shifting_goes_on_in_equal_steps(endpoint: World) -> None:
    update(endpoint, blue_green(HOUR, Type="LINEAR", LinearStepSize=percent(40)))
    seen = [shares(endpoint)]
    while describe(endpoint)["EndpointStatus"] == "Updating":
        bake(endpoint)
        seen.append(shares(endpoint))
    assert seen == [[(0.6, 2), (0.4, 2)], [(0.2, 2), (0.8, 2)], [(1.0, 2)], [(1.0, 2)]]


def test_a_rolling_deployment_exchanges_a_batch_at_a_time(endpoint: World) -> None:
    update(endpoint, rolling(50))
    assert servers(endpoint) == {0: 2, 1: 1}
    assert shares(endpoint) == [(0.5, 2), (0.5, 1)]
    bake(endpoint)
    assert servers(endpoint) == {0: 1, 1: 2}, "one of the former is ended, the next batch is started"
    serve(endpoint)
    assert shares(endpoint) == [(1.0, 2)]
    bake(endpoint)
    assert describe(endpoint)["EndpointStatus"] == "InService"
    assert servers(endpoint) == {1: 2}


def test_a_model_server_that_dies_while_it_is_watched_makes_the_deployment_turn_back(endpoint: World) -> None:
    present = set(endpoint.backend.present)
    update(endpoint, blue_green(HOUR, Type="CANARY", CanarySize=percent(50)))
    next(task for each, task in endpoint.backend.present.items() if each not in present).say(
        "Failed", failure_reason="out of memory"
    )
    endpoint.turn()
    assert describe(endpoint)["EndpointStatus"] == "RollingBack"
    endpoint.turn(2)
    described = describe(endpoint)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "old")
    assert described["FailureReason"] == "out of memory"
    assert "PendingDeploymentSummary" not in described
    assert shares(endpoint) == [(1.0, 2)]
    assert servers(endpoint) == {0: 2}


def test_a_rolling_deployment_that_turns_back_starts_again_what_it_had_ended(endpoint: World) -> None:
    update(endpoint, rolling(50))
    bake(endpoint)
    serve(endpoint)
    next(task for task in endpoint.backend.present.values() if task.spec.id in wanted_of(endpoint, 1)).say(
        "Failed", failure_reason="broken"
    )
    endpoint.turn(2)
    assert describe(endpoint)["EndpointStatus"] == "RollingBack"
    assert servers(endpoint)[0] == 2
    assert shares(endpoint)[-1][0] == 1.0, "the new fleet answers until the old one is whole"
    serve(endpoint)
    assert describe(endpoint)["EndpointStatus"] == "InService"
    assert servers(endpoint) == {0: 2}
    assert shares(endpoint) == [(1.0, 2)]


def wanted_of(world: World, fleet: int) -> set[str]:
    instances = world.stored("endpoint", "Ep").body["_instances"]
    return {each["id"] for each in instances if each["fleet"] == fleet and each["retire_at"] is None}


def test_an_update_after_one_that_turned_back_has_servers_of_its_own(endpoint: World) -> None:
    update(endpoint, blue_green(HOUR, Type="CANARY", CanarySize=percent(50)))
    bake(endpoint, HOUR * 9)
    while describe(endpoint)["EndpointStatus"] != "InService":
        endpoint.turn()
    given_up = set(endpoint.backend.present)
    endpoint.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="new")
    assert describe(endpoint)["EndpointStatus"] == "Updating"
    endpoint.turn(2)
    assert describe(endpoint)["EndpointStatus"] == "Updating", "servers of the model that was given up are not taken"
    serve(endpoint)
    assert describe(endpoint)["EndpointConfigName"] == "new"
    assert not wanted_of(endpoint, endpoint.stored("endpoint", "Ep").body["_fleet"]["id"]) & given_up


def test_instances_that_cannot_be_had_leave_the_endpoint_as_it_was(endpoint: World) -> None:
    endpoint.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="Ep",
        DesiredWeightsAndCapacities=[{"VariantName": "V", "DesiredInstanceCount": 1}],
    )
    serve(endpoint)
    present = set(endpoint.backend.present)
    endpoint.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="Ep",
        DesiredWeightsAndCapacities=[{"VariantName": "V", "DesiredInstanceCount": 2}],
    )
    failures = 0
    while describe(endpoint)["EndpointStatus"] == "Updating":
        endpoint.turn()
        for each, task in endpoint.backend.present.items():
            if each not in present and not task.events:
                task.say("Failed", failure_reason="no such model")
                failures += 1
    described = describe(endpoint)
    assert (failures, described["EndpointStatus"]) == (3, "InService")
    assert described["FailureReason"] == "no such model"
    assert described["ProductionVariants"][0]["DesiredInstanceCount"] == 1
    endpoint.turn()
    assert shares(endpoint) == [(1.0, 1)]


def test_weights_that_leave_production_without_requests_are_refused(world: World) -> None:
    world.call("CreateModel", **model("m"))
    world.call(
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[variant("m", "V")],
        ShadowProductionVariants=[variant("m", "S")],
    )
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="c")
    serve(world)
    with pytest.raises(AwsError, match="The sum of the variants' weights must be greater than 0"):
        world.call(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="Ep",
            DesiredWeightsAndCapacities=[{"VariantName": "V", "DesiredWeight": 0.0}],
        )


def test_a_deployment_that_takes_longer_than_it_may_turns_back(endpoint: World) -> None:
    update(endpoint, blue_green(HOUR, HOUR + 600, Type="CANARY", CanarySize=percent(50)))
    bake(endpoint, HOUR / 2)
    bake(endpoint, HOUR / 2)
    bake(endpoint, 601)
    endpoint.turn(2)
    described = describe(endpoint)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "old")
    assert described["FailureReason"] == (
        "The deployment did not end within MaximumExecutionTimeoutInSeconds (4200 seconds)."
    )


def test_an_alarm_makes_a_deployment_turn_back(endpoint: World) -> None:
    rollback = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}, {"AlarmName": "not-there"}]}}
    context = RequestContext(
        "r", "cloudwatch", "PutMetricAlarm", "us-east-1", Principal(ROLE, "123456789012", "AKID", "root"), ""
    )
    alarms.put_metric_alarm(endpoint.store, context, {"AlarmName": "errors", **ALARM})
    update(endpoint, {**blue_green(HOUR, Type="CANARY", CanarySize=percent(10)), **rollback})
    assert shares(endpoint) == [(0.9, 2), (0.1, 2)]
    alarms.set_alarm_state(
        endpoint.store, context, {"AlarmName": "errors", "StateValue": "ALARM", "StateReason": "told so"}
    )
    bake(endpoint, 1)
    endpoint.turn(2)
    described = describe(endpoint)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "old")
    assert described["FailureReason"] == "The deployment was rolled back, for these alarms are in ALARM: errors."


def test_requests_for_one_variant_are_shared_by_the_fleets_as_well(endpoint: World) -> None:
    update(endpoint, blue_green(HOUR, Type="CANARY", CanarySize=percent(10)))
    assert [(each.name, round(each.weight, 2), round(each.share, 2)) for each in traffic(endpoint)] == [
        ("V", 0.9, 0.9),
        ("V", 0.1, 0.1),
    ]


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (blue_green(HOUR, Type="CANARY"), "CanarySize is required"),
        (blue_green(HOUR, Type="LINEAR"), "LinearStepSize is required"),
        (blue_green(HOUR, CanarySize=percent(10)), "CanarySize can be given only"),
        (blue_green(HOUR, Type="LINEAR", LinearStepSize=percent(5)), "between 10 and 50 percent"),
        (blue_green(HOUR, Type="CANARY", CanarySize=percent(60)), "between 1 and 50 percent"),
        (
            blue_green(HOUR, Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 2}),
            "more than 50 percent of variant V, which has 2",
        ),
        (blue_green(HOUR, 700), "MaximumExecutionTimeoutInSeconds must be larger than the waiting times together"),
        ({**blue_green(), **rolling(50)}, "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy"),
    ],
)
def test_a_deployment_that_contradicts_itself_is_refused_and_changes_nothing(
    endpoint: World, deployment: dict[str, Any], said: str
) -> None:
    before = describe(endpoint)
    with pytest.raises(AwsError, match=said):
        endpoint.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="new", DeploymentConfig=deployment)
    assert describe(endpoint) == before


@pytest.mark.parametrize("size", [5, 10, 20, 30, 33, 50])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 10])
def test_every_deployment_ends_with_all_of_the_fleet(size: int, count: int) -> None:
    chosen = deployments.policy(rolling(size))
    found = deployments.portions(chosen, count)
    assert found[-1] == 1.0
    assert found == sorted(found)
    assert all(0 < each <= 1 for each in found)
    taken = [round(each * count, 6) for each in found]
    assert all(each == int(each) for each in taken), "whole instances"
