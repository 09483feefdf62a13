"""Models with several containers on a real platform: through all of them, or one of them by its name."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration import jobs, rollouts, serial
from tests.integration.conftest import Running


@pytest.fixture(scope="module")
def chain(platform: Running) -> Iterator[str]:
    """An endpoint of two containers, `container-1` and `container-2`."""
    called = serial.model(platform, [serial.container(platform, "a"), serial.container(platform, "b")])
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{jobs.BUCKET}/serial",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv", "text/x-b"]},
    }
    yield serial.in_service(platform, serial.endpoint(platform, called, DataCaptureConfig=capture))
    jobs.delete_endpoint(platform, called)


@pytest.fixture(scope="module")
def apart(platform: Running) -> Iterator[str]:
    """An endpoint of two containers that are invoked by their names."""
    containers = [serial.container(platform, each, ContainerHostname=f"the-{each}") for each in ("a", "b")]
    called = serial.model(platform, containers, InferenceExecutionConfig={"Mode": "Direct"})
    yield serial.in_service(platform, serial.endpoint(platform, called))
    jobs.delete_endpoint(platform, called)


def refusal(platform: Running, called: str, **members: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        serial.invoke(platform, called, "1", **members)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def test_each_container_gets_what_the_one_before_it_answered(platform: Running, chain: str) -> None:
    answer = platform.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=chain, Body=b"in", ContentType="text/csv", Accept="text/plain"
    )
    # What the client accepts is for the last one: the first one answers in its default.
    said = "in|aA got text/csv for application/json|bB got text/x-a; charset=utf-8 for text/plain"
    assert answer["Body"].read().decode() == said
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/x-b; charset=utf-8", "all")


@pytest.mark.parametrize(("word", "container"), [("a", "container-1"), ("b", "container-2")])
def test_a_model_error_names_the_container_that_failed(
    platform: Running, chain: str, word: str, container: str
) -> None:
    code, message = refusal_of(platform, chain, f"raise in {word}")
    assert code == "ModelError"
    assert message.startswith(f"Received server error (500) from {container} with message")


def test_more_than_a_request_may_have_is_not_handed_on(platform: Running, chain: str) -> None:
    code, message = refusal_of(platform, chain, "much from a")
    assert code == "ModelError"
    assert "the request payload from container-1 to container-2 is" in message
    assert "which has exceeded the maximum limit of 6 MB" in message


def refusal_of(platform: Running, called: str, body: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        serial.invoke(platform, called, body, ContentType="text/csv")
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def test_every_container_has_a_log_stream_of_its_own(platform: Running, chain: str) -> None:
    logs = platform.client("logs")
    group = f"/aws/sagemaker/Endpoints/{chain}"
    names = [each["logStreamName"] for each in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert [each.split("/")[0] for each in names] == ["all", "all"]
    assert sorted(each.split("/")[-1] for each in names) == ["container-1", "container-2"]
    for name, word in zip(sorted(names), "ab", strict=True):
        events = logs.get_log_events(logGroupName=group, logStreamName=name)["events"]
        assert f"loading {word}" in [each["message"] for each in events]


def test_the_images_of_all_containers_are_described(platform: Running, chain: str) -> None:
    (variant,) = platform.client("sagemaker").describe_endpoint(EndpointName=chain)["ProductionVariants"]
    assert [each["SpecifiedImage"] for each in variant["DeployedImages"]] == [jobs.IMAGE] * 2


def test_what_the_client_sent_and_what_the_last_container_answered_is_captured(platform: Running, chain: str) -> None:
    said = serial.invoke(platform, chain, "captured", ContentType="text/csv", InferenceId="captured-1")
    s3, prefix = platform.client("s3"), f"serial/{chain}/all/"

    def records() -> list[Any]:
        found = s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=prefix).get("Contents", [])
        bodies = [s3.get_object(Bucket=jobs.BUCKET, Key=each["Key"])["Body"].read() for each in found]
        lines = [json.loads(line) for body in bodies for line in body.splitlines()]
        return [each["captureData"] for each in lines if each["eventMetadata"].get("inferenceId") == "captured-1"]

    while not records():
        time.sleep(0.5)
    (data,) = records()
    assert (data["endpointInput"]["data"], data["endpointOutput"]["data"]) == ("captured", said)


def test_containers_are_timed_one_by_one(platform: Running, chain: str) -> None:
    serial.invoke(platform, chain, "in", ContentType="text/csv")
    variant = [{"Name": "EndpointName", "Value": chain}, {"Name": "VariantName", "Value": "all"}]
    assert counted(platform, "ModelLatency", variant) > 0
    for each in ("container-1", "container-2"):
        of = [*variant, {"Name": "ContainerName", "Value": each}]
        assert counted(platform, "ContainerLatency", of) > 0
        assert counted(platform, "Invocations", of, patient=False) == 0


def counted(platform: Running, metric: str, dimensions: list[dict[str, str]], *, patient: bool = True) -> float:
    """How many values a metric has; waits for some if it is patient."""
    while True:
        found = platform.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["SampleCount"],
        )
        count = sum(each["SampleCount"] for each in found["Datapoints"])
        if count or not patient:
            return float(count)
        time.sleep(0.2)


def test_a_named_container_alone_answers(platform: Running, apart: str) -> None:
    for word in "ab":
        said = serial.invoke(platform, apart, "in", ContentType="text/csv", TargetContainerHostname=f"the-{word}")
        assert said == f"in|{word}{word.upper()} got text/csv for application/json"
    of = [("EndpointName", apart), ("VariantName", "all"), ("ContainerName", "the-b")]
    assert counted(platform, "Invocations", [{"Name": name, "Value": value} for name, value in of]) == 1


def test_a_container_is_named_if_and_only_if_the_endpoint_wants_that(platform: Running, chain: str, apart: str) -> None:
    code, message = refusal(platform, apart)
    assert code == "ValidationError"
    assert "TargetContainerHostname must be specified" in message
    assert refusal(platform, apart, TargetContainerHostname="the-c") == (
        "ValidationError",
        f"Container the-c of variant all of endpoint {apart} not found.",
    )
    code, message = refusal(platform, chain, TargetContainerHostname="container-1")
    assert code == "ValidationError"
    assert "configured for direct invocation" in message


def test_a_container_that_does_not_start_fails_the_endpoint_and_is_named(platform: Running) -> None:
    broken = serial.container(platform, "b", "raise SystemExit('no model here')")
    called = serial.endpoint(platform, serial.model(platform, [serial.container(platform, "a"), broken]))
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith(
        "The container-2 container for production variant all did not pass the ping health check."
    )
    jobs.delete_endpoint(platform, called)


def processes(platform: Running, called: str, kind: str) -> list[int]:
    return [each["pid"] for each in platform.status()["processes"] if each["name"] == f"{kind}:{called}"]


def inner_agents(platform: Running, called: str) -> list[int]:
    """The node agents of an endpoint's containers, whose parents are those of its instances."""
    outer = processes(platform, called, "agent")
    return [each.pid for pid in outer for each in psutil.Process(pid).children() if "sagesmith.agent" in each.cmdline()]


@pytest.mark.parametrize("kind", ["model", "agent", "inner"])
def test_an_instance_is_replaced_when_one_of_its_processes_is_killed(platform: Running, kind: str) -> None:
    called = serial.model(platform, [serial.container(platform, "a"), serial.container(platform, "b")])
    serial.in_service(platform, serial.endpoint(platform, called))
    before = processes(platform, called, "model")
    assert len(before) == 2
    inner = inner_agents(platform, called)
    assert len(inner) == 2
    os.kill(inner[0] if kind == "inner" else processes(platform, called, kind)[-1], signal.SIGKILL)
    runtime = platform.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    while not set(processes(platform, called, "model")).isdisjoint(before) or not processes(platform, called, "model"):
        time.sleep(0.05)
    while True:
        try:
            answer = runtime.invoke_endpoint(EndpointName=called, Body=b"in", ContentType="text/csv")
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 424, error
            time.sleep(0.05)
        else:
            break
    assert answer["Body"].read().decode().startswith("in|aA got text/csv")
    deadline = time.monotonic() + 60
    while any(map(psutil.pid_exists, [*before, *inner])):
        assert time.monotonic() < deadline, "nothing of the former instance is left"
        time.sleep(0.05)
    jobs.delete_endpoint(platform, called)


def version(platform: Running, number: str, instances: int) -> str:
    """A configuration of two containers, whose answer ends with the version."""
    called = serial.model(platform, [serial.container(platform, "a"), serial.container(platform, f"b{number}")])
    client = platform.client("sagemaker")
    variant = {"VariantName": "all", "ModelName": called, "InitialInstanceCount": instances}
    client.create_endpoint_config(
        EndpointConfigName=called, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    return called


def test_a_pipeline_takes_over_from_another_without_a_failed_request(platform: Running) -> None:
    client, called = platform.client("sagemaker"), jobs.name("rolled")
    client.create_endpoint(EndpointName=called, EndpointConfigName=version(platform, "1", 1))
    serial.in_service(platform, called)
    with rollouts.load(platform, called) as load:
        client.update_endpoint(EndpointName=called, EndpointConfigName=version(platform, "2", 1))
        serial.in_service(platform, called)
        load.begin_anew()
        while not (taken := load.taken()):
            time.sleep(0.05)
    assert load.failed == []
    assert all("|b2B2 got text/x-a" in each for each in taken)
    client.delete_endpoint(EndpointName=called)


def test_a_container_that_is_killed_under_load_costs_no_more_than_refusals(platform: Running) -> None:
    client, called = platform.client("sagemaker"), jobs.name("killed")
    client.create_endpoint(EndpointName=called, EndpointConfigName=version(platform, "1", 2))
    serial.in_service(platform, called)
    before = processes(platform, called, "model")
    assert len(before) == 4
    with rollouts.load(platform, called) as load:
        os.kill(before[1], signal.SIGKILL)
        while len(set(processes(platform, called, "model")) - set(before)) < 2:
            time.sleep(0.1)
        load.taken()
        while not load.taken():
            time.sleep(0.05)
    # What the container had begun with is lost, and said so, and so is what the other one of its instance had when that
    # was ended: one request of each client. All else goes through the other instance.
    assert all("(ModelError)" in each and "container container-" in each for each in load.failed), load.failed[:5]
    assert len(load.failed) <= 4
    client.delete_endpoint(EndpointName=called)
