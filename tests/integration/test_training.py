"""Training jobs, from boto3 to the artifact."""

import io
import json
import os
import signal
import tarfile
import time
from collections.abc import Callable

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

TRAIN = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
arguments = parser.parse_args()
rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv")).read().split()
print("validation-error=0.5;")
print("validation-error=0.25;")
print("rows", len(rows), "depth", arguments.depth)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump({"rows": len(rows)}, file)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt"), "w") as file:
    file.write("done")
"""


def object_bytes(platform: Running, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return platform.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_script_trains_on_its_channel_and_leaves_model_output_metrics_and_log(platform: Running) -> None:
    data = jobs.upload(platform, "rows/rows.csv", b"1\n2\n3\n")
    specification = {
        "TrainingImage": jobs.IMAGE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "validation:error", "Regex": "validation-error=([0-9.]+);"}],
    }
    job = jobs.script_job(
        platform,
        TRAIN,
        HyperParameters={"depth": "5"},
        InputDataConfig=[jobs.channel(data.rsplit("/", 1)[0])],
        AlgorithmSpecification=specification,
    )
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert [each["Status"] for each in described["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert described["FinalMetricDataList"][0]["MetricName"] == "validation:error"
    assert described["FinalMetricDataList"][0]["Value"] == pytest.approx(0.25)
    assert "rows 3 depth 5" in "\n".join(jobs.job_log(platform, job))
    artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == f"s3://{jobs.BUCKET}/output/{job}/output/model.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(object_bytes(platform, artifact))) as tar:
        assert json.load(tar.extractfile("model.json")) == {"rows": 3}
    output = object_bytes(platform, artifact.replace("model.tar.gz", "output.tar.gz"))
    with tarfile.open(fileobj=io.BytesIO(output)) as tar:
        assert "report.txt" in [member.name.removeprefix("./") for member in tar.getmembers()]


def test_a_job_that_is_stopped_keeps_what_it_made(platform: Running) -> None:
    job = jobs.shell_job(platform, "echo half > /opt/ml/model/half; echo started; exec sleep 600")
    client = platform.client("sagemaker")
    while "started" not in jobs_log_or_nothing(platform, job):
        time.sleep(0.1)
    client.stop_training_job(TrainingJobName=job)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Stopped"
    with tarfile.open(
        fileobj=io.BytesIO(object_bytes(platform, described["ModelArtifacts"]["S3ModelArtifacts"]))
    ) as tar:
        assert tar.extractfile("half").read() == b"half\n"


def jobs_log_or_nothing(platform: Running, job: str) -> list[str]:
    try:
        return [line.strip() for line in jobs.job_log(platform, job)]
    except ClientError:
        return []


def runs(pid: int) -> bool:
    """Whether a process lives; one that has ended and was not yet fetched by its parent does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_job_that_runs_too_long_is_stopped(platform: Running) -> None:
    job = jobs.shell_job(platform, "exec sleep 600", StoppingCondition={"MaxRuntimeInSeconds": 1})
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_user_code_sees_neither_keys_nor_the_data_directory(platform: Running) -> None:
    job = jobs.shell_job(
        platform,
        f"for f in keys db tasks run objects; do ls {platform.data}/$f && exit 4; done; env; true",
    )
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert platform.variables["AWS_SECRET_ACCESS_KEY"] not in "\n".join(jobs.job_log(platform, job))


def test_a_job_goes_on_while_the_api_process_is_killed(new_platform: Callable[..., Running]) -> None:
    running = new_platform()
    lines = "i=0; while [ $i -lt 30 ]; do echo line-$i; i=$((i+1)); sleep 0.1; done; echo x > /opt/ml/model/x"
    job = jobs.shell_job(running, lines)
    while "line-3" not in jobs_log_or_nothing(running, job):
        time.sleep(0.05)
    for process in running.status()["processes"]:
        if process["name"] == "api":
            os.kill(process["pid"], signal.SIGKILL)
    described = jobs.wait_job(running, job)
    assert described["TrainingJobStatus"] == "Completed"
    written = [line.strip() for line in jobs.job_log(running, job) if line.startswith("line-")]
    assert written == [f"line-{number}" for number in range(30)]
    assert object_bytes(running, described["ModelArtifacts"]["S3ModelArtifacts"])


def test_a_killed_node_agent_fails_its_job_and_leaves_no_orphan(new_platform: Callable[..., Running]) -> None:
    running = new_platform()
    job = jobs.shell_job(running, "echo started; exec sleep 612")
    while "started" not in jobs_log_or_nothing(running, job):
        time.sleep(0.05)
    processes = {each["name"]: each["pid"] for each in running.status()["processes"]}
    os.kill(processes[f"agent:{job}"], signal.SIGKILL)
    described = jobs.wait_job(running, job)
    assert described["TrainingJobStatus"] == "Failed"
    assert "agent" in described["FailureReason"]
    names = [each["name"] for each in running.status()["processes"]]
    assert f"job:{job}" not in names
    assert not runs(processes[f"job:{job}"])


def test_a_region_is_served_whole(platform: Running) -> None:
    client = platform.client("sagemaker", region_name="eu-west-1")
    job = jobs.shell_job(platform, "echo here; echo region $AWS_REGION > /opt/ml/model/region")
    request = client.meta.service_model.operation_model("CreateTrainingJob").input_shape.members
    there = platform.client("sagemaker").describe_training_job(TrainingJobName=job)
    specification = there["AlgorithmSpecification"] | {
        "ContainerEntrypoint": [
            "/bin/sh",
            "-c",
            "echo there; echo $AWS_REGION $AWS_DEFAULT_REGION > /opt/ml/model/region",
        ]
    }
    asked = {name: value for name, value in there.items() if name in request and value}
    client.create_training_job(**{**asked, "AlgorithmSpecification": specification})
    described = jobs.wait_job(platform, job, "eu-west-1")
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert described["TrainingJobArn"] == f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{job}"
    assert [line.strip() for line in jobs.job_log(platform, job, "eu-west-1")][-1] == "there"
    jobs.wait_job(platform, job)
    assert [line.strip() for line in jobs.job_log(platform, job)][-1] == "here"


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(platform: Running) -> None:
    place = f"checkpoints/{jobs.name('spot')}"
    command = (
        "cd /opt/ml/checkpoints; if [ -e step ]; then cp step /opt/ml/model/from; exit 0; fi; "
        "trap 'echo 7 > step; exit 1' TERM; echo started; while :; do sleep 0.1; done"
    )
    job = jobs.shell_job(
        platform,
        command,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        CheckpointConfig={"S3Uri": f"s3://{jobs.BUCKET}/{place}"},
    )
    while "started" not in jobs_log_or_nothing(platform, job):
        time.sleep(0.1)
    assert platform.cli("interrupt", "nobody").returncode == 1
    answer = platform.cli("interrupt", job)
    assert answer.returncode == 0, answer.stderr
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "Interrupted" in [each["Status"] for each in described["SecondaryStatusTransitions"]]
    body = object_bytes(platform, described["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.extractfile("from").read() == b"7\n"
