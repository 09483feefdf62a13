"""Images of one's own in a model with several containers, beside a script of the platform's."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.integration import serial
from tests.integration.conftest import Running
from tests.integration.own_images import made, no_containers, why_not
from tests.integration.test_transform import completed, put, start

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with made() as tag:
        yield tag


@pytest.fixture(scope="module")
def mixed(platform: Running, image: str) -> str:
    """A model whose first container runs what it is sent as a command, and whose second one tells what it got."""
    own = {"Image": image, "ContainerHostname": "own", "Environment": {"FLAVOUR": "sour"}}
    return serial.model(platform, [own, serial.container(platform, "b", ContainerHostname="script")])


def test_requests_go_through_a_container_and_a_script(platform: Running, mixed: str) -> None:
    called = serial.in_service(platform, serial.endpoint(platform, mixed))
    command = "printf '%s|' $(hostname) $FLAVOUR $SAGEMAKER_BIND_TO_PORT"
    said = serial.invoke(platform, called, command, ContentType="text/csv")
    assert said == "own|sour|8080||bB got text/csv for application/json"
    # Its program does not heed SIGTERM: what ends it at once is its first process' death.
    serving = {each["pid"] for each in platform.status()["processes"] if each["name"] == f"model:{called}"}
    assert len(serving) == 2
    platform.client("sagemaker").delete_endpoint(EndpointName=called)
    for pid in serving:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        while True:
            platform.client("sagemaker").describe_endpoint(EndpointName=called)
            time.sleep(0.1)


def test_data_of_a_transform_job_goes_through_a_container_and_a_script(
    platform: Running, mixed: str, image: str
) -> None:
    job = start(platform, mixed, put(platform, {"a": b"echo 1"}), SplitType="None", AssembleWith="None")
    assert completed(platform, job) == {"a.out": b"1|bB got text/csv for text/csv"}
    assert no_containers(image, ["transform"])
