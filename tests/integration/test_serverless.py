"""Serverless endpoints on a real platform: woken by requests, bounded, asleep when idle, and across restarts."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagesmith.slots import path_of, use
from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith, start

ONCE = Config(retries={"max_attempts": 0}, read_timeout=90)
HANDLERS = """
import os, time

def model_fn(model_dir):
    if os.path.exists(os.path.join(model_dir, "wait")):
        raise RuntimeError("this model cannot be loaded")
    return os.getpid()

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    if data == "eat":
        eaten = []
        while True:
            eaten.append(b"x" * (64 << 20))
    time.sleep(float(data))
    return "done"

def output_fn(prediction, accept):
    return prediction
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A platform whose serverless endpoints sleep after a second."""
    environ = {"SAGESMITH_SERVERLESS_IDLE_SECONDS": "1"}
    running = start(tmp_path_factory.mktemp("serverless") / "data", environ=environ)
    yield running
    ended = running.cli("down")
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def endpoint(quick: Running) -> str:
    name = jobs.endpoint(quick, {"inference.py": HANDLERS}, **jobs.serverless(MaxConcurrency=2))
    described = jobs.wait_endpoint(quick, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


def invoke(platform: Running, endpoint: str, body: str = "0") -> str:
    runtime = platform.client("sagemaker-runtime", config=ONCE)
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="text/csv")
    return str(answer["Body"].read().decode())


def outcome(platform: Running, endpoint: str, body: str) -> str:
    try:
        return invoke(platform, endpoint, body)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        return str(error.response["Error"]["Code"])


def processes(platform: Running, endpoint: str) -> list[dict[str, Any]]:
    names = (f"agent:{endpoint}", f"model:{endpoint}")
    return [each for each in platform.status()["processes"] if each["name"] in names]


def wait_asleep(platform: Running, endpoint: str) -> None:
    while processes(platform, endpoint):
        time.sleep(0.1)


def test_an_endpoint_in_service_has_no_process_until_it_is_asked_and_none_when_idle(
    quick: Running, endpoint: str
) -> None:
    wait_asleep(quick, endpoint)
    assert invoke(quick, endpoint) == "done"
    assert len(processes(quick, endpoint)) == 2
    wait_asleep(quick, endpoint)
    client = quick.client("sagemaker")
    assert client.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    assert invoke(quick, endpoint) == "done"


def test_requests_beyond_max_concurrency_are_throttled_over_all_routers(quick: Running, endpoint: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda _: outcome(quick, endpoint, "1"), range(6)))
    assert sorted(outcomes) == ["ThrottlingException"] * 4 + ["done"] * 2
    assert use(path_of(quick.data / "run" / "slots", "us-east-1", endpoint), 2).now == 0


def test_a_wake_is_not_lost_while_the_api_process_is_restarted(quick: Running, endpoint: str) -> None:
    wait_asleep(quick, endpoint)
    api = next(each["pid"] for each in quick.status()["processes"] if each["name"] == "api")
    os.kill(api, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(invoke, quick, endpoint)
        while not list((quick.data / "run" / "wakes").iterdir()):
            time.sleep(0.001)
        os.kill(api, signal.SIGKILL)
        assert waiting.result() == "done"


def test_a_model_that_takes_more_than_its_memory_is_ended_and_the_next_request_wakes_another(
    quick: Running, endpoint: str
) -> None:
    with pytest.raises(ClientError) as raised:
        invoke(quick, endpoint, "eat")
    assert raised.value.response["Error"]["Code"] == "ModelError"
    assert invoke(quick, endpoint) == "done"


def test_a_request_whose_model_does_not_load_any_more_says_why(quick: Running) -> None:
    name = jobs.endpoint(quick, {"inference.py": HANDLERS}, **jobs.serverless())
    assert jobs.wait_endpoint(quick, name)["EndpointStatus"] == "InService"
    jobs.upload(quick, f"{name}/model.tar.gz", jobs.archive({"wait": "1"}))
    with pytest.raises(ClientError) as raised:
        invoke(quick, name)
    error = raised.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert "this model cannot be loaded" in str(error["OriginalMessage"])
    jobs.upload(quick, f"{name}/model.tar.gz", jobs.archive({"weights": "1"}))
    assert invoke(quick, name) == "done"


def test_a_platform_that_is_stopped_leaves_no_process_of_it(tmp_path: Path) -> None:
    running = start(tmp_path / "data")
    name = jobs.endpoint(running, {"inference.py": HANDLERS}, **jobs.serverless())
    jobs.wait_endpoint(running, name)
    invoke(running, name)
    pids = [each["pid"] for each in running.status()["processes"]]
    assert sagesmith("down", "--data", str(running.data)).returncode == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_cold_starts_and_concurrency_are_metrics(quick: Running, endpoint: str) -> None:
    wait_asleep(quick, endpoint)
    invoke(quick, endpoint)
    cloudwatch = quick.client("cloudwatch")
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}]
    found: dict[str, float] = {}
    while found.keys() != {"ModelSetupTime", "OverheadLatency", "ServerlessConcurrentExecutionsUtilization"}:
        time.sleep(0.1)
        for name in ("ModelSetupTime", "OverheadLatency", "ServerlessConcurrentExecutionsUtilization"):
            points = cloudwatch.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName=name,
                Dimensions=dimensions,
                StartTime=0,
                EndTime=int(time.time()) + 60,
                Period=86_400 * 365,
                Statistics=["Maximum"],
            )["Datapoints"]
            if points:
                found[name] = max(each["Maximum"] for each in points)
    # Who waits for a model server waits for its setup, which the model has no part in.
    assert found["OverheadLatency"] >= found["ModelSetupTime"] > 10_000
    assert 0 < found["ServerlessConcurrentExecutionsUtilization"] <= 1
