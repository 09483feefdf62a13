"""Inference Recommender on a real platform: endpoints are made, loaded and gone, and what is reported is measured."""

import time
from typing import Any

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.rollouts import configuration

ENDED = ("COMPLETED", "FAILED", "STOPPED")
SLOW_MS = 20
SLOWER_MS = 60
"""Where a threshold is looked at: what a busy machine adds must be little beside it."""
SLEEPS = f"""
import time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    assert content_type == "text/csv", content_type
    time.sleep({SLOW_MS / 1000})
    return body, accept
"""
FAILS = "def model_fn(d): pass\ndef transform_fn(m, body, c, a): raise ValueError('cannot read ' + repr(body))\n"


@pytest.fixture(scope="module")
def payload(platform: Running) -> str:
    return jobs.upload(platform, "recommender/payload.tar.gz", jobs.archive({"row.csv": "1,2,3", ".hidden": "no"}))


def create(platform: Running, model: str, payload: str, types: list[str], **more: Any) -> str:
    name = jobs.name("recommend")
    inputs = {
        "ModelName": model,
        "ContainerConfig": {
            "PayloadConfig": {"SamplePayloadUrl": payload, "SupportedContentTypes": ["text/csv"]},
            **({"SupportedInstanceTypes": types} if types else {}),
        },
        **more.pop("InputConfig", {}),
    }
    platform.client("sagemaker").create_inference_recommendations_job(
        JobName=name, JobType=more.pop("JobType", "Default"), RoleArn=jobs.ROLE, InputConfig=inputs, **more
    )
    return name


def ended(platform: Running, name: str) -> dict[str, Any]:
    client = platform.client("sagemaker")
    while (found := client.describe_inference_recommendations_job(JobName=name))["Status"] not in ENDED:
        time.sleep(0.2)
    result: dict[str, Any] = found
    return result


def endpoints(platform: Running, prefix: str) -> list[str]:
    found = platform.client("sagemaker").list_endpoints(NameContains=prefix)["Endpoints"]
    return [each["EndpointName"] for each in found]


def test_a_default_job_finds_that_more_workers_answer_more(platform: Running, payload: str) -> None:
    model = configuration(platform, "sleeps", 1, SLEEPS)
    name = create(platform, model, payload, ["ml.c5.large"], InputConfig={"JobDurationInSeconds": 60})
    found = ended(platform, name)
    assert found["Status"] == "COMPLETED", found
    by_workers = {
        each["ModelConfiguration"]["EnvironmentParameters"][0]["Value"]: each
        for each in found["InferenceRecommendations"]
    }
    assert by_workers.keys() == {"1", "2"}
    one, two = (by_workers[each]["Metrics"] for each in ("1", "2"))
    assert two["MaxInvocations"] > 1.4 * one["MaxInvocations"]
    assert 0.5 < one["MaxInvocations"] / (60_000 / SLOW_MS) <= 1.05, "one after the other, so many fit into a minute"
    assert one["ModelLatency"] >= SLOW_MS
    assert one["CostPerHour"] == pytest.approx(0.102)
    assert one["CostPerInference"] == pytest.approx(0.102 / 60 / one["MaxInvocations"], rel=0.01)
    assert one["MemoryUtilization"] > 0
    assert one["ModelSetupTime"] >= 1
    best = found["InferenceRecommendations"][0]
    assert best["ModelConfiguration"]["EnvironmentParameters"][0]["Value"] == "2", "the cheapest inference is first"
    assert best["EndpointConfiguration"]["InstanceType"] == "ml.c5.large"
    assert best["RecommendationId"].startswith(f"{name}/")
    client = platform.client("sagemaker")
    steps = client.list_inference_recommendations_job_steps(JobName=name)["Steps"]
    assert [each["Status"] for each in steps] == ["COMPLETED", "COMPLETED"]
    assert steps[0]["InferenceBenchmark"]["Metrics"]["MaxInvocations"] == one["MaxInvocations"]
    assert endpoints(platform, name) == []
    lines = jobs.log_lines(platform, "/aws/sagemaker/InferenceRecommendationsJobs", f"{name}/execution")
    assert any("aws.amazon.com/sagemaker/pricing" in line for line in lines)


def test_an_advanced_job_of_a_package_ends_where_its_conditions_say(platform: Running, payload: str) -> None:
    client = platform.client("sagemaker")
    model = client.describe_model(
        ModelName=configuration(platform, "packaged", 1, SLEEPS.replace(str(SLOW_MS / 1000), str(SLOWER_MS / 1000)))
    )
    group = jobs.name("group")
    client.create_model_package_group(ModelPackageGroupName=group)
    container = {member: model["PrimaryContainer"][member] for member in ("Image", "ModelDataUrl", "Environment")}
    package = client.create_model_package(
        ModelPackageGroupName=group,
        SamplePayloadUrl=payload,
        InferenceSpecification={"Containers": [container], "SupportedContentTypes": ["text/csv"]},
    )["ModelPackageArn"]
    name = jobs.name("advanced")
    client.create_inference_recommendations_job(
        JobName=name,
        JobType="Advanced",
        RoleArn=jobs.ROLE,
        InputConfig={
            "ModelPackageVersionArn": package,
            "TrafficPattern": {
                "TrafficType": "STAIRS",
                "Stairs": {"DurationInSeconds": 40, "NumberOfSteps": 20, "UsersPerStep": 2},
            },
            "EndpointConfigurations": [{"InstanceType": "ml.m4.xlarge"}],
        },
        StoppingConditions={
            "MaxInvocations": 30_000,
            "ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 3 * SLOWER_MS}],
            "FlatInvocations": "Continue",
        },
    )
    found = ended(platform, name)
    assert found["Status"] == "COMPLETED", found
    (recommendation,) = found["InferenceRecommendations"]
    metrics = recommendation["Metrics"]
    assert SLOWER_MS <= metrics["ModelLatency"] <= 3 * SLOWER_MS
    assert "CostPerHour" not in metrics, "no price of this type is known"
    assert recommendation["EndpointConfiguration"]["InitialInstanceCount"] >= 10
    took = recommendation["InvocationEndTime"] - recommendation["InvocationStartTime"]
    assert took.total_seconds() < 30, "the latency was above the threshold long before the load was"
    assert endpoints(platform, name) == []


def test_a_serverless_endpoint_is_woken_measured_and_priced(platform: Running, payload: str) -> None:
    model = configuration(platform, "serverless", 1, SLEEPS)
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    name = create(
        platform,
        model,
        payload,
        [],
        JobType="Advanced",
        InputConfig={
            "EndpointConfigurations": [{"ServerlessConfig": serverless}],
            "TrafficPattern": {
                "TrafficType": "PHASES",
                "Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 0, "DurationInSeconds": 4}],
            },
        },
    )
    found = ended(platform, name)
    assert found["Status"] == "COMPLETED", found
    (recommendation,) = found["InferenceRecommendations"]
    assert recommendation["EndpointConfiguration"]["ServerlessConfig"] == serverless
    assert "InstanceType" not in recommendation["EndpointConfiguration"]
    metrics = recommendation["Metrics"]
    assert metrics["ModelSetupTime"] >= 1
    assert metrics["ModelLatency"] - 1 <= metrics["CostPerInference"] / 0.00004 * 1000 <= metrics["ModelLatency"]
    assert "CostPerHour" not in metrics
    assert endpoints(platform, name) == []


def test_a_model_that_takes_no_payload_fails_with_its_words(platform: Running, payload: str) -> None:
    model = configuration(platform, "fails", 1, FAILS)
    configurations = [{"InstanceType": "ml.m5.large"}]
    name = create(
        platform, model, payload, [], JobType="Advanced", InputConfig={"EndpointConfigurations": configurations}
    )
    found = ended(platform, name)
    assert found["Status"] == "FAILED"
    assert found["FailureReason"].startswith("ClientError: ")
    assert "cannot read '1,2,3'" in found["FailureReason"]
    assert endpoints(platform, name) == []


def test_a_stop_ends_the_load_and_its_endpoint(platform: Running, payload: str) -> None:
    client = platform.client("sagemaker")
    model = configuration(platform, "stopped", 1, SLEEPS)
    name = create(platform, model, payload, ["ml.m5.large"])

    def began() -> bool:
        steps = client.list_inference_recommendations_job_steps(JobName=name)["Steps"]
        return any("InvocationStartTime" in each["InferenceBenchmark"] for each in steps)

    while not began():
        time.sleep(0.1)
    client.stop_inference_recommendations_job(JobName=name)
    assert ended(platform, name)["Status"] == "STOPPED"
    statuses = {each["Status"] for each in client.list_inference_recommendations_job_steps(JobName=name)["Steps"]}
    assert statuses == {"STOPPED"}
    assert endpoints(platform, name) == []


def test_an_endpoint_that_is_there_is_loaded_and_stays(platform: Running, payload: str) -> None:
    client = platform.client("sagemaker")
    name = jobs.name("existing")
    client.create_endpoint(EndpointName=name, EndpointConfigName=configuration(platform, "existing", 1, SLEEPS))
    assert jobs.wait_endpoint(platform, name)["EndpointStatus"] == "InService"
    job = jobs.name("load")
    client.create_inference_recommendations_job(
        JobName=job,
        JobType="Advanced",
        RoleArn=jobs.ROLE,
        InputConfig={
            "Endpoints": [{"EndpointName": name}],
            "ContainerConfig": {"PayloadConfig": {"SamplePayloadUrl": payload, "SupportedContentTypes": ["text/csv"]}},
            "TrafficPattern": {
                "TrafficType": "PHASES",
                "Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 0, "DurationInSeconds": 4}],
            },
        },
    )
    found = ended(platform, job)
    assert found["Status"] == "COMPLETED", found
    (performance,) = found["EndpointPerformances"]
    assert performance["EndpointInfo"] == {"EndpointName": name}
    assert performance["Metrics"]["ModelLatency"] >= SLOW_MS
    assert endpoints(platform, name) == [name]
