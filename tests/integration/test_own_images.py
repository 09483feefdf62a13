"""Images of one's own, in the container engine of this machine, on a real platform."""

import contextlib
import io
import os
import signal
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs, test_processing, test_transform
from tests.integration.conftest import Running
from tests.integration.own_images import made, no_containers, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with made() as tag:
        yield tag


def train(platform: Running, image: str, command: str, **changes: Any) -> str:
    """Start a training job whose image's own `train` runs a shell command, and return its name."""
    specification = {"TrainingImage": image, "TrainingInputMode": "File", **changes.pop("algorithm", {})}
    return jobs.start_job(
        platform,
        jobs.name("own"),
        AlgorithmSpecification=specification,
        HyperParameters={"command": command},
        **changes,
    )


def test_an_image_of_ones_own_trains_with_its_own_train_and_hands_over_a_model(platform: Running, image: str) -> None:
    data = jobs.upload(platform, f"{jobs.name('data')}/rows.csv", b"1\n2\n").rpartition("/")[0]
    command = (
        "cat /opt/ml/input/data/train/rows.csv; id -u; echo made > /opt/ml/model/weights; hostname; cat /tmp/x; exit 0"
    )
    job = train(platform, image, command, InputDataConfig=[jobs.channel(data)])
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    lines = jobs.job_log(platform, job)
    assert lines[:5] == ["train ", "1", "2", "0", "algo-1"]
    bucket, _, key = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    body = platform.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.extractfile("weights").read() == b"made\n"


def test_a_program_that_fails_gives_its_reason(platform: Running, image: str) -> None:
    command = "echo the rows are empty > /opt/ml/output/failure; exit 3"
    described = jobs.wait_job(platform, train(platform, image, command))
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: the rows are empty")
    assert "exit code: 3" in described["FailureReason"].lower()


def test_an_entrypoint_and_arguments_replace_train(platform: Running, image: str) -> None:
    algorithm = {"ContainerEntrypoint": ["/bin/sh", "-c", 'echo "$0 $1"'], "ContainerArguments": ["one", "two words"]}
    job = train(platform, image, "", algorithm=algorithm)
    assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(platform, job) == ["one two words"]


def test_variables_arrive_whole_and_no_process_list_has_them(platform: Running, image: str) -> None:
    algorithm = {"ContainerEntrypoint": ["/bin/sh", "-c", 'echo "$SECRET"; echo "$LINES_OF_IT"; echo "$AWS_REGION"']}
    environment = {"SECRET": " # 'quoted' \"twice\" = 1 ", "LINES_OF_IT": "first\nsecond"}
    job = train(platform, image, "", algorithm=algorithm, Environment=environment)
    assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(platform, job) == [environment["SECRET"], "first", "second", "us-east-1"]


def test_a_job_that_is_stopped_may_save_its_work(platform: Running, image: str) -> None:
    command = "trap 'echo saved > /opt/ml/model/saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    job = train(platform, image, command)
    wait_for_line(platform, job, "ready")
    platform.client("sagemaker").stop_training_job(TrainingJobName=job)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Stopped"
    bucket, _, key = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    assert platform.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def wait_for_line(platform: Running, job: str, line: str) -> None:
    while True:
        described = platform.client("sagemaker").describe_training_job(TrainingJobName=job)
        assert described["TrainingJobStatus"] == "InProgress", described.get("FailureReason")
        with contextlib.suppress(ClientError):
            if line in jobs.job_log(platform, job):
                return
        time.sleep(0.1)


def test_a_container_ends_with_its_agent(platform: Running, image: str) -> None:
    job = train(platform, image, "echo ready; exec sleep 600")
    wait_for_line(platform, job, "ready")
    (agent,) = (each["pid"] for each in platform.status()["processes"] if each["name"] == f"agent:{job}")
    (program,) = (each["pid"] for each in platform.status()["processes"] if each["name"] == f"job:{job}")
    os.kill(agent, signal.SIGKILL)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Failed"
    assert not Path(f"/proc/{program}").exists()
    assert no_containers(image)


def test_a_container_reaches_the_platform_and_nothing_else_of_this_machine(platform: Running, image: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        own = inner.getsockname()[1]
        door = urlsplit(platform.url).port
        command = f"nc -w 2 127.0.0.1 {door} < /dev/null && echo door; nc -w 2 127.0.0.1 {own} < /dev/null || echo shut"
        job = train(platform, image, command)
        assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(platform, job)[1:] == [
        "door",
        "nc: can't connect to remote host (127.0.0.1): Connection refused",
        "shut",
    ]


def test_an_isolated_container_reaches_nobody(platform: Running, image: str) -> None:
    door = urlsplit(platform.url).port
    command = f"nc -w 2 127.0.0.1 {door} < /dev/null || echo shut; env | sed -n s/^AWS_ACCESS_KEY_ID.*/key/p"
    job = train(platform, image, command, EnableNetworkIsolation=True)
    assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(platform, job)[-1] == "shut"


def test_the_hosts_of_a_job_reach_each_other_by_name(platform: Running, image: str) -> None:
    command = (
        "if [ $CURRENT_HOST = algo-1 ]; then echo hello | nc -l -p 4000; "
        "else until nc algo-1 4000 </dev/null 2>/dev/null; do sleep 0.1; done; fi"
    )
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    job = train(platform, image, command, ResourceConfig=cluster)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "hello" in jobs.log_lines(platform, "/aws/sagemaker/TrainingJobs", f"{job}/algo-2-")


def test_an_image_without_a_program_says_what_is_missing(platform: Running, image: str) -> None:
    described = jobs.wait_job(
        platform, train(platform, image, "", algorithm={"ContainerEntrypoint": ["/no/such/program"]})
    )
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith(f"ClientError: The image {image} could not be started: ")
    assert "/no/such/program" in described["FailureReason"]


def test_an_image_that_is_nowhere_says_how_to_have_it(platform: Running, image: str) -> None:
    missing = "localhost/no-such-image:1"
    described = jobs.wait_job(platform, train(platform, missing, ""))
    assert described["FailureReason"].startswith(f"ClientError: The image {missing} could not be pulled: ")
    assert "podman login" in described["FailureReason"]


@pytest.mark.parametrize("mode", ["FastFile", "Pipe"])
def test_channels_stream_into_a_container(platform: Running, image: str, mode: str) -> None:
    data = jobs.upload(platform, f"{jobs.name('data')}/rows.csv", b"1\n2\n").rpartition("/")[0]
    path = "/opt/ml/input/data/train" + ("_0" if mode == "Pipe" else "/rows.csv")
    job = train(platform, image, f"cat {path}", InputDataConfig=[{**jobs.channel(data), "InputMode": mode}])
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert jobs.job_log(platform, job)[-2:] == ["1", "2"]


def test_no_line_of_a_container_is_lost(platform: Running, image: str) -> None:
    job = train(platform, image, "seq 1 20000; echo last >&2")
    assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(platform, job)[1:] == [*(str(each) for each in range(1, 20001)), "last"]


def test_an_image_of_ones_own_processes(platform: Running, image: str) -> None:
    prefix = jobs.name("processed")
    uri = jobs.upload(platform, f"{prefix}/in/rows", b"1\n2\n").rpartition("/")[0]
    command = [
        "/bin/sh",
        "-c",
        'cat /opt/ml/processing/input/rows "$0" > /opt/ml/processing/output/all; echo done >/opt/ml/output/message',
    ]
    job = test_processing.start(
        platform,
        "",
        AppSpecification={"ImageUri": image, "ContainerEntrypoint": command, "ContainerArguments": ["/etc/hostname"]},
        ProcessingInputs=[test_processing.source(uri, "input")],
        ProcessingOutputConfig=test_processing.outputs(f"{prefix}/out"),
    )
    described = test_processing.wait(platform, job)
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert described["ExitMessage"].strip() == "done"
    assert test_processing.stored(platform, f"{prefix}/out") == {"all": b"1\n2\nalgo-1"}


def test_without_an_engine_a_job_says_what_to_install(new_platform: Callable[..., Running]) -> None:
    platform = new_platform(environ={"SAGESMITH_CONTAINER_ENGINE": "/no/such/engine"})
    described = jobs.wait_job(platform, train(platform, "registry.example/own:1", ""))
    assert described["FailureReason"].startswith("ClientError: Sagesmith has no environment of its own for the image")
    assert "registry.example/own:1" in described["FailureReason"]
    assert "apt-get install podman" in described["FailureReason"]


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(platform: Running, image: str) -> None:
    command = (
        "cd /opt/ml/checkpoints; if test -e step; then cat step; exit 0; fi; "
        "trap 'echo 7 > step; exit 1' TERM; echo ready; while :; do sleep 0.1; done"
    )
    place = f"s3://{jobs.BUCKET}/{jobs.name('checkpoints')}"
    job = train(
        platform,
        image,
        command,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        CheckpointConfig={"S3Uri": place},
    )
    wait_for_line(platform, job, "ready")
    assert platform.cli("interrupt", job).returncode == 0
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "Interrupted" in [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert jobs.job_log(platform, job)[-1] == "7"


def test_an_image_of_ones_own_transforms(platform: Running, image: str) -> None:
    called = jobs.name("own")
    client = platform.client("sagemaker")
    client.create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer={"Image": image})
    uri = test_transform.put(platform, {"a": b"echo one", "b": b"echo $type"})
    members = {"SplitType": "None", "AssembleWith": "None", "ContentType": "text/x-shell"}
    job = test_transform.start(platform, called, uri, **members)
    assert test_transform.completed(platform, job) == {"a.out": b"one", "b.out": b"text/x-shell"}
    assert no_containers(image)
