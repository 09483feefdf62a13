"""kill -9 while an inference recommendations job puts on its load, and while a shadow test changes its endpoint."""

import threading
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.conftest import World, eventually
from tests.integration import jobs

pytestmark = pytest.mark.timeout(180)
LOAD = {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": 9, "NumberOfSteps": 3, "UsersPerStep": 1}}


def model_of(world: World) -> str:
    """The model that the endpoint serves."""
    client = world.running.client("sagemaker")
    config = client.describe_endpoint(EndpointName=world.endpoint)["EndpointConfigName"]
    (variant,) = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return str(variant["ModelName"])


def load_test(world: World) -> str:
    payload = jobs.upload(world.running, "payload.tar.gz", jobs.archive({"row.csv": "1,2"}))
    name = jobs.name("recommend")
    world.running.client("sagemaker").create_inference_recommendations_job(
        JobName=name,
        JobType="Advanced",
        RoleArn=jobs.ROLE,
        InputConfig={
            "ModelName": model_of(world),
            "TrafficPattern": LOAD,
            "EndpointConfigurations": [{"InstanceType": "ml.m5.large"}],
            "ContainerConfig": {"PayloadConfig": {"SamplePayloadUrl": payload, "SupportedContentTypes": ["text/csv"]}},
        },
        StoppingConditions={"FlatInvocations": "Continue"},
    )
    return name


def job_of(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.running.client("sagemaker").describe_inference_recommendations_job(JobName=name)
    return found


def is_loading(world: World, name: str) -> bool:
    steps = world.running.client("sagemaker").list_inference_recommendations_job_steps(JobName=name)["Steps"]
    return any("InvocationStartTime" in each["InferenceBenchmark"] for each in steps)


@pytest.mark.parametrize("killed", ["api", "generator"])
def test_a_load_test_outlives_what_is_killed_and_leaves_nothing(world: World, killed: str) -> None:
    name = load_test(world)
    eventually(lambda: is_loading(world, name))
    world.kill("api" if killed == "api" else f"agent:{name}")
    eventually(lambda: job_of(world, name)["Status"] in ("COMPLETED", "FAILED"))
    found = job_of(world, name)
    assert found["Status"] == "COMPLETED", found
    (recommendation,) = found["InferenceRecommendations"]
    assert recommendation["Metrics"]["MaxInvocations"] > 0
    assert world.running.client("sagemaker").list_endpoints(NameContains=name)["Endpoints"] == []
    endpoint = recommendation["EndpointConfiguration"]["EndpointName"]
    eventually(lambda: not world.processes(f"agent:{name}", f"agent:{endpoint}", f"model:{endpoint}"))
    assert world.predict() == b"[42.0, 43.0]"


def test_a_shadow_test_outlives_the_api_at_its_beginning_and_its_end_and_drops_no_request(world: World) -> None:
    client = world.running.client("sagemaker")
    model, name = model_of(world), jobs.name("shadow")
    infrastructure = {
        "InfrastructureType": "RealTimeInference",
        "RealTimeInferenceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    (production,) = client.describe_endpoint(EndpointName=world.endpoint)["ProductionVariants"]
    variants = (production["VariantName"], "shadow")

    def status() -> str:
        return str(client.describe_inference_experiment(Name=name)["Status"])

    over, failed = threading.Event(), list[str]()
    asking = threading.Thread(target=_ask, args=(world, over, failed))
    asking.start()
    try:
        client.create_inference_experiment(
            Name=name,
            Type="ShadowMode",
            RoleArn=jobs.ROLE,
            EndpointName=world.endpoint,
            ModelVariants=[
                {"ModelName": model, "VariantName": each, "InfrastructureConfig": infrastructure} for each in variants
            ],
            ShadowModeConfig={
                "SourceModelVariantName": variants[0],
                "ShadowModelVariants": [{"ShadowModelVariantName": "shadow", "SamplingPercentage": 100}],
            },
        )
        eventually(lambda: world.endpoint_status() == "Updating")
        world.kill("api")
        eventually(lambda: status() == "Running")
        client.stop_inference_experiment(Name=name, ModelVariantActions={variants[0]: "Retain", "shadow": "Remove"})
        world.kill("api")
        eventually(lambda: status() == "Completed")
    finally:
        over.set()
        asking.join()
    assert failed == []
    assert model_of(world) == model
    assert not client.describe_endpoint(EndpointName=world.endpoint).get("ShadowProductionVariants")


def _ask(world: World, over: threading.Event, failed: list[str]) -> None:
    runtime = world.running.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    while not over.is_set():
        try:
            answer = runtime.invoke_endpoint(EndpointName=world.endpoint, Body=b"1,2\n", ContentType="text/csv")
            answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            failed.append(str(error))
