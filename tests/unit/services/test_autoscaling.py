"""Scalable targets and their policies, on endpoints of the real store whose model servers do what a test says."""

import time
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.services import autoscaling
from sagesmith.services.autoscaling import targets
from sagesmith.services.autoscaling.decisions import stepped, tracked
from sagesmith.services.autoscaling.scaling import TargetWatch
from sagesmith.services.cloudwatch import alarms
from sagesmith.store import Datum, Metric, StatisticSet
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import World, context, model, variant
from tests.unit.wire.clients import client_for

RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/Ep/variant/V",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "TargetValue": 100.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
}
STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
    ],
}


@pytest.fixture
def endpoint(world: World) -> World:
    """An endpoint of one instance in service."""
    world.call("CreateModel", **model("M"))
    world.call("CreateEndpointConfig", EndpointConfigName="C", ProductionVariants=[variant("M", "V")])
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    serve(world)
    return world


@pytest.fixture
def asynchronous(world: World) -> Any:
    """A client, and an asynchronous endpoint of one instance in service."""
    config = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/out"}}}
    world.call("CreateModel", **model("M"))
    world.call("CreateEndpointConfig", EndpointConfigName="C", ProductionVariants=[variant("M", "V")], **config)
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    serve(world)
    return client_for(
        "application-autoscaling", Dispatcher({"application-autoscaling": autoscaling.handlers(world.home)})
    )


@pytest.fixture
def client(endpoint: World) -> Any:
    handlers = {"application-autoscaling": autoscaling.handlers(endpoint.home)}
    return client_for("application-autoscaling", Dispatcher(handlers))


def serve(world: World) -> None:
    world.turn()
    for task in world.backend.present.values():
        if not task.events:
            task.say("Serving")
    world.turn(2)


def register(client: Any, least: int = 1, most: int = 4, **more: Any) -> None:
    client.register_scalable_target(**RESOURCE, MinCapacity=least, MaxCapacity=most, **more)


def track(client: Any, name: str = "p", **changes: Any) -> list[str]:
    """A policy of target tracking; the names of its alarms."""
    answer = client.put_scaling_policy(
        **RESOURCE,
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={**TRACKING, **changes},
    )
    return [alarm["AlarmName"] for alarm in answer["Alarms"]]


def invoke(world: World, per_instance: float) -> None:
    """As many invocations an instance in the minute that is just over."""
    at = int(time.time()) // 60 * 60 - 30
    metric = Metric("AWS/SageMaker", "InvocationsPerInstance", (("EndpointName", "Ep"), ("VariantName", "V")))
    with world.store.write() as tx:
        tx.put_statistics("us-east-1", [Datum(metric, at, "None", StatisticSet.of([per_instance]))])


def queue(world: World, per_instance: float) -> None:
    """As many requests in the queue an instance in the minute that is just over."""
    at = int(time.time()) // 60 * 60 - 30
    metric = Metric("AWS/SageMaker", "ApproximateBacklogSizePerInstance", (("EndpointName", "Ep"),))
    with world.store.write() as tx:
        tx.put_statistics("us-east-1", [Datum(metric, at, "Count", StatisticSet.of([per_instance]))])


def trip(world: World, name: str, state: str = "ALARM") -> None:
    with world.store.write() as tx:
        document = tx.get(alarms.KIND, "us-east-1", name)
        assert document is not None
        alarms.move(tx, document, state, "a test", None, time.time())


def step(world: World) -> None:
    """Let the target's reconciler look at it."""
    with world.store.read() as tx:
        (target,) = targets.every_target(tx, "us-east-1")
    TargetWatch().step(world.home, target)


def look(world: World) -> int:
    """How many instances the variant is to have after the target was looked at."""
    step(world)
    serve(world)
    (shown,) = world.call("DescribeEndpoint", EndpointName="Ep")["ProductionVariants"]
    return int(shown["DesiredInstanceCount"])


def test_a_target_is_described_with_its_bounds(client: Any) -> None:
    register(client, 1, 2)
    client.register_scalable_target(**RESOURCE, MaxCapacity=5)
    (target,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 5)
    assert target["SuspendedState"]["DynamicScalingInSuspended"] is False
    assert "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint" in target["RoleARN"]


def test_target_tracking_grows_to_where_the_metric_is_at_its_target(client: Any, endpoint: World) -> None:
    register(client)
    high, low = track(client)
    assert high.startswith("TargetTracking-endpoint/Ep/variant/V-AlarmHigh-")
    assert low.startswith("TargetTracking-endpoint/Ep/variant/V-AlarmLow-")
    invoke(endpoint, 250)
    assert look(endpoint) == 1, "the alarm is not in ALARM"
    trip(endpoint, high)
    assert look(endpoint) == 3
    assert look(endpoint) == 3, "it waits for its cooldown"
    (activity,) = client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    assert activity["Description"] == "Setting desired instance count to 3."
    assert activity["Cause"] == f"monitor alarm {high} in state ALARM triggered policy p"
    assert activity["StatusCode"] == "Successful"


def test_no_policy_goes_beyond_the_bounds(client: Any, endpoint: World) -> None:
    register(client, 1, 2)
    high, _ = track(client)
    invoke(endpoint, 10_000)
    trip(endpoint, high)
    assert look(endpoint) == 2


def test_a_variant_below_its_bounds_is_brought_to_them(client: Any, endpoint: World) -> None:
    register(client, 2, 4)
    _, low = track(client)
    invoke(endpoint, 0)
    trip(endpoint, low)
    assert look(endpoint) == 2


def set_by_hand(world: World, count: int) -> None:
    """Ask for so many instances, and let them serve."""
    world.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="Ep",
        DesiredWeightsAndCapacities=[{"VariantName": "V", "DesiredInstanceCount": count}],
    )
    serve(world)


def activities(client: Any) -> list[str]:
    """What was done, the latest first."""
    found = client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    return [each["Description"] for each in found]


def test_a_count_set_by_hand_stands_until_a_cooldown_is_over_and_a_policy_still_wants_another(
    client: Any, endpoint: World
) -> None:
    register(client)
    high, _ = track(client)
    invoke(endpoint, 250)
    trip(endpoint, high)
    assert look(endpoint) == 3
    set_by_hand(endpoint, 1)
    assert [look(endpoint) for _ in range(5)] == [1] * 5
    assert len(activities(client)) == 1
    high, _ = track(client, ScaleOutCooldown=0)
    trip(endpoint, high)
    assert look(endpoint) == 3
    assert activities(client) == ["Setting desired instance count to 3."] * 2
    set_by_hand(endpoint, 4)
    assert [look(endpoint) for _ in range(5)] == [4] * 5, "a policy that wants more takes none away"
    assert len(activities(client)) == 2


def test_capacity_is_taken_away_only_if_no_policy_needs_it(client: Any, endpoint: World) -> None:
    register(client)
    set_by_hand(endpoint, 4)
    _, low = track(client, "first")
    _, other = track(client, "second", TargetValue=1.0)
    invoke(endpoint, 10)
    trip(endpoint, low)
    assert look(endpoint) == 4
    client.delete_scaling_policy(**RESOURCE, PolicyName="second")
    assert look(endpoint) == 1
    with endpoint.store.read() as tx:
        assert tx.get(alarms.KIND, "us-east-1", other) is None, "its alarms went with the policy"


def test_a_step_policy_follows_the_alarm_that_names_it(client: Any, endpoint: World) -> None:
    register(client)
    answer = client.put_scaling_policy(
        **RESOURCE,
        PolicyName="s",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={**STEPS, "Cooldown": 0},
    )
    assert answer["Alarms"] == []
    alarm = {
        "AlarmName": "mine",
        "AlarmActions": [answer["PolicyARN"]],
        "Namespace": "AWS/SageMaker",
        "MetricName": "InvocationsPerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "Ep"}, {"Name": "VariantName", "Value": "V"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 100.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    with endpoint.store.write() as tx:
        alarms.put(tx, context("PutMetricAlarm"), alarm, time.time())
    invoke(endpoint, 105)
    trip(endpoint, "mine")
    assert look(endpoint) == 2
    trip(endpoint, "mine", "OK")
    assert look(endpoint) == 2
    with endpoint.store.read() as tx:
        document = tx.get(alarms.KIND, "us-east-1", "mine")
    assert document is not None
    assert not [item for item in document.body["_history"] if item["HistoryItemType"] == "Action"]


def test_what_is_suspended_is_not_scaled(client: Any, endpoint: World) -> None:
    register(client, SuspendedState={"DynamicScalingOutSuspended": True})
    high, _ = track(client)
    invoke(endpoint, 250)
    trip(endpoint, high)
    assert look(endpoint) == 1


def test_an_asynchronous_variant_follows_its_queue_to_zero_and_back(asynchronous: Any, world: World) -> None:
    register(asynchronous, 0)
    metric = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "Ep"}],
        "Statistic": "Average",
    }
    answer = asynchronous.put_scaling_policy(
        **RESOURCE,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": metric,
            "ScaleInCooldown": 0,
            "ScaleOutCooldown": 0,
        },
    )
    high, low = (alarm["AlarmName"] for alarm in answer["Alarms"])
    queue(world, 0)
    trip(world, low)
    assert look(world) == 0
    described = world.call("DescribeEndpoint", EndpointName="Ep")
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    trip(world, low, "OK")
    queue(world, 22)
    trip(world, high)
    assert look(world) == 3


def test_a_variant_that_is_asked_directly_keeps_an_instance(client: Any, endpoint: World) -> None:
    with pytest.raises(client.exceptions.ValidationException, match="AsyncInferenceConfig"):
        register(client, 0)
    changes = [{"VariantName": "V", "DesiredInstanceCount": 0}]
    with pytest.raises(AwsError, match="AsyncInferenceConfig"):
        endpoint.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=changes)


def test_an_update_under_way_is_waited_for(client: Any, endpoint: World) -> None:
    register(client)
    high, _ = track(client)
    invoke(endpoint, 250)
    trip(endpoint, high)
    document = endpoint.stored("endpoint", "Ep")
    with endpoint.store.write() as tx:
        tx.update(replace(document, status="Updating"))
    step(endpoint)
    assert endpoint.stored("endpoint", "Ep").body["_fleet"]["variants"][0]["count"] == 1


def test_a_target_goes_with_its_endpoint_and_its_alarms_with_it(client: Any, endpoint: World) -> None:
    register(client)
    names = track(client)
    endpoint.call("DeleteEndpoint", EndpointName="Ep")
    endpoint.turn(2)
    step(endpoint)
    assert client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    with endpoint.store.read() as tx:
        assert not [name for name in names if tx.get(alarms.KIND, "us-east-1", name)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ResourceId": "endpoint/Ep/variant/W"}, "There is no SageMaker variant"),
        ({"MinCapacity": 3, "MaxCapacity": 2}, "Maximum capacity cannot be less than minimum capacity"),
        ({"ServiceNamespace": "ecs"}, "Unsupported service namespace"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(client: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(client.exceptions.ValidationException, match=said):
        client.register_scalable_target(**{**RESOURCE, "MinCapacity": 1, "MaxCapacity": 2, **changes})
    assert client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_a_policy_without_a_target_is_refused(client: Any) -> None:
    with pytest.raises(client.exceptions.ObjectNotFoundException, match="No scalable target registered for"):
        track(client)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "at least one step adjustment"),
        (
            [
                {"MetricIntervalUpperBound": 5, "ScalingAdjustment": 1},
                {"MetricIntervalLowerBound": 4, "ScalingAdjustment": 2},
            ],
            "can't overlap",
        ),
        (
            [
                {"MetricIntervalUpperBound": 5, "ScalingAdjustment": 1},
                {"MetricIntervalLowerBound": 6, "ScalingAdjustment": 2},
            ],
            "can't have a gap",
        ),
    ],
)
def test_steps_that_contradict_each_other_are_refused(client: Any, steps: list[dict[str, Any]], said: str) -> None:
    register(client)
    with pytest.raises(client.exceptions.ValidationException, match=said):
        client.put_scaling_policy(
            **RESOURCE,
            PolicyName="s",
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps},
        )
    assert client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []


@pytest.mark.parametrize(
    ("current", "value", "wanted"), [(1, 250.0, 3), (2, 100.0, 2), (4, 50.0, 2), (3, 0.0, 0), (3, 100.001, 4)]
)
def test_target_tracking_is_in_proportion(current: int, value: float, wanted: int) -> None:
    assert tracked(current, value, 100.0) == wanted


@pytest.mark.parametrize(
    ("kind", "adjustment", "current", "wanted"),
    [
        ("ChangeInCapacity", 2, 3, 5),
        ("ChangeInCapacity", -2, 3, 1),
        ("ExactCapacity", 7, 3, 7),
        ("PercentChangeInCapacity", 10, 3, 4),
        ("PercentChangeInCapacity", 50, 5, 7),
        ("PercentChangeInCapacity", -50, 5, 3),
    ],
)
def test_a_step_is_a_change_a_share_or_a_number(kind: str, adjustment: int, current: int, wanted: int) -> None:
    settings = {
        "AdjustmentType": kind,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": adjustment}],
    }
    assert stepped(settings, current, 1.0) == wanted


def test_which_step_is_taken_depends_on_the_breach() -> None:
    assert [stepped(STEPS, 1, breach) for breach in (0.0, 9.9, 10.0, 1e9)] == [2, 2, 4, 4]
    down = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [
            {"MetricIntervalUpperBound": -10, "ScalingAdjustment": -2},
            {"MetricIntervalLowerBound": -10, "MetricIntervalUpperBound": 0, "ScalingAdjustment": -1},
        ],
    }
    assert [stepped(down, 5, breach) for breach in (-5.0, -10.0, -20.0, 1.0)] == [4, 3, 3, None]
