"""Scaling of inference components by policies and schedules, and schedules of variants."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sagesmith.services import autoscaling
from sagesmith.services.autoscaling import targets
from sagesmith.services.autoscaling.scaling import TargetWatch
from sagesmith.services.cloudwatch import alarms
from sagesmith.services.sagemaker.invocation_metrics import InvocationMetrics
from sagesmith.store import Datum, Document, Metric, StatisticSet, Window
from sagesmith.wire.app import Dispatcher
from tests.unit.services.sagemaker.components import copies, create, host, hosting, instances, scale, serve
from tests.unit.services.sagemaker.world import World, context
from tests.unit.wire.clients import client_for

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/ic",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/Ep/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
OF_COMPONENT = (("InferenceComponentName", "ic"),)
PER_COPY = "SageMakerInferenceComponentInvocationsPerCopy"
CONCURRENT = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"


@pytest.fixture
def component(world: World) -> World:
    """A component of one copy, on instances that are managed."""
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}
    host(world, hosting(ManagedInstanceScaling=scaling))
    create(world, cpus=2.0)
    serve(world)
    return world


@pytest.fixture
def client(component: World) -> Any:
    handlers = {"application-autoscaling": autoscaling.handlers(component.home)}
    return client_for("application-autoscaling", Dispatcher(handlers))


def register(client: Any, least: int = 0, most: int = 3, **more: Any) -> None:
    client.register_scalable_target(**{**TARGET, "MinCapacity": least, "MaxCapacity": most, **more})


def track(client: Any, metric: str = PER_COPY) -> list[str]:
    answer = client.put_scaling_policy(
        **TARGET,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            "ScaleInCooldown": 0,
            "ScaleOutCooldown": 0,
        },
    )
    return [alarm["AlarmName"] for alarm in answer["Alarms"]]


def schedule(client: Any, name: str, expression: str, **more: Any) -> None:
    client.put_scheduled_action(
        **{
            **TARGET,
            "ScheduledActionName": name,
            "Schedule": expression,
            "ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 3},
            **more,
        }
    )


def measure(world: World, metric: str, value: float, period: int = 60) -> None:
    """A value of the period that is just over."""
    at = int(time.time()) // period * period - period // 2
    with world.store.write() as tx:
        datum = Datum(Metric("AWS/SageMaker", metric, OF_COMPONENT), at, "None", StatisticSet.of([value]))
        tx.put_statistics("us-east-1", [datum])


def trip(world: World, name: str) -> None:
    with world.store.write() as tx:
        document = tx.get(alarms.KIND, "us-east-1", name)
        assert document is not None
        alarms.move(tx, document, "ALARM", "a test", None, time.time())


def target_of(world: World) -> Document:
    with world.store.read() as tx:
        (target,) = targets.every_target(tx, "us-east-1")
    return target


def look(world: World) -> int:
    """How many copies the component is to have after the target was looked at."""
    TargetWatch().step(world.home, target_of(world))
    world.turn()
    serve(world)
    return copies(world)[1]


def due(world: World, name: str, seconds_ago: float) -> None:
    """Let a scheduled action have become due some time ago."""
    target = target_of(world)
    actions = dict(target.body["_scheduled"])
    actions[name] = {**actions[name], "_next_at": time.time() - seconds_ago}
    with world.store.write() as tx:
        tx.update(replace(target, body={**target.body, "_scheduled": actions}))


def activities(client: Any) -> list[tuple[str, str, str]]:
    """Of every activity, the newest first: what, why and what became of it."""
    found = client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    return [(each["Description"], each["Cause"], each["StatusCode"]) for each in found]


@pytest.mark.parametrize(
    ("predefined", "metric", "statistic", "period"),
    [(PER_COPY, "InvocationsPerCopy", "Sum", 60), (CONCURRENT, "ConcurrentRequestsPerCopy", "Maximum", 10)],
)
def test_copies_follow_what_each_is_asked(
    client: Any, component: World, predefined: str, metric: str, statistic: str, period: int
) -> None:
    register(client)
    high, low = track(client, predefined)
    with component.store.read() as tx:
        alarm = tx.get(alarms.KIND, "us-east-1", high)
    assert alarm is not None
    assert (alarm.body["Statistic"], alarm.body["Period"]) == (statistic, period)
    assert alarm.body["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "ic"}]
    measure(component, metric, 25.0, period)
    trip(component, high)
    assert look(component) == 3
    assert instances(component) == 3, "each copy takes an instance whole"
    look(component)
    assert activities(client)[0] == (
        "Setting desired copy count to 3.",
        f"monitor alarm {high} in state ALARM triggered policy p",
        "Successful",
    )
    assert low.startswith("TargetTracking-inference-component/ic-AlarmLow-")


def test_a_component_nobody_asks_is_scaled_to_zero_and_its_instances_with_it(client: Any, component: World) -> None:
    register(client)
    _, low = track(client)
    metric = Metric("AWS/SageMaker", "InvocationsPerCopy", OF_COMPONENT)
    with component.store.read() as tx:
        minute = int(time.time()) // 60 * 60
        (said,) = tx.statistics("us-east-1", metric, Window(minute - 60, minute + 60, 120))
    assert said.values.sum == 0.0, "that nobody asked is measured too"
    measure(component, "InvocationsPerCopy", 0.0)
    trip(component, low)
    assert look(component) == 0
    assert (instances(component), copies(component)) == (0, (0, 0))


def test_a_component_without_copies_is_woken_by_a_step_policy(client: Any, component: World) -> None:
    register(client)
    scale(component, 0)
    component.turn(2)
    policy = client.put_scaling_policy(
        **TARGET,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": 60,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    alarm = {
        "AlarmName": "no-capacity",
        "AlarmActions": [policy["PolicyARN"]],
        "Namespace": "AWS/SageMaker",
        "MetricName": "NoCapacityInvocationFailures",
        "Dimensions": [{"Name": "InferenceComponentName", "Value": "ic"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
    with component.store.write() as tx:
        alarms.put(tx, context("PutMetricAlarm"), alarm, time.time())
    measure(component, "NoCapacityInvocationFailures", 1.0)
    trip(component, "no-capacity")
    assert look(component) == 1
    assert (instances(component), copies(component)) == (1, (1, 1))


def test_a_target_goes_with_its_component(client: Any, component: World) -> None:
    register(client)
    component.call("DeleteInferenceComponent", InferenceComponentName="ic")
    component.turn(3)
    TargetWatch().step(component.home, target_of(component))
    assert client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_a_scheduled_action_sets_bounds_and_brings_what_is_outside_of_them(client: Any, component: World) -> None:
    register(client)
    schedule(client, "morning", "cron(0 8 * * ? *)", Timezone="Europe/Paris")
    assert look(component) == 1, "it is not yet time"
    due(component, "morning", 30.0)
    assert look(component) == 2
    (target,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 3)
    look(component)
    assert activities(client) == [
        ("Setting desired copy count to 2.", "minimum capacity was set to 2", "Successful"),
        (
            "Setting min capacity to 2 and max capacity to 3",
            "scheduled action name morning was triggered",
            "Successful",
        ),
    ]
    assert target_of(component).body["_scheduled"]["morning"]["_next_at"] > time.time()


def test_actions_that_were_missed_run_once_each_the_latest_last(client: Any, component: World) -> None:
    register(client)
    schedule(client, "few", "rate(1 hour)", ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 1})
    schedule(client, "many", "rate(1 day)", ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 3})
    now = time.time()
    target = target_of(component)
    actions = {name: {**each, "CreationTime": now - 100_000.0} for name, each in target.body["_scheduled"].items()}
    with component.store.write() as tx:
        tx.update(replace(target, body={**target.body, "_scheduled": actions}))
    due(component, "few", 96_400.0)
    due(component, "many", 13_600.0)
    look(component)
    assert [cause for _, cause, _ in activities(client)[-2:]] == [
        "scheduled action name few was triggered",
        "scheduled action name many was triggered",
    ]
    assert copies(component)[1] == 1, "what ran last counts"


def test_a_suspended_schedule_passes(client: Any, component: World) -> None:
    register(client, SuspendedState={"ScheduledScalingSuspended": True})
    schedule(client, "s", "rate(1 hour)")
    due(component, "s", 10.0)
    assert look(component) == 1
    assert activities(client) == []
    assert target_of(component).body["_scheduled"]["s"]["_next_at"] > time.time()


def test_a_single_time_comes_once_and_a_repeated_one_ends(client: Any, component: World) -> None:
    register(client)
    schedule(client, "once", "at(2099-01-01T00:00:00)")
    due(component, "once", 1.0)
    look(component)
    assert target_of(component).body["_scheduled"]["once"]["_next_at"] is not None, "its own time is still to come"
    ended = datetime.fromtimestamp(time.time() - 60, UTC)
    schedule(client, "over", "rate(1 minute)", StartTime=datetime(2020, 1, 1, tzinfo=UTC), EndTime=ended)
    assert target_of(component).body["_scheduled"]["over"]["_next_at"] is None


def test_bounds_that_contradict_each_other_when_their_time_comes_change_nothing(client: Any, component: World) -> None:
    register(client, 0, 1)
    schedule(client, "s", "rate(1 hour)", ScalableTargetAction={"MinCapacity": 2})
    due(component, "s", 1.0)
    assert look(component) == 1
    assert activities(client)[0][2] == "Failed"
    (target,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 1)


def test_scheduled_actions_are_described_replaced_and_deleted(client: Any) -> None:
    register(client)
    schedule(client, "a", "rate(1 hour)")
    schedule(client, "b", "cron(0 8 * * ? *)", Timezone="Asia/Tokyo")
    client.put_scheduled_action(**TARGET, ScheduledActionName="a", ScalableTargetAction={"MaxCapacity": 1})
    first = client.describe_scheduled_actions(ServiceNamespace="sagemaker", MaxResults=1)
    second = client.describe_scheduled_actions(ServiceNamespace="sagemaker", NextToken=first["NextToken"])
    (a,), (b,) = first["ScheduledActions"], second["ScheduledActions"]
    assert (a["ScheduledActionName"], a["Schedule"]) == ("a", "rate(1 hour)")
    assert a["ScalableTargetAction"] == {"MaxCapacity": 1}
    assert a["ScheduledActionARN"].endswith("resource/sagemaker/inference-component/ic:scheduledActionName/a")
    assert (b["Timezone"], b["ResourceId"]) == ("Asia/Tokyo", "inference-component/ic")
    client.delete_scheduled_action(**TARGET, ScheduledActionName="a")
    found = client.describe_scheduled_actions(ServiceNamespace="sagemaker", ScheduledActionNames=["a", "b"])
    assert [each["ScheduledActionName"] for each in found["ScheduledActions"]] == ["b"]
    with pytest.raises(client.exceptions.ObjectNotFoundException, match="scheduled action name: a"):
        client.delete_scheduled_action(**TARGET, ScheduledActionName="a")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Schedule": "daily"}, "Invalid schedule expression daily"),
        ({"Timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"ScalableTargetAction": {}}, "must have a MinCapacity"),
        ({"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "Maximum capacity cannot be less"),
        ({"StartTime": datetime(2030, 1, 1), "EndTime": datetime(2029, 1, 1)}, "EndTime must be later"),
    ],
    ids=["schedule", "zone", "nothing", "bounds", "times"],
)
def test_a_scheduled_action_that_makes_no_sense_is_refused(client: Any, changes: dict[str, Any], said: str) -> None:
    register(client)
    with pytest.raises(client.exceptions.ValidationException, match=said):
        schedule(client, "s", **{"expression": changes.pop("Schedule", "rate(1 hour)"), **changes})
    assert client.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"] == []


def test_a_scheduled_action_needs_a_target(client: Any) -> None:
    with pytest.raises(client.exceptions.ObjectNotFoundException, match="No scalable target registered"):
        schedule(client, "s", "rate(1 hour)")


@pytest.mark.parametrize(
    ("resource", "metric", "said"),
    [
        ("inference-component/nobody", PER_COPY, "There is no SageMaker inference component"),
        ("inference-component/ic", "SageMakerVariantInvocationsPerInstance", "is not one of sagemaker:inference"),
    ],
)
def test_a_component_that_is_not_there_and_a_metric_that_it_has_not_are_refused(
    client: Any, resource: str, metric: str, said: str
) -> None:
    def ask() -> None:
        register(client, ResourceId=resource)
        track(client, metric)

    with pytest.raises(client.exceptions.ValidationException, match=said):
        ask()


def test_a_policy_and_a_hand_that_want_different_counts_take_turns_and_break_nothing(
    client: Any, component: World
) -> None:
    register(client, 1, 3)
    high, _ = track(client)
    trip(component, high)
    for _ in range(3):
        # Of the period that is just over, which may be another one than at the last look.
        measure(component, "InvocationsPerCopy", 30.0)
        assert look(component) == 3
        scale(component, 1)
        serve(component)
        assert copies(component)[0] == 1
    measure(component, "InvocationsPerCopy", 30.0)
    TargetWatch().step(component.home, target_of(component))
    scaled = [each for each in activities(client) if each[0] == "Setting desired copy count to 3."]
    assert len(scaled) == 4
    assert {status for _, _, status in scaled[1:]} <= {"Successful", "Failed"}
    assert len(component.backend.present) <= 3 + 3 * 2, "what was taken away is being ended"


def test_what_routers_have_under_way_at_once_is_added_up_and_shared_among_copies(
    component: World, tmp_path: Any
) -> None:
    at = int(time.time()) - 60
    times = '{"total": 0, "least": 0, "most": 0, "samples": {}}'
    for router, concurrent in (("1-100", 5), ("2-200", 3)):
        counts = (
            f'{{"instances": 2, "invocations": 1, "errors_4xx": 0, "errors_5xx": 0, "model_errors": 0, '
            f'"no_capacity": 0, "concurrent": {concurrent}, "model": {times}, "overhead": {times}}}'
        )
        line = (
            f'{{"at": {at}, "region": "us-east-1", "endpoint": "Ep", "variant": "AllTraffic", "component": "ic", '
            f'"counts": {counts}}}\n'
        )
        (tmp_path / f"{router}-1.jsonl").write_text(line, encoding="utf-8")
    InvocationMetrics(component.store, tmp_path).take_in()

    def read(metric: str, dimensions: tuple[tuple[str, str], ...]) -> StatisticSet:
        with component.store.read() as tx:
            window = Window(at, at + 1, 1)
            (found,) = tx.statistics("us-east-1", Metric("AWS/SageMaker", metric, dimensions), window)
        return found.values

    assert read("ConcurrentRequestsPerCopy", OF_COMPONENT).maximum == 4.0
    assert read("InvocationsPerCopy", OF_COMPONENT).sum == 1.0
    assert read("Invocations", (("EndpointName", "Ep"), ("VariantName", "AllTraffic"))).sum == 2.0


def test_a_variant_is_scaled_by_a_schedule_too(client: Any, component: World) -> None:
    client.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=2)
    schedule(client, "s", "rate(1 hour)", **VARIANT, ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 4})
    due(component, "s", 1.0)
    TargetWatch().step(component.home, target_of(component))
    component.turn(2)
    document = component.stored("endpoint", "Ep")
    assert document.body["_fleet"]["variants"][0]["count"] in (1, 2), "instances without copies are given back"
    assert [cause for _, cause, _ in activities(client)][-1] == "scheduled action name s was triggered"
