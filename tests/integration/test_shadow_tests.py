"""Shadow tests on a real endpoint under constant load: begun, changed, promoted, rolled back; no request fails."""

import datetime
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.rollouts import BROKEN, Load, configuration, load

ENDED = ("Completed", "Cancelled")


def variant(name: str, model: str, instances: int = 1) -> dict[str, Any]:
    sizes = {"InstanceType": "ml.m5.large", "InstanceCount": instances}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": sizes}
    return {"VariantName": name, "ModelName": model, "InfrastructureConfig": infrastructure}


def mode(sampling: int = 100) -> dict[str, Any]:
    shadow = {"ShadowModelVariantName": "shadow", "SamplingPercentage": sampling}
    return {"SourceModelVariantName": "AllTraffic", "ShadowModelVariants": [shadow]}


def described(platform: Running, name: str) -> dict[str, Any]:
    found: dict[str, Any] = platform.client("sagemaker").describe_inference_experiment(Name=name)
    return found


def settled(platform: Running, name: str, *statuses: str) -> dict[str, Any]:
    """The experiment once it is in one of these states."""
    while (found := described(platform, name))["Status"] not in statuses:
        assert found["Status"] not in ENDED, found
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def models(platform: Running) -> dict[str, str]:
    """Three models, each with an endpoint configuration of its name, by what they answer."""
    return {
        "first": configuration(platform, "first", 1),
        "second": configuration(platform, "second", 1),
        "broken": configuration(platform, "broken", 1, BROKEN),
    }


@pytest.fixture(scope="module")
def endpoint(platform: Running, models: dict[str, str]) -> str:
    """An endpoint that answers `first`."""
    name = jobs.name("tested")
    platform.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=models["first"])
    assert jobs.wait_endpoint(platform, name)["EndpointStatus"] == "InService"
    return name


@pytest.fixture
def asked(platform: Running, models: dict[str, str], endpoint: str) -> Iterator[Load]:
    """Requests without a pause, while a test runs; the endpoint answers `first` when it begins."""
    with load(platform, endpoint) as running:
        yield running
    assert running.failed == []


def experiment(platform: Running, endpoint: str, models: dict[str, str], shadow: str, **more: Any) -> str:
    name = jobs.name("shadowing")
    platform.client("sagemaker").create_inference_experiment(
        Name=name,
        Type="ShadowMode",
        RoleArn=jobs.ROLE,
        EndpointName=endpoint,
        ModelVariants=[variant("AllTraffic", models["first"]), variant("shadow", models[shadow])],
        ShadowModeConfig=mode(),
        **more,
    )
    return name


def variants_of(platform: Running, endpoint: str) -> tuple[list[str], list[str]]:
    """The models of an endpoint's production and of its shadow variants."""
    client = platform.client("sagemaker")
    config = client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    found = client.describe_endpoint_config(EndpointConfigName=config)
    production, shadow = found["ProductionVariants"], found.get("ShadowProductionVariants", [])
    return [each["ModelName"] for each in production], [each["ModelName"] for each in shadow]


def test_a_test_captures_both_variants_and_ends_by_its_schedule(
    platform: Running, endpoint: str, models: dict[str, str], asked: Load
) -> None:
    client = platform.client("sagemaker")
    storage = {"Destination": f"s3://{jobs.BUCKET}/shadowed/{endpoint}"}
    name = experiment(platform, endpoint, models, "second", DataStorageConfig=storage)
    running = settled(platform, name, "Running")
    assert running["EndpointMetadata"]["EndpointStatus"] == "InService"
    assert [each["Status"] for each in running["ModelVariants"]] == ["InService", "InService"]
    assert variants_of(platform, endpoint) == ([models["first"]], [models["second"]])
    s3 = platform.client("s3")
    for captured in ("AllTraffic", "shadow"):
        prefix = f"shadowed/{endpoint}/{endpoint}/{captured}/"
        while not s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=prefix).get("Contents"):
            time.sleep(0.2)
    client.update_inference_experiment(Name=name, ShadowModeConfig=mode(sampling=10), Description="a tenth")
    assert settled(platform, name, "Running")["ShadowModeConfig"] == mode(sampling=10)
    config = client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    (shadow,) = client.describe_endpoint_config(EndpointConfigName=config)["ShadowProductionVariants"]
    assert shadow["InitialVariantWeight"] == pytest.approx(0.1)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    client.update_inference_experiment(Name=name, Schedule={"EndTime": end})
    completed = settled(platform, name, "Completed")
    assert completed["CompletionTime"] >= end - datetime.timedelta(seconds=1)
    assert variants_of(platform, endpoint) == ([models["first"]], [])
    assert client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"] == models["first"]
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        client.describe_endpoint_config(EndpointConfigName=config)
    assert set(asked.taken()) == {"first"}


def test_a_shadow_that_does_not_start_cancels_its_test_and_changes_nothing(
    platform: Running, endpoint: str, models: dict[str, str], asked: Load
) -> None:
    name = experiment(platform, endpoint, models, "broken")
    cancelled = settled(platform, name, "Cancelled")
    assert "The experiment did not start." in cancelled["StatusReason"]
    assert "this version cannot be loaded" in cancelled["StatusReason"]
    assert variants_of(platform, endpoint) == ([models["first"]], [])
    assert set(asked.taken()) == {"first"}


def test_one_endpoint_has_one_test_at_a_time(platform: Running, endpoint: str, models: dict[str, str]) -> None:
    client = platform.client("sagemaker")
    now = datetime.datetime.now(datetime.UTC)
    later = {"StartTime": now + datetime.timedelta(days=1), "EndTime": now + datetime.timedelta(days=2)}
    first, second = (experiment(platform, endpoint, models, "second", Schedule=later) for _ in range(2))
    settled(platform, first, "Created")
    settled(platform, second, "Created")
    client.start_inference_experiment(Name=first)
    settled(platform, first, "Running")
    with pytest.raises(ClientError, match="is used by inference experiment") as refused:
        client.start_inference_experiment(Name=second)
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    client.delete_inference_experiment(Name=second)
    client.stop_inference_experiment(
        Name=first,
        ModelVariantActions={"AllTraffic": "Retain", "shadow": "Remove"},
        DesiredState="Cancelled",
        Reason="seen enough",
    )
    assert settled(platform, first, "Cancelled")["StatusReason"] == "seen enough"
    assert client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"] == models["first"]
    client.delete_inference_experiment(Name=first)
    with pytest.raises(ClientError, match="does not exist"):
        described(platform, first)


def test_a_promoted_shadow_answers_from_then_on(
    platform: Running, endpoint: str, models: dict[str, str], asked: Load
) -> None:
    client = platform.client("sagemaker")
    name = experiment(platform, endpoint, models, "second")
    settled(platform, name, "Running")
    client.stop_inference_experiment(
        Name=name,
        ModelVariantActions={"AllTraffic": "Remove", "shadow": "Promote"},
        DesiredModelVariants=[variant("shadow", models["second"])],
        DesiredState="Completed",
    )
    completed = settled(platform, name, "Completed")
    assert {each["VariantName"]: each["Status"] for each in completed["ModelVariants"]} == {
        "AllTraffic": "Deleted",
        "shadow": "InService",
    }
    assert variants_of(platform, endpoint) == ([models["second"]], [])
    asked.begin_anew()
    while not (answers := asked.taken()):
        time.sleep(0.1)
    assert set(answers) == {"second"}
