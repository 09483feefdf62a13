"""Models with several containers for tests on a real platform."""

from typing import Any

from tests.integration import jobs
from tests.integration.conftest import Running

# Adds what it was asked, and how, to what it was sent.
TELLS = """
import json, os, time
WORD = os.environ["WORD"]
def model_fn(model_dir):
    print("loading", WORD, flush=True)
    return open(os.path.join(model_dir, "weights")).read()
def input_fn(body, content_type):
    return body if isinstance(body, str) else body.decode(), content_type
def predict_fn(data, weights):
    text, content_type = data
    if f"raise in {WORD}" in text:
        raise RuntimeError("asked to raise")
    if f"much from {WORD}" in text:
        return "x" * 6_291_457
    return f"{text}|{WORD}{weights} got {content_type}"
def output_fn(text, accept):
    return f"{text} for {accept}", f"text/x-{WORD}"
"""


def container(platform: Running, word: str, script: str = TELLS, **changes: Any) -> dict[str, Any]:
    """An element of Containers.

    Args:
        word: what the script calls itself.
        changes: further members.
    """
    key = jobs.name("part")
    source = jobs.upload(platform, f"{key}/sourcedir.tar.gz", jobs.archive({"inference.py": script}))
    return {
        "Image": jobs.IMAGE,
        "ModelDataUrl": jobs.upload(platform, f"{key}/model.tar.gz", jobs.archive({"weights": word.upper()})),
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source, "WORD": word},
        **changes,
    }


def model(platform: Running, containers: list[dict[str, Any]], **changes: Any) -> str:
    """Create a model and return its name."""
    called = jobs.name("serial")
    platform.client("sagemaker").create_model(
        ModelName=called, ExecutionRoleArn=jobs.ROLE, Containers=containers, **changes
    )
    return called


def endpoint(platform: Running, model: str, instances: int = 1, **changes: Any) -> str:
    """Create a configuration and an endpoint of a model's name, which is returned; does not wait.

    Args:
        changes: further members of the configuration.
    """
    client = platform.client("sagemaker")
    variant = {"VariantName": "all", "ModelName": model, "InitialInstanceCount": instances}
    client.create_endpoint_config(
        EndpointConfigName=model, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}], **changes
    )
    client.create_endpoint(EndpointName=model, EndpointConfigName=model)
    return model


def in_service(platform: Running, called: str) -> str:
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return called


def invoke(platform: Running, called: str, body: str, **members: Any) -> str:
    runtime = platform.client("sagemaker-runtime")
    return str(runtime.invoke_endpoint(EndpointName=called, Body=body.encode(), **members)["Body"].read().decode())
