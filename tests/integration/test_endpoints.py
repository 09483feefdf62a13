"""Endpoints, from CreateModel to the answer, and what a user does wrong."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

DOUBLE = """
import json, os

def model_fn(model_dir):
    print("loading")
    return float(open(os.path.join(model_dir, "weights")).read())

def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError("unsupported content type " + content_type)
    return json.loads(body)

def predict_fn(data, model):
    if data == "raise":
        raise RuntimeError("asked to raise")
    return [2 * model * each for each in data]

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


SAVES_AT_ITS_END = (
    DOUBLE
    + """
import atexit, signal

signal.signal(signal.SIGTERM, lambda *_: print("asked to end", flush=True))
atexit.register(print, "saved what it knew", flush=True)
"""
)


def invoke(platform: Running, name: str, body: bytes, content_type: str = "application/json") -> bytes:
    runtime = platform.client("sagemaker-runtime")
    return runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type)["Body"].read()


@pytest.fixture(scope="module")
def doubling(platform: Running) -> str:
    name = jobs.endpoint(platform, {"inference.py": DOUBLE})
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


def test_an_endpoint_answers_with_its_handlers(platform: Running, doubling: str) -> None:
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=doubling, Body=b"[1, 2.5]", ContentType="application/json")
    assert json.loads(answer["Body"].read()) == [2.0, 5.0]
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ContentType"] == "application/json"


def test_an_error_of_the_model_is_a_model_error(platform: Running, doubling: str) -> None:
    with pytest.raises(ClientError) as raised:
        invoke(platform, doubling, b'"raise"')
    assert raised.value.response["Error"]["Code"] == "ModelError"
    assert raised.value.response["OriginalStatusCode"] == 500
    assert "/aws/sagemaker/Endpoints/" in raised.value.response["LogStreamArn"].replace("%2F", "/")


def test_predictions_are_counted_and_timed_in_cloudwatch(platform: Running) -> None:
    name = jobs.endpoint(platform, {"inference.py": DOUBLE})
    jobs.wait_endpoint(platform, name)
    cloudwatch = platform.client("cloudwatch")
    dimensions = [{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"}]

    def total(metric: str) -> float:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    for _ in range(5):
        invoke(platform, name, b"[1]")
    with pytest.raises(ClientError):
        invoke(platform, name, b'"raise"')
    while total("Invocations") < 6:
        time.sleep(0.1)
    assert (total("Invocations"), total("InvocationModelErrors")) == (6, 1)
    assert total("ModelLatency") > 0
    assert total("OverheadLatency") > 0
    jobs.delete_endpoint(platform, name)


def test_an_endpoint_that_is_not_there_is_named(platform: Running) -> None:
    with pytest.raises(ClientError, match=r"Endpoint nobody of account 123456789012 not found") as raised:
        invoke(platform, "nobody", b"[1]")
    assert raised.value.response["Error"]["Code"] == "ValidationError"


def test_what_is_used_by_an_endpoint_and_what_is_deleted(platform: Running) -> None:
    name = jobs.endpoint(platform, {"inference.py": DOUBLE})
    jobs.wait_endpoint(platform, name)
    jobs.delete_endpoint(platform, name)
    client = platform.client("sagemaker")
    for describe in (
        lambda: client.describe_endpoint(EndpointName=name),
        lambda: client.describe_endpoint_config(EndpointConfigName=name),
        lambda: client.describe_model(ModelName=name),
    ):
        with pytest.raises(ClientError, match="Could not find") as raised:
            describe()
        assert raised.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="not found"):
        invoke(platform, name, b"[1]")
    assert not [each for each in platform.status()["processes"] if name in each["name"]]


def test_a_deleted_endpoint_lets_its_handlers_shut_down(platform: Running) -> None:
    name = jobs.endpoint(platform, {"inference.py": SAVES_AT_ITS_END})
    assert jobs.wait_endpoint(platform, name)["EndpointStatus"] == "InService"
    assert json.loads(invoke(platform, name, b"[1]")) == [2.0]
    jobs.delete_endpoint(platform, name)
    lines = jobs.log_lines(platform, f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")
    assert lines[-2:] == ["asked to end", "saved what it knew"]


def test_a_killed_model_server_comes_back(platform: Running, doubling: str) -> None:
    old = [each["pid"] for each in platform.status()["processes"] if each["name"] == f"model:{doubling}"]
    assert old
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    while True:
        try:
            assert json.loads(invoke(platform, doubling, b"[4]")) == [8.0]
        except ClientError:
            time.sleep(0.1)
            continue
        new = [each["pid"] for each in platform.status()["processes"] if each["name"] == f"model:{doubling}"]
        if new and not set(new) & set(old):
            break
    assert platform.client("sagemaker").describe_endpoint(EndpointName=doubling)["EndpointStatus"] == "InService"


def test_endpoints_come_back_after_down_and_up(new_platform: Callable[..., Running]) -> None:
    running = new_platform()
    name = jobs.endpoint(running, {"inference.py": DOUBLE})
    assert jobs.wait_endpoint(running, name)["EndpointStatus"] == "InService"
    running.cli("down")
    again = new_platform(data=running.data)
    while True:
        try:
            assert json.loads(invoke(again, name, b"[1]")) == [2.0]
            break
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 600
            time.sleep(0.1)


def test_an_endpoint_lives_in_its_region_alone(platform: Running, doubling: str) -> None:
    name = jobs.endpoint(platform, {"inference.py": DOUBLE}, jobs.archive({"weights": "10"}), region="eu-west-1")
    described = jobs.wait_endpoint(platform, name, "eu-west-1")
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    assert described["EndpointArn"] == f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{name}"
    there = platform.client("sagemaker-runtime", region_name="eu-west-1")
    answer = there.invoke_endpoint(EndpointName=name, Body=b"[1]", ContentType="application/json")
    assert json.loads(answer["Body"].read()) == [20.0]
    with pytest.raises(ClientError, match=f"Endpoint {doubling} of account 123456789012 not found"):
        there.invoke_endpoint(EndpointName=doubling, Body=b"[1]", ContentType="application/json")
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        invoke(platform, name, b"[1]")
    group = f"/aws/sagemaker/Endpoints/{name}"
    assert "loading" in jobs.log_lines(platform, group, "AllTraffic/", "eu-west-1")
    assert not platform.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    jobs.delete_endpoint(platform, name, "eu-west-1")


def test_a_model_server_gets_new_credentials_without_a_dropped_request(
    new_platform: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGESMITH_ENDPOINT_CREDENTIALS_SECONDS", "7")
    running = new_platform()
    name = jobs.endpoint(running, {"inference.py": DOUBLE})
    assert jobs.wait_endpoint(running, name)["EndpointStatus"] == "InService"

    def servers() -> set[int]:
        return {each["pid"] for each in running.status()["processes"] if each["name"] == f"model:{name}"}

    def routed() -> list[str]:
        routes = json.loads((running.data / "run" / "routes.json").read_text())
        return routes["us-east-1"][name]["variants"][0]["addresses"]

    first, address = servers(), routed()
    runtime = running.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    while routed() == address:
        answer = runtime.invoke_endpoint(EndpointName=name, Body=b"[1]", ContentType="application/json")
        assert json.loads(answer["Body"].read()) == [2.0]
    assert servers() > first
    assert json.loads(invoke(running, name, b"[1]")) == [2.0]
