"""Inference components: models that share an endpoint's instances, as boto3 makes and asks them."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from tests.integration import components, jobs
from tests.integration.components import ask
from tests.integration.conftest import Running
from tests.integration.rollouts import load

COUNTS = """
def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    for number in range(3):
        yield f"{number} "
"""


@pytest.fixture(scope="module")
def endpoint(platform: Running) -> Iterator[str]:
    called = components.endpoint(platform)
    yield called
    components.delete(platform, called)


def servers(platform: Running, component: str) -> list[int]:
    return [each["pid"] for each in platform.status()["processes"] if each["name"] == f"model:{component}"]


def measured(platform: Running, component: str, metric: str, statistic: str) -> float:
    """A metric of a component, 0 if there is none yet."""
    points = platform.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "InferenceComponentName", "Value": component}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return max((float(point[statistic]) for point in points), default=0.0)


def test_models_on_one_endpoint_answer_by_the_component_that_is_named(platform: Running, endpoint: str) -> None:
    one = components.component(platform, endpoint, components.model(platform, "1"), cpus=0.5)
    two = components.component(platform, endpoint, components.model(platform, "2"), cpus=0.5)
    assert [ask(platform, endpoint, each) for each in (one, two, one)] == ["1", "2", "1"]
    assert (len(servers(platform, one)), len(servers(platform, two))) == (1, 1)
    with pytest.raises(ClientError, match="Inference Component Name header is required"):
        ask(platform, endpoint, None)
    with pytest.raises(ClientError, match="Inference Component nobody of account 123456789012 not found"):
        ask(platform, endpoint, "nobody")
    client = platform.client("sagemaker")
    with pytest.raises(ClientError, match="it hosts inference components"):
        client.delete_endpoint(EndpointName=endpoint)
    while measured(platform, one, "InvocationsPerCopy", "Sum") < 2:
        time.sleep(0.1)
    assert measured(platform, one, "ModelLatency", "Maximum") > 0
    while measured(platform, one, "ConcurrentRequestsPerCopy", "Maximum") < 1:
        time.sleep(0.1)
    for each in (one, two):
        client.delete_inference_component(InferenceComponentName=each)


def test_a_component_streams_its_answer(platform: Running, endpoint: str) -> None:
    called = components.component(platform, endpoint, components.model(platform, "s", COUNTS), cpus=0.5)
    stream = platform.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=endpoint, InferenceComponentName=called, Body=b"x", ContentType="text/plain"
    )
    assert b"".join(event["PayloadPart"]["Bytes"] for event in stream["Body"]) == b"0 1 2 "
    platform.client("sagemaker").delete_inference_component(InferenceComponentName=called)


def test_an_endpoint_of_models_takes_no_name_of_a_component(platform: Running) -> None:
    called = jobs.endpoint(platform, {"inference.py": COUNTS})
    jobs.wait_endpoint(platform, called)
    with pytest.raises(ClientError, match="Inference Component Name header is not allowed"):
        ask(platform, called, "any")
    jobs.delete_endpoint(platform, called)


def test_a_killed_copy_is_replaced(platform: Running, endpoint: str) -> None:
    called = components.component(platform, endpoint, components.model(platform, "1"), cpus=0.5)
    (first,) = servers(platform, called)
    os.kill(first, signal.SIGKILL)
    while servers(platform, called) in ([], [first]):
        time.sleep(0.1)
    while components.wait(platform, called)["RuntimeConfig"]["CurrentCopyCount"] == 0:
        time.sleep(0.1)
    assert ask(platform, endpoint, called) == "1"
    platform.client("sagemaker").delete_inference_component(InferenceComponentName=called)


def test_a_component_that_has_no_room_fails_and_one_without_copies_has_no_capacity(
    platform: Running, endpoint: str
) -> None:
    large = components.component(platform, endpoint, components.model(platform, "1"), cpus=64)
    described = components.wait(platform, large)
    assert described["InferenceComponentStatus"] == "Failed"
    assert "not enough hardware resources" in described["FailureReason"]
    called = components.component(platform, endpoint, components.model(platform, "1"), cpus=0.5)
    client = platform.client("sagemaker")
    client.update_inference_component_runtime_config(
        InferenceComponentName=called, DesiredRuntimeConfig={"CopyCount": 0}
    )
    assert components.wait(platform, called)["RuntimeConfig"]["CurrentCopyCount"] == 0
    with pytest.raises(ClientError, match="Inference Component has no capacity to process this request") as raised:
        ask(platform, endpoint, called)
    assert raised.value.response["Error"]["Code"] == "ValidationError"
    while measured(platform, called, "NoCapacityInvocationFailures", "Sum") < 1:
        time.sleep(0.1)
    for each in (large, called):
        client.delete_inference_component(InferenceComponentName=each)


@pytest.mark.parametrize("deployment", ["all at once", "rolling"])
def test_a_component_goes_from_one_model_to_the_next_without_a_failed_request(
    platform: Running, deployment: str
) -> None:
    endpoint = components.endpoint(platform, InstanceType="ml.m5.xlarge")
    called = components.component(platform, endpoint, components.model(platform, "1"), copies=2)
    batch = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
    with load(platform, endpoint, clients=2, component=called) as requests:
        platform.client("sagemaker").update_inference_component(
            InferenceComponentName=called,
            Specification=components.specification(components.model(platform, "2")),
            **({"DeploymentConfig": {"RollingUpdatePolicy": batch}} if deployment == "rolling" else {}),
        )
        described = components.wait(platform, called)
        assert described["InferenceComponentStatus"] == "InService"
        assert "FailureReason" not in described
        requests.begin_anew()
        while not (later := requests.taken()):
            time.sleep(0.05)
    assert requests.failed == []
    assert set(later) == {"2"}
    components.delete(platform, endpoint)


def test_a_component_is_scaled_by_a_schedule_to_zero_and_woken_by_who_asks(platform: Running) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    endpoint = components.endpoint(platform, ManagedInstanceScaling=scaling)
    called = components.component(platform, endpoint, components.model(platform, "1"), cpus=2.0)
    client = platform.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{called}",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }

    def instances() -> int:
        described = platform.client("sagemaker").describe_endpoint(EndpointName=endpoint)
        return int(described["ProductionVariants"][0]["CurrentInstanceCount"])

    client.register_scalable_target(**target, MinCapacity=0, MaxCapacity=2)
    soon = datetime.fromtimestamp(time.time() + 2, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    client.put_scheduled_action(
        **target,
        ScheduledActionName="night",
        Schedule=f"at({soon})",
        ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 0},
    )
    while components.wait(platform, called)["RuntimeConfig"]["CurrentCopyCount"] or instances():
        time.sleep(0.1)
    policy = client.put_scaling_policy(
        **target,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    client.register_scalable_target(**target, MaxCapacity=2)
    platform.client("cloudwatch").put_metric_alarm(
        AlarmName=called,
        AlarmActions=[policy["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": called}],
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    while True:
        try:
            answer = ask(platform, endpoint, called)
        except ClientError as error:
            assert "has no capacity" in str(error)
            time.sleep(0.2)
        else:
            break
    assert answer == "1"
    assert instances() == 1
    activities = client.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])
    causes = [each["Cause"] for each in activities["ScalingActivities"]]
    assert causes[-2:] == ["maximum capacity was set to 0", "scheduled action name night was triggered"]
    assert causes[0] == f"monitor alarm {called} in state ALARM triggered policy wake"
    components.delete(platform, endpoint)
