"""Endpoints with images of one's own, in the container engine of this machine, on a real platform."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.own_images import made, no_containers, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with made() as tag:
        yield tag


def create(platform: Running, image: str, variant: dict[str, Any] | None = None, **changes: Any) -> str:
    """Create model, configuration and endpoint of one name; does not wait.

    Args:
        variant: further members of the production variant.
        changes: further members of the model's container, or `EnableNetworkIsolation`.
    """
    client, called = platform.client("sagemaker"), jobs.name("own")
    isolated = changes.pop("EnableNetworkIsolation", False)
    container = {"Image": image, **changes}
    client.create_model(
        ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container, EnableNetworkIsolation=isolated
    )
    members = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large", **(variant or {})}
    client.create_endpoint_config(
        EndpointConfigName=called, ProductionVariants=[{"VariantName": "all", "ModelName": called, **members}]
    )
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    return called


def in_service(platform: Running, called: str) -> str:
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return called


@pytest.fixture(scope="module")
def serving(platform: Running, image: str) -> Iterator[str]:
    """An endpoint whose containers are not harmed."""
    data = jobs.upload(platform, f"{jobs.name('model')}/model.tar.gz", jobs.archive({"weights": "17"}))
    called = create(platform, image, ModelDataUrl=data, Environment={"FLAVOUR": "sour 'n' \"sweet\""})
    yield in_service(platform, called)
    jobs.delete_endpoint(platform, called)


def invoke(platform: Running, called: str, command: str, **members: Any) -> str:
    """What a shell command prints within the container that answers."""
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=called, Body=command.encode(), **members)
    return str(answer["Body"].read().decode())


def invoke_when_it_answers(platform: Running, called: str, command: str) -> str:
    """The same, once the endpoint is back; meanwhile its errors are AWS's."""
    while True:
        try:
            return invoke(platform, called, command)
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("ModelError", "ServiceUnavailable")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def ill(platform: Running, image: str) -> str:
    """An endpoint whose container answers no more pings; what becomes of it takes a while."""
    called = in_service(platform, create(platform, image))
    assert invoke(platform, called, "touch /tmp/ill; ls /tmp") == "ill"
    return called


@pytest.mark.usefixtures("ill")
def test_a_container_is_run_with_serve_and_answers_with_its_model(platform: Running, serving: str) -> None:
    assert invoke(platform, serving, "cat /opt/ml/model/weights") == "17"
    assert invoke(platform, serving, 'echo "$FLAVOUR"') == "sour 'n' \"sweet\""
    assert "read-only" in invoke(platform, serving, "touch /opt/ml/model/weights 2>&1; true").lower()
    lines = jobs.log_lines(platform, f"/aws/sagemaker/Endpoints/{serving}", "all/")
    assert lines[:1] == ["run with "]


def test_a_container_sees_the_headers_of_the_request_and_the_client_those_of_the_answer(
    platform: Running, serving: str
) -> None:
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(
        EndpointName=serving, Body=b'echo "$type"', ContentType="text/x-rows", CustomAttributes="trace=7"
    )
    assert answer["Body"].read() == b"text/x-rows"
    assert answer["ContentType"] == "text/x-rows"
    assert answer["CustomAttributes"] == "trace=7"
    assert answer["InvokedProductionVariant"] == "all"


def test_requests_of_a_client_keep_one_connection_to_the_container(platform: Running, serving: str) -> None:
    # `answer` runs once a connection, so that its pid tells connections apart.
    pids = {invoke(platform, serving, "echo $$") for _ in range(20)}
    routers = len([each for each in platform.status()["processes"] if each["name"] == "router"])
    assert len(pids) <= routers


def test_an_error_of_the_container_is_a_model_error(platform: Running, serving: str) -> None:
    with pytest.raises(ClientError) as raised:
        invoke(platform, serving, "echo no such row; false")
    assert raised.value.response["Error"]["Code"] == "ModelError"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert raised.value.response["OriginalStatusCode"] == 500
    assert raised.value.response["OriginalMessage"] == "no such row"
    assert f"/aws/sagemaker/Endpoints/{serving}" in raised.value.response["LogStreamArn"]


def process(platform: Running, name: str) -> int:
    """The pid of a process; one that has just been replaced may be there for a moment beside its successor."""
    while len(found := [each["pid"] for each in platform.status()["processes"] if each["name"] == name]) != 1:
        time.sleep(0.1)
    return int(found[0])


def instances(platform: Running, called: str) -> list[str]:
    """What the names of an endpoint's containers have within, as the streams of its log have."""
    found = platform.client("logs").describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{called}")
    return [each["logStreamName"].rpartition("/i-")[2] for each in found["logStreams"]]


def test_an_isolated_container_with_files_of_a_prefix_answers_and_reaches_nobody(platform: Running, image: str) -> None:
    prefix = jobs.upload(platform, f"{jobs.name('model')}/part/weights", b"18").rpartition("part/")[0]
    source = {"S3DataSource": {"S3Uri": prefix, "S3DataType": "S3Prefix", "CompressionType": "None"}}
    called = in_service(platform, create(platform, image, ModelDataSource=source, EnableNetworkIsolation=True))
    assert invoke(platform, called, "cat /opt/ml/model/part/weights") == "18"
    door = urlsplit(platform.url).port
    assert "refused" in invoke(platform, called, f"nc -w 2 127.0.0.1 {door} </dev/null 2>&1; true")
    assert invoke(platform, called, "env | sed -n s/^AWS_ACCESS_KEY_ID.*/key/p") == ""
    jobs.delete_endpoint(platform, called)
    assert no_containers(image, instances(platform, called))


def test_no_job_reaches_the_port_of_a_container(platform: Running, serving: str) -> None:
    job = jobs.shell_job(platform, "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8080), 2)'")
    described = jobs.wait_job(platform, job)
    assert "Connection refused" in described["FailureReason"]
    networks = [Path(f"/proc/{pid}/ns/net").readlink() for pid in (process(platform, f"model:{serving}"), "self")]
    assert networks[0] != networks[1]


def test_a_container_has_the_memory_of_its_instance_type(platform: Running, image: str) -> None:
    called = in_service(platform, create(platform, image, {"InstanceType": "ml.t2.medium"}))
    cgroups = Path(f"/proc/{process(platform, f'model:{called}')}/cgroup").read_text()
    if "/sagesmith-serve-" not in cgroups:
        pytest.skip("there are no control groups here that we may use")
    assert (memory_limit(cgroups) or 0) <= 4 << 30
    jobs.delete_endpoint(platform, called)


def memory_limit(cgroups: str) -> int | None:
    """The limit of the control group that a /proc/<pid>/cgroup names."""
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        for file in (f"memory{path}/memory.limit_in_bytes", f"{path[1:]}/memory.max"):
            if controllers in ("memory", "") and (Path("/sys/fs/cgroup") / file).exists():
                return int((Path("/sys/fs/cgroup") / file).read_text())
    return None


def test_a_container_that_is_killed_comes_back(platform: Running, image: str) -> None:
    called = in_service(platform, create(platform, image))
    assert invoke(platform, called, "touch /tmp/first; ls /tmp") == "first"
    os.kill(process(platform, f"model:{called}"), signal.SIGKILL)
    assert invoke_when_it_answers(platform, called, "ls /tmp") == ""
    assert platform.client("sagemaker").describe_endpoint(EndpointName=called)["EndpointStatus"] == "InService"
    os.kill(process(platform, f"agent:{called}"), signal.SIGKILL)
    assert invoke_when_it_answers(platform, called, "echo here") == "here"
    jobs.delete_endpoint(platform, called)
    assert no_containers(image, instances(platform, called))


def test_a_container_that_ends_at_once_fails_the_endpoint_with_its_words(platform: Running, image: str) -> None:
    called = create(platform, image, Environment={"BEFORE": "echo there is no licence; exit 3"})
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith("The primary container for production variant all did not pass")
    assert "exit code 3" in described["FailureReason"]
    assert "there is no licence" in described["FailureReason"]
    jobs.delete_endpoint(platform, called)


def test_a_container_that_does_not_answer_pings_any_more_is_replaced(platform: Running, ill: str) -> None:
    while invoke_when_it_answers(platform, ill, "ls /tmp"):
        time.sleep(0.2)
    described = platform.client("sagemaker").describe_endpoint(EndpointName=ill)
    assert described["EndpointStatus"] == "InService"
    jobs.delete_endpoint(platform, ill)
