"""Multi-model endpoints with an image of one's own: the container's API for models, driven on a real platform."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.own_images import made, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

LABEL = "LABEL com.amazonaws.sagemaker.capabilities.multi-models=true"


def create(platform: Running, image: str, called: str) -> str:
    """An endpoint of the models below the prefix of its name, once it has settled; its status."""
    client = platform.client("sagemaker")
    container = {"Image": image, "Mode": "MultiModel", "ModelDataUrl": f"s3://{jobs.BUCKET}/{called}"}
    client.create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": called, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=called, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    described = jobs.wait_endpoint(platform, called)
    return str(described.get("FailureReason") or described["EndpointStatus"])


@pytest.fixture(scope="module")
def serving(platform: Running) -> Iterator[str]:
    called = jobs.name("many")
    with made(LABEL) as image:
        for weight in range(3):
            jobs.upload(platform, f"{called}/{weight}.tar.gz", jobs.archive({"weights": str(weight)}))
        jobs.upload(platform, f"{called}/broken.tar.gz", jobs.archive({"broken": ""}))
        assert create(platform, image, called) == "InService"
        yield called
        jobs.delete_endpoint(platform, called)


def ask(platform: Running, called: str, model: str, command: str) -> str:
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=called, TargetModel=model, Body=command.encode())
    return str(answer["Body"].read().decode())


def test_a_container_loads_what_it_is_asked_for_and_unloads_when_it_has_no_room(
    platform: Running, serving: str
) -> None:
    for weight in (0, 1, 2, 0, 2):
        # As SDK v2 names models below a prefix that ends with no slash.
        assert ask(platform, serving, f"/{weight}.tar.gz", "cat $MODEL/weights") == str(weight)
    assert ask(platform, serving, "0.tar.gz", "ls /tmp/loaded | wc -l") == "2"
    assert ask(platform, serving, "0.tar.gz", "ls /opt/ml/models | wc -l") == "2"


def test_what_a_container_cannot_load_is_a_model_error(platform: Running, serving: str) -> None:
    with pytest.raises(ClientError, match="broken model") as raised:
        ask(platform, serving, "broken.tar.gz", "echo")
    assert raised.value.response["Error"]["Code"] == "ModelError"
    assert raised.value.response["OriginalStatusCode"] == 500


def test_a_model_of_a_container_that_is_not_there_is_a_validation_error(platform: Running, serving: str) -> None:
    with pytest.raises(ClientError, match="Failed to download model data") as raised:
        ask(platform, serving, "nothing.tar.gz", "echo")
    assert raised.value.response["Error"]["Code"] == "ValidationError"


def test_an_image_that_does_not_say_that_it_has_the_api_fails_its_endpoint(platform: Running) -> None:
    called = jobs.name("one")
    with made() as image:
        said = create(platform, image, called)
        jobs.delete_endpoint(platform, called)
    assert "does not contain the required Docker label com.amazonaws.sagemaker.capabilities.multi-models=true" in said
