"""Copies for a shadow variant, and what is captured of production: neither delays or changes an answer."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.rollouts import ANSWERS_ITS_VERSION, configuration

REQUESTS = 12
BROKEN_AND_SLOW = ANSWERS_ITS_VERSION.replace("import os", "import os, time").replace(
    "    return model\n", "    time.sleep(1)\n    raise RuntimeError('asked in vain')\n"
)


@pytest.fixture(scope="module")
def endpoint(platform: Running) -> str:
    """Production answers `production`; the shadow takes a second and fails; all is captured."""
    client = platform.client("sagemaker")
    models = {
        "production": configuration(platform, "production", 1),
        "shadow": configuration(platform, "shadow", 1, BROKEN_AND_SLOW),
    }
    name = jobs.name("shadowed")
    variants = {
        each: [
            {
                "VariantName": each,
                "ModelName": model,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m4.xlarge",
                "InitialVariantWeight": 1.0,
            }
        ]
        for each, model in models.items()
    }
    client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=variants["production"],
        ShadowProductionVariants=variants["shadow"],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{jobs.BUCKET}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


@pytest.fixture(scope="module")
def answers(platform: Running, endpoint: str) -> list[Any]:
    runtime = platform.client("sagemaker-runtime")
    return [
        runtime.invoke_endpoint(
            EndpointName=endpoint, Body=f"{number},x".encode(), ContentType="text/csv", InferenceId=f"i-{number}"
        )
        for number in range(REQUESTS)
    ]


def test_a_shadow_that_fails_and_is_slow_is_not_noticed(platform: Running, endpoint: str, answers: list[Any]) -> None:
    assert {answer["InvokedProductionVariant"] for answer in answers} == {"production"}
    assert {answer["Body"].read() for answer in answers} == {b"production"}
    described = platform.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    assert [each["VariantName"] for each in described["ProductionVariants"]] == ["production"]
    (shadow,) = described["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["CurrentInstanceCount"]) == ("shadow", 1)


def test_the_shadow_gets_a_copy_of_every_request(platform: Running, endpoint: str, answers: list[Any]) -> None:
    def errors() -> int:
        try:
            lines = jobs.log_lines(platform, f"/aws/sagemaker/Endpoints/{endpoint}", "shadow/")
        except ClientError:  # no line has come yet
            return 0
        return sum("RuntimeError: asked in vain" in line for line in lines)

    while errors() < len(answers):
        time.sleep(0.2)
    assert errors() == len(answers)


def test_what_was_asked_and_answered_comes_to_s3(platform: Running, endpoint: str, answers: list[Any]) -> None:
    summary = platform.client("sagemaker").describe_endpoint(EndpointName=endpoint)["DataCaptureConfig"]
    assert (summary["EnableCapture"], summary["CaptureStatus"]) == (True, "Started")
    s3 = platform.client("s3")
    prefix = f"captured/{endpoint}/production/"

    def records() -> list[Any]:
        found = s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=prefix).get("Contents", [])
        bodies = [s3.get_object(Bucket=jobs.BUCKET, Key=each["Key"])["Body"].read() for each in found]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    while len(records()) < len(answers):
        time.sleep(0.5)
    found = {record["eventMetadata"]["inferenceId"]: record["captureData"] for record in records()}
    assert found.keys() == {f"i-{number}" for number in range(REQUESTS)}
    for number in range(REQUESTS):
        data = found[f"i-{number}"]
        assert (data["endpointInput"]["data"], data["endpointInput"]["encoding"]) == (f"{number},x", "CSV")
        assert data["endpointOutput"]["data"]
    (key, *_) = (each["Key"] for each in s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=prefix)["Contents"])
    assert len(key.removeprefix(prefix).split("/")) == 5, "year, month, day, hour, file"
