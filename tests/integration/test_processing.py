"""Processing jobs on a real platform, with boto3."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import Running
from tests.integration.jobs import BUCKET, ENDED, IMAGE, ROLE, log_lines, name, upload

LOGS = "/aws/sagemaker/ProcessingJobs"
ROOT = "/opt/ml/processing"


def start(platform: Running, command: str, instances: int = 1, **changes: Any) -> str:
    """CreateProcessingJob of a shell command, with the least that it needs."""
    job = name("processing")
    platform.client("s3").create_bucket(Bucket=BUCKET)
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": instances, "VolumeSizeInGB": 1}
    request: dict[str, Any] = {
        "ProcessingJobName": job,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["/bin/sh", "-c", command]},
        "RoleArn": ROLE,
        "ProcessingResources": {"ClusterConfig": cluster},
        **changes,
    }
    platform.client("sagemaker").create_processing_job(**request)
    return job


def describe(platform: Running, job: str) -> dict[str, Any]:
    return platform.client("sagemaker").describe_processing_job(ProcessingJobName=job)


def wait(platform: Running, job: str) -> dict[str, Any]:
    """The job's description once it has ended."""
    while (described := describe(platform, job))["ProcessingJobStatus"] not in ENDED:
        time.sleep(0.1)
    return described


def wait_for_line(platform: Running, job: str, line: str) -> None:
    while True:
        # The first job's first line makes the log group.
        with contextlib.suppress(ClientError):
            if line in log_lines(platform, LOGS, f"{job}/"):
                return
        assert describe(platform, job)["ProcessingJobStatus"] not in ENDED
        time.sleep(0.1)


def source(uri: str, folder: str, **changes: Any) -> dict[str, Any]:
    return {
        "InputName": folder.replace("/", "-"),
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{ROOT}/{folder}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            **changes,
        },
    }


def outputs(job_prefix: str, mode: str = "EndOfJob", **changes: Any) -> dict[str, Any]:
    s3 = {"S3Uri": f"s3://{BUCKET}/{job_prefix}", "LocalPath": f"{ROOT}/output", "S3UploadMode": mode}
    return {"Outputs": [{"OutputName": "result", "S3Output": s3}], **changes}


def stored(platform: Running, prefix: str) -> dict[str, bytes]:
    s3 = platform.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
    return {key.removeprefix(f"{prefix}/"): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_a_job_turns_its_inputs_into_its_outputs(platform: Running) -> None:
    rows = upload(platform, "processing/rows/a.csv", b"1\n2\n")
    prefix = name("result")
    command = (
        f"cd {ROOT}; sort -r rows/a.csv > output/sorted.csv; cp /opt/ml/config/*.json output;"
        "printf 'rows: 2' > /opt/ml/output/message; env | grep COLOUR"
    )
    job = start(
        platform,
        command,
        ProcessingInputs=[source(rows, "rows")],
        ProcessingOutputConfig=outputs(prefix),
        Environment={"COLOUR": "blue"},
    )
    described = wait(platform, job)
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert described["ExitMessage"] == "rows: 2"
    assert described["CreationTime"] <= described["ProcessingStartTime"] <= described["ProcessingEndTime"]
    found = stored(platform, prefix)
    assert found["sorted.csv"] == b"2\n1\n"
    configuration = json.loads(found["processingjobconfig.json"])
    assert configuration["ProcessingJobArn"] == described["ProcessingJobArn"]
    assert configuration["ProcessingInputs"][0]["S3Input"]["S3Uri"] == rows
    assert json.loads(found["resourceconfig.json"])["current_host"] == "algo-1"
    assert log_lines(platform, LOGS, f"{job}/") == ["COLOUR=blue"]
    (stream,) = platform.client("logs").describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=job)["logStreams"]
    assert stream["logStreamName"].startswith(f"{job}/algo-1-")


def test_a_program_reaches_s3_unless_it_is_isolated(platform: Running) -> None:
    command = (
        """python -c "import boto3; print(len(boto3.client('s3').list_buckets()['Buckets']) > 0)" 2>&1 | tail -1"""
    )
    job = start(platform, command)
    isolated = start(platform, command, NetworkConfig={"EnableNetworkIsolation": True})
    for each in (job, isolated):
        wait(platform, each)
    assert log_lines(platform, LOGS, f"{job}/") == ["True"]
    assert log_lines(platform, LOGS, f"{isolated}/") != ["True"]


def test_several_instances_share_their_input_and_store_what_each_made(platform: Running) -> None:
    folder = name("shards")
    for part in "abc":
        upload(platform, f"{folder}/{part}", part.encode())
    prefix = name("result")
    command = f'cd {ROOT}; cat parts/* > "output/$HOSTNAME"; printf "$HOSTNAME " > /opt/ml/output/message'
    job = start(
        platform,
        command,
        instances=2,
        ProcessingInputs=[source(f"s3://{BUCKET}/{folder}/", "parts", S3DataDistributionType="ShardedByS3Key")],
        ProcessingOutputConfig=outputs(prefix),
    )
    described = wait(platform, job)
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert described["ExitMessage"] == "algo-1 algo-2 "
    assert stored(platform, prefix) == {"algo-1": b"ac", "algo-2": b"b"}


def test_a_stream_is_read_from_a_fifo_beside_its_place(platform: Running) -> None:
    rows = upload(platform, f"{name('stream')}/rows", b"streamed")
    job = start(
        platform,
        f"cat {ROOT}/in/rows_0; echo",
        ProcessingInputs=[source(rows, "in/rows", S3InputMode="Pipe")],
    )
    assert wait(platform, job)["ProcessingJobStatus"] == "Completed"
    assert log_lines(platform, LOGS, f"{job}/") == ["streamed"]


def test_a_program_that_fails_fails_its_job_with_its_last_words(platform: Running) -> None:
    job = start(platform, "echo cannot go on >&2; exit 9")
    described = wait(platform, job)
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"] == "AlgorithmError: cannot go on, exit code: 9"


def test_a_stopped_job_keeps_what_it_had_made(platform: Running) -> None:
    prefix = name("result")
    command = f"echo half > {ROOT}/output/half; echo ready; exec sleep 600"
    job = start(platform, command, ProcessingOutputConfig=outputs(prefix))
    wait_for_line(platform, job, "ready")
    platform.client("sagemaker").stop_processing_job(ProcessingJobName=job)
    assert wait(platform, job)["ProcessingJobStatus"] == "Stopped"
    assert stored(platform, prefix) == {"half": b"half\n"}
    platform.client("sagemaker").delete_processing_job(ProcessingJobName=job)
    with pytest.raises(ClientError, match="Could not find requested job"):
        describe(platform, job)


def test_an_isolated_job_reaches_nobody(platform: Running) -> None:
    command = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", %d), 5)'"
    port = int(platform.url.rsplit(":", 1)[1])
    job = start(platform, command % port, NetworkConfig={"EnableNetworkIsolation": True})
    described = wait(platform, job)
    assert "refused" in described["FailureReason"]


def test_a_job_goes_on_when_the_api_process_is_killed(new_platform: Callable[..., Running]) -> None:
    platform = new_platform()
    prefix = name("result")
    command = f"echo ready; while ! test -e {ROOT}/output/go; do sleep 0.1; done; echo on"
    job = start(platform, command, ProcessingOutputConfig=outputs(prefix))
    wait_for_line(platform, job, "ready")
    (api,) = [each["pid"] for each in platform.status()["processes"] if each["name"] == "api"]
    os.kill(api, signal.SIGKILL)
    (folder,) = [each.parent for each in platform.data.glob("tasks/*/spec.json") if job in each.read_text()]
    (folder / "opt_ml" / "processing" / "output" / "go").touch()
    while True:
        try:
            described = wait(platform, job)
            break
        except ClientError:
            time.sleep(0.1)
    assert described["ProcessingJobStatus"] == "Completed"
    assert log_lines(platform, LOGS, f"{job}/") == ["ready", "on"]
