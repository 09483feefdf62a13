"""Endpoints whose instances hold inference components, on a real platform."""

import time
from typing import Any

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.rollouts import ANSWERS_ITS_VERSION


def model(platform: Running, version: str, script: str = ANSWERS_ITS_VERSION) -> str:
    """A model that answers its version."""
    called = jobs.name(f"m{version}")
    data = jobs.upload(platform, f"{called}/model.tar.gz", jobs.archive({"version": version}))
    source = jobs.upload(platform, f"{called}/sourcedir.tar.gz", jobs.archive({"inference.py": script}))
    container = {
        "Image": jobs.IMAGE,
        "ModelDataUrl": data,
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source},
    }
    platform.client("sagemaker").create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    return called


def endpoint(platform: Running, **changes: Any) -> str:
    """An endpoint in service that has room for components: 2 vCPUs and 8 GiB, unless its variant says otherwise."""
    client, called = platform.client("sagemaker"), jobs.name("hosts")
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, **changes}
    client.create_endpoint_config(EndpointConfigName=called, ExecutionRoleArn=jobs.ROLE, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    assert jobs.wait_endpoint(platform, called)["EndpointStatus"] == "InService"
    return called


def specification(model_name: str, cpus: float = 1.0) -> dict[str, Any]:
    requirements = {"NumberOfCpuCoresRequired": cpus, "MinMemoryRequiredInMb": 512}
    return {"ModelName": model_name, "ComputeResourceRequirements": requirements}


def component(platform: Running, endpoint_name: str, model_name: str, copies: int = 1, cpus: float = 1.0) -> str:
    """A component, once it is what becomes of it."""
    called = jobs.name("ic")
    platform.client("sagemaker").create_inference_component(
        InferenceComponentName=called,
        EndpointName=endpoint_name,
        VariantName="AllTraffic",
        Specification=specification(model_name, cpus),
        RuntimeConfig={"CopyCount": copies},
    )
    wait(platform, called)
    return called


def wait(platform: Running, called: str) -> dict[str, Any]:
    """A component's description once it is at rest."""
    client = platform.client("sagemaker")
    while True:
        described = client.describe_inference_component(InferenceComponentName=called)
        if described["InferenceComponentStatus"] not in ("Creating", "Updating"):
            return dict(described)
        time.sleep(0.05)


def delete(platform: Running, endpoint_name: str) -> None:
    """Delete an endpoint and, before it, its components."""
    client = platform.client("sagemaker")

    def present() -> list[dict[str, Any]]:
        found = client.list_inference_components(EndpointNameEquals=endpoint_name)["InferenceComponents"]
        return [dict(each) for each in found]

    for each in present():
        if each["InferenceComponentStatus"] != "Deleting":
            client.delete_inference_component(InferenceComponentName=each["InferenceComponentName"])
    while present():
        time.sleep(0.1)
    client.delete_endpoint(EndpointName=endpoint_name)
    client.delete_endpoint_config(EndpointConfigName=endpoint_name)


def ask(platform: Running, endpoint_name: str, component_name: str | None) -> str:
    """What a component answers."""
    named = {"InferenceComponentName": component_name} if component_name is not None else {}
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint_name, Body=b"x", ContentType="text/plain", **named)
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    return str(answer["Body"].read().decode())
