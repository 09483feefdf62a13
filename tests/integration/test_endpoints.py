"""Endpoints, from CreateModel to the answer, and what a user does wrong."""

import io
import json
import os
import signal
import tarfile
import time
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

DOUBLE = """
import json, os

def model_fn(model_dir):
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


def test_a_body_over_the_limit_is_refused(platform: Running, doubling: str) -> None:
    with pytest.raises(ClientError) as raised:
        invoke(platform, doubling, b"[" + b" " * (7 << 20) + b"1]")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 413)
    assert json.loads(invoke(platform, doubling, b"[3]")) == [6.0]


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


def sparse_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("../../etc/x")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("script", "model", "reason"),
    [
        ("def model_fn(d):\n    raise KeyError('weights are gone')\n", None, "weights are gone"),
        (DOUBLE, b"this is no archive", "model.tar.gz"),
        (DOUBLE, sparse_archive(), "../../etc/x"),
        ("import no_such_module_anywhere\n", None, "no_such_module_anywhere"),
    ],
    ids=["model_fn raises", "no tar", "climbs out", "import fails"],
)
def test_a_model_that_cannot_be_loaded_fails_its_endpoint_with_the_reason(
    platform: Running, script: str, model: bytes | None, reason: str
) -> None:
    name = jobs.endpoint(platform, {"inference.py": script}, model)
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "Failed"
    assert reason in described["FailureReason"]
    with pytest.raises(ClientError):
        invoke(platform, name, b"[1]")
    jobs.delete_endpoint(platform, name)


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
