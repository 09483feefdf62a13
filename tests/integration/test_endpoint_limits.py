"""What a model server may use, what becomes of one that takes more, and answers that come piece by piece."""

import json
import os
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

HANDLERS = """
import json, os

def model_fn(model_dir):
    return os.getpid()

def input_fn(body, content_type):
    return body

def eat():
    eaten = []
    while True:
        eaten.append(b"x" * (64 << 20))

def predict_fn(data, model):
    if data == "eat":
        eat()
    if data == "words":
        return (word for word in ["to", " be", " or"])
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    return json.dumps({"pid": model, "threads": [os.environ[name] for name in names]})

def output_fn(prediction, accept):
    return prediction
"""


@pytest.fixture(scope="module")
def limited(platform: Running) -> str:
    name = jobs.endpoint(platform, {"inference.py": HANDLERS}, InstanceType="ml.t2.medium")
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


def invoke(platform: Running, endpoint: str, body: str) -> Any:
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="text/csv")
    return json.loads(answer["Body"].read())


def counted(platform: Running, endpoint: str) -> float:
    """The invocations that its model failed, as far as they have come to CloudWatch."""
    points = platform.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="InvocationModelErrors",
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_numerical_libraries_take_as_many_threads_as_the_instance_has_cores(platform: Running, limited: str) -> None:
    cores = min(2, len(os.sched_getaffinity(0)))
    assert invoke(platform, limited, "?")["threads"] == [str(cores)] * 3


def test_what_a_handler_yields_comes_piece_by_piece_or_whole(platform: Running, limited: str) -> None:
    runtime = platform.client("sagemaker-runtime")
    asked = {"EndpointName": limited, "Body": "words", "ContentType": "text/csv"}
    streamed = runtime.invoke_endpoint_with_response_stream(**asked, Accept="text/plain")
    assert streamed["ContentType"].startswith("text/plain")
    assert b"".join(each["PayloadPart"]["Bytes"] for each in streamed["Body"]) == b"to be or"
    assert runtime.invoke_endpoint(**asked)["Body"].read() == b"to be or"


def test_a_model_server_that_eats_more_memory_than_its_instance_has_is_ended_and_comes_back(
    platform: Running, limited: str
) -> None:
    before = invoke(platform, limited, "?")["pid"]
    with pytest.raises(ClientError) as raised:
        invoke(platform, limited, "eat")
    assert raised.value.response["Error"]["Code"] == "ModelError"
    while True:
        try:
            after = invoke(platform, limited, "?")["pid"]
            break
        except ClientError:
            time.sleep(0.1)
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert platform.client("sagemaker").describe_endpoint(EndpointName=limited)["EndpointStatus"] == "InService"
    assert "used more than the 4.0 GiB that it has on ml.t2.medium" in (platform.data / "logs" / "api.log").read_text()
    while not counted(platform, limited):
        time.sleep(0.1)
