"""What training jobs read and keep, from boto3 to the program: channels of every input mode, checkpoints, output."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

READ = """
import json, os
config = json.load(open("/opt/ml/input/config/inputdataconfig.json"))
print("modes", {name: each["TrainingInputMode"] for name, each in sorted(config.items())})
for epoch in range(2):
    with open(f"/opt/ml/input/data/piped_{epoch}", "rb") as pipe:
        print("piped", epoch, len(pipe.read()))
for name in ("fast", "file"):
    folder = os.environ[f"SM_CHANNEL_{name.upper()}"]
    print(name, sorted(os.listdir(folder)), open(os.path.join(folder, "a")).read())
"""

CHECKPOINT = """
import os, signal, sys, time
path = "/opt/ml/checkpoints/step"
step = int(open(path).read()) if os.path.exists(path) else 0
print("from", step, flush=True)
def leave(*_):
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
with open(path, "w") as file:
    file.write(str(step + 1))
print("written", flush=True)
while step == 0:
    time.sleep(1)
"""

INTERMEDIATE = """
import os
with open(os.path.join(os.environ["SM_OUTPUT_INTERMEDIATE_DIR"], "progress.txt"), "w") as file:
    file.write("half way")
"""


def log(platform: Running, job: str) -> list[str]:
    return jobs.log_lines(platform, "/aws/sagemaker/TrainingJobs", job)


def keys(platform: Running, prefix: str) -> list[str]:
    page = platform.client("s3").list_objects_v2(Bucket=jobs.BUCKET, Prefix=prefix)
    return [each["Key"] for each in page.get("Contents", [])]


def test_a_script_reads_channels_of_every_input_mode(platform: Running) -> None:
    for name, size in (("a", 3), ("b", 100_000)):
        uri = jobs.upload(platform, f"modes/{name}", b"x" * size)
    folder = uri.rpartition("/")[0] + "/"
    job = jobs.script_job(
        platform,
        READ,
        InputDataConfig=[
            {**jobs.channel(folder, "piped"), "InputMode": "Pipe", "ShuffleConfig": {"Seed": 1}},
            {**jobs.channel(folder, "fast"), "InputMode": "FastFile"},
            jobs.channel(folder, "file"),
        ],
    )
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert [each.get("InputMode") for each in described["InputDataConfig"]] == ["Pipe", "FastFile", None]
    lines = log(platform, job)
    for line in (
        "modes {'fast': 'FastFile', 'file': 'File', 'piped': 'Pipe'}",
        *("piped 0 100003", "piped 1 100003", "fast ['a', 'b'] xxx", "file ['a', 'b'] xxx"),
    ):
        assert line in lines


def test_hosts_share_a_sharded_channel(platform: Running) -> None:
    for name in "abc":
        uri = jobs.upload(platform, f"shards/three/{name}", name.encode())
    one = jobs.upload(platform, "shards/one/a", b"a")

    def sharded(channel_name: str, uri: str) -> dict[str, Any]:
        made = jobs.channel(uri, channel_name)
        made["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
        return made

    job = jobs.shell_job(
        platform,
        "cd /opt/ml/input/data; echo three $(ls three) of $(hostname); echo one $(ls one) of $(hostname)",
        InputDataConfig=[sharded("three", uri.rpartition("/")[0] + "/"), sharded("one", one)],
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert sorted(log(platform, job)) == [
        "Channel one has fewer objects than hosts: ShardedByS3Key leaves none for host 2 of 2.",
        *("one a of algo-1", "one of algo-2", "three a c of algo-1", "three b of algo-2"),
    ]


def test_a_job_goes_on_from_the_checkpoint_of_one_that_was_stopped(platform: Running) -> None:
    prefix = jobs.name("checkpoints")
    config = {"S3Uri": f"s3://{jobs.BUCKET}/{prefix}"}
    first = jobs.script_job(platform, CHECKPOINT, CheckpointConfig=config)
    while not keys(platform, prefix):
        time.sleep(0.1)
    platform.client("sagemaker").stop_training_job(TrainingJobName=first)
    assert jobs.wait_job(platform, first)["TrainingJobStatus"] == "Stopped"
    second = jobs.script_job(platform, CHECKPOINT, CheckpointConfig=config)
    described = jobs.wait_job(platform, second)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert described["CheckpointConfig"] == config
    assert "from 1" in log(platform, second)
    stored = platform.client("s3").get_object(Bucket=jobs.BUCKET, Key=f"{prefix}/step")
    assert stored["Body"].read() == b"2"


def test_intermediate_output_reaches_the_bucket_by_the_toolkit(platform: Running) -> None:
    output = f"s3://{jobs.BUCKET}/{jobs.name('intermediate')}"
    job = jobs.script_job(platform, INTERMEDIATE, HyperParameters={"sagemaker_s3_output": json.dumps(output)})
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    prefix = output.removeprefix(f"s3://{jobs.BUCKET}/")
    assert keys(platform, prefix) == [f"{prefix}/{job}/output/intermediate/progress.txt"]


def test_what_a_mode_cannot_do_is_refused_and_nothing_is_stored(platform: Running) -> None:
    channel = {**jobs.channel(f"s3://{jobs.BUCKET}/modes/"), "CompressionType": "Gzip"}
    with pytest.raises(ClientError, match="CompressionType Gzip can only be used if the channel's input mode is Pipe"):
        jobs.start_job(platform, "refused-gzip", InputDataConfig=[channel])
    with pytest.raises(ClientError, match="Requested resource not found"):
        platform.client("sagemaker").describe_training_job(TrainingJobName="refused-gzip")
