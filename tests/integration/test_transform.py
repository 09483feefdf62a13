"""Batch transform on a real platform: what goes in, what comes out, and what happens when something dies."""

import gzip
import json
import os
import signal
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

GROUP = "/aws/sagemaker/TransformJobs"

# Says of what it is sent how much it is, or gives it back.
ECHO = """
import json, os, time
def model_fn(model_dir):
    print("batch", os.environ["SAGEMAKER_BATCH"], os.environ.get("COLOUR"))
    return None
def input_fn(body, content_type):
    return body
def predict_fn(body, model):
    text = body if isinstance(body, str) else body.decode("latin-1")
    if "broken" in text:
        raise ValueError("a broken record")
    return body
def output_fn(body, accept):
    return body, accept
"""
SUMS = """
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{each:g}\\n" for each in sums), accept
"""


def model(platform: Running, script: str) -> str:
    """A model of a script and return its name."""
    called = jobs.name("model")
    source = jobs.upload(platform, f"{called}/sourcedir.tar.gz", jobs.archive({"inference.py": script}))
    platform.client("sagemaker").create_model(
        ModelName=called,
        ExecutionRoleArn=jobs.ROLE,
        PrimaryContainer={
            "Image": jobs.IMAGE,
            "ModelDataUrl": jobs.upload(platform, f"{called}/model.tar.gz", jobs.archive({"weights": "1"})),
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source},
        },
    )
    return called


@pytest.fixture(scope="module")
def echo(platform: Running) -> str:
    return model(platform, ECHO)


@pytest.fixture(scope="module")
def sums(platform: Running) -> str:
    return model(platform, SUMS)


def put(platform: Running, objects: dict[str, bytes]) -> str:
    """Objects below a prefix of their own, which is returned."""
    prefix = jobs.name("in")
    for key, body in objects.items():
        jobs.upload(platform, f"{prefix}/{key}", body)
    return f"s3://{jobs.BUCKET}/{prefix}/"


def start(platform: Running, model_name: str, uri: str, **changes: Any) -> str:
    """Start a transform job and return its name; members of input, output and resources may be given flat."""
    job = jobs.name("transform")
    source = {"ContentType": "text/csv", "SplitType": "Line"}
    source |= {each: changes.pop(each) for each in ("ContentType", "SplitType", "CompressionType") if each in changes}
    output = {"Accept": "text/csv", "AssembleWith": "Line"}
    output |= {each: changes.pop(each) for each in ("Accept", "AssembleWith", "KmsKeyId") if each in changes}
    data_type = changes.pop("S3DataType", "S3Prefix")
    platform.client("sagemaker").create_transform_job(
        TransformJobName=job,
        ModelName=model_name,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": data_type, "S3Uri": uri}}, **source},
        TransformOutput={"S3OutputPath": f"s3://{jobs.BUCKET}/{job}/out", **output},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": changes.pop("InstanceCount", 1)},
        **changes,
    )
    return job


def wait(platform: Running, job: str) -> dict[str, Any]:
    client = platform.client("sagemaker")
    while (described := client.describe_transform_job(TransformJobName=job))["TransformJobStatus"] not in jobs.ENDED:
        time.sleep(0.1)
    return described


def outputs(platform: Running, job: str) -> dict[str, bytes]:
    """The outputs of a job by their keys relative to its output path."""
    s3, prefix = platform.client("s3"), f"{job}/out/"
    found = s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=prefix).get("Contents", [])
    return {
        each["Key"].removeprefix(prefix): s3.get_object(Bucket=jobs.BUCKET, Key=each["Key"])["Body"].read()
        for each in found
    }


def completed(platform: Running, job: str) -> dict[str, bytes]:
    described = wait(platform, job)
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    return outputs(platform, job)


def data_log(platform: Running, job: str) -> list[str]:
    logs = platform.client("logs")
    names = [
        each["logStreamName"]
        for each in logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
    ]
    return [line for each in names if each.endswith("/data-log") for line in jobs.log_lines(platform, GROUP, each)]


def test_every_object_has_an_output_in_its_place(platform: Running, sums: str) -> None:
    uri = put(platform, {"a.csv": b"1,2\n3,4\n", "sub/b.csv": b"5,6", "empty.csv": b""})
    job = start(platform, sums, uri, Environment={"COLOUR": "blue"})
    assert completed(platform, job) == {"a.csv.out": b"3\n7\n", "sub/b.csv.out": b"11\n", "empty.csv.out": b""}
    described = platform.client("sagemaker").describe_transform_job(TransformJobName=job)
    assert described["TransformEndTime"] >= described["TransformStartTime"] >= described["CreationTime"]
    (line,) = data_log(platform, job)
    assert line.endswith(":[sagemaker logs]: MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD")


def test_the_container_has_the_variables_of_a_batch_and_of_the_job(platform: Running, echo: str) -> None:
    job = start(platform, echo, put(platform, {"a": b"x\n"}), Environment={"COLOUR": "blue"})
    completed(platform, job)
    lines = jobs.log_lines(platform, GROUP, f"{job}/i-")
    assert "batch true blue" in lines
    streams = platform.client("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")
    assert [each["logStreamName"].count("/") for each in streams["logStreams"]] == [1, 2]
    metrics = platform.client("cloudwatch").list_metrics(Namespace=GROUP)["Metrics"]
    hosts = [each["Dimensions"][0]["Value"] for each in metrics if each["MetricName"] == "CPUUtilization"]
    assert any(host.startswith(f"{job}/i-") for host in hosts)


def recordio(*records: bytes) -> bytes:
    return b"".join(struct.pack("<II", 0xCED7230A, len(each)) + each + bytes(-len(each) % 4) for each in records)


@pytest.mark.parametrize(
    ("changes", "body", "expected"),
    [
        pytest.param({"SplitType": "None", "AssembleWith": "None"}, b"a\nb\n", b"a\nb\n", id="whole"),
        pytest.param(
            {"SplitType": "RecordIO", "BatchStrategy": "SingleRecord"},
            recordio(b"one", b"two"),
            b"one\ntwo\n",
            id="recordio",
        ),
        pytest.param({"CompressionType": "Gzip"}, gzip.compress(b"a\nb\n"), b"a\nb\n", id="gzip"),
        pytest.param({"MaxPayloadInMB": 0, "SplitType": "None"}, b"a\n" * 100_000, b"a\n" * 100_000, id="stream"),
    ],
)
def test_objects_are_split_as_it_was_asked_for(
    platform: Running, echo: str, changes: dict[str, Any], body: bytes, expected: bytes
) -> None:
    uri = put(platform, {"data": body})
    job = start(
        platform, echo, uri, ContentType="application/octet-stream", Accept="application/octet-stream", **changes
    )
    assert completed(platform, job) == {"data.out": expected}


def test_a_large_object_goes_in_batches_and_comes_back_in_its_order(platform: Running, echo: str) -> None:
    body = b"".join(b"%d,%s\n" % (number, b"x" * 90) for number in range(40_000))
    job = start(platform, echo, put(platform, {"rows": body}), MaxPayloadInMB=1, MaxConcurrentTransforms=3)
    assert completed(platform, job) == {"rows.out": body}
    assert "MaxConcurrentTransforms=3, MaxPayloadInMB=1" in data_log(platform, job)[0]


def test_columns_are_kept_from_the_model_and_joined_with_its_answers(platform: Running, sums: str) -> None:
    job = start(
        platform,
        sums,
        put(platform, {"a.csv": b'"x, y",1,2\nb,3,4\n'}),
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    assert completed(platform, job) == {"a.csv.out": b'"x, y",3\nb,7\n'}


def test_json_lines_are_joined_under_the_name_of_the_output(platform: Running, echo: str) -> None:
    job = start(
        platform,
        echo,
        put(platform, {"a.jsonl": b'{"id":1,"features":[1,2]}\n{"id":2,"features":[3]}\n'}),
        ContentType="application/jsonlines",
        Accept="application/jsonlines",
        DataProcessing={
            "InputFilter": "$.features",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    )
    lines = completed(platform, job)["a.jsonl.out"].splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": 1, "SageMakerOutput": [1, 2]},
        {"id": 2, "SageMakerOutput": [3]},
    ]


def test_several_instances_share_the_objects(platform: Running, sums: str) -> None:
    bodies = {f"{number}.csv": f"{number},1\n".encode() for number in range(5)}
    manifest = jobs.upload(
        platform,
        f"{jobs.name('manifest')}.json",
        json.dumps([{"prefix": put(platform, bodies)}, *bodies]).encode(),
    )
    job = start(platform, sums, manifest, S3DataType="ManifestFile", InstanceCount=2)
    assert completed(platform, job) == {f"{number}.csv.out": f"{number + 1}\n".encode() for number in range(5)}
    assert len(data_log(platform, job)) == 2


def test_what_was_captured_is_listed_by_hour_and_outputs_have_ids(platform: Running, sums: str) -> None:
    destination = f"s3://{jobs.BUCKET}/{jobs.name('capture')}"
    uri = put(platform, {"a.csv": b"1,2\n3,4\n"})
    capture = {"DestinationS3Uri": destination, "GenerateInferenceId": True}
    job = start(platform, sums, uri, DataCaptureConfig=capture)
    rows = [line.split(",") for line in completed(platform, job)["a.csv.out"].decode().splitlines()]
    assert [row[0] for row in rows] == ["3", "7"]
    assert len({row[1] for row in rows}) == 2
    s3 = platform.client("s3")
    started = platform.client("sagemaker").describe_transform_job(TransformJobName=job)["TransformStartTime"]
    prefix = destination.removeprefix(f"s3://{jobs.BUCKET}/")
    found = {
        each["Key"].removeprefix(f"{prefix}/"): s3.get_object(Bucket=jobs.BUCKET, Key=each["Key"])["Body"].read()
        for each in s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=f"{prefix}/")["Contents"]
    }
    hours = {key.partition("/")[2].rpartition("/")[0] for key in found}
    assert len(hours) == 1
    assert hours.pop().startswith(f"{started:%Y}/")
    manifests = {key.partition("/")[0]: json.loads(body) for key, body in found.items()}
    assert manifests == {
        "input": [{"prefix": uri}, "a.csv"],
        "output": [{"prefix": f"s3://{jobs.BUCKET}/{job}/out/"}, "a.csv.out"],
    }


def test_a_broken_record_fails_its_object_and_the_job_but_not_the_others(platform: Running, echo: str) -> None:
    uri = put(platform, {"bad": b"broken\n", "good": b"fine\n", "large": b"x" * ((1 << 20) + 1)})
    config = {"InvocationsMaxRetries": 0}
    job = start(platform, echo, uri, MaxPayloadInMB=1, ModelClientConfig=config)
    described = wait(platform, job)
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: See job logs for more information. 2 of 3 objects")
    assert "a broken record" in described["FailureReason"]
    assert outputs(platform, job) == {"good.out": b"fine\n"}
    log = "\n".join(data_log(platform, job))
    prefix = uri.removeprefix("s3://")
    assert f"{prefix}bad: Bad HTTP status received from algorithm: 500" in log
    assert f"{prefix}large: ClientError: Too much data for max payload size" in log


def test_a_model_that_does_not_load_fails_the_job(platform: Running) -> None:
    broken = model(platform, "def model_fn(model_dir):\n    raise ValueError('no weights')\n")
    described = wait(platform, start(platform, broken, put(platform, {"a": b"1\n"})))
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: See job logs for more information")
    assert "no weights" in described["FailureReason"]


def test_input_that_is_not_there_fails_the_job(platform: Running, echo: str) -> None:
    described = wait(platform, start(platform, echo, f"s3://{jobs.BUCKET}/nobody/"))
    assert described["TransformJobStatus"] == "Failed"
    assert "No S3 objects found" in described["FailureReason"]


# Answers the first batches and then waits for an object that the test puts there.
GATED = """
import os, time, urllib.request
import boto3
def model_fn(model_dir):
    return boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"])
def input_fn(body, content_type):
    return body
def predict_fn(body, s3):
    if body.startswith("wait"):
        print("waiting", flush=True)
        while not s3.list_objects_v2(Bucket=os.environ["BUCKET"], Prefix=os.environ["GATE"]).get("KeyCount"):
            time.sleep(0.05)
    return body
def output_fn(body, accept):
    return body, accept
"""


class Gate:
    """A model that waits at an object which begins with `wait`."""

    def __init__(self, platform: Running) -> None:
        self.platform = platform
        self.key = jobs.name("gate")
        self.model = model(platform, GATED)

    def start(self, objects: dict[str, bytes], **changes: Any) -> str:
        """Start a job and wait until the model waits."""
        environment = {"GATE": self.key, "BUCKET": jobs.BUCKET}
        job = start(self.platform, self.model, put(self.platform, objects), Environment=environment, **changes)
        while "waiting" not in self.lines(job):
            time.sleep(0.1)
        return job

    def lines(self, job: str) -> list[str]:
        try:
            return jobs.log_lines(self.platform, GROUP, f"{job}/")
        except ClientError:
            return []

    def open(self) -> None:
        jobs.upload(self.platform, self.key, b"open")

    def pids(self, name: str) -> list[int]:
        return [each["pid"] for each in self.platform.status()["processes"] if each["name"] == name]


def test_a_job_that_is_stopped_ends_without_the_output_of_what_it_was_at(platform: Running) -> None:
    gate = Gate(platform)
    job = gate.start({"a": b"1\n", "b": b"wait\n"})
    client = platform.client("sagemaker")
    client.stop_transform_job(TransformJobName=job)
    assert wait(platform, job)["TransformJobStatus"] == "Stopped"
    assert "b.out" not in outputs(platform, job)
    assert not gate.pids(f"agent:{job}") + gate.pids(f"job:{job}")
    with pytest.raises(ClientError, match="is in status Stopped"):
        client.stop_transform_job(TransformJobName=job)


def test_a_killed_agent_costs_no_row_and_doubles_none(new_platform: Callable[..., Running]) -> None:
    platform = new_platform()
    gate = Gate(platform)
    objects = {"a": b"1\n2\n", "b": b"wait\n3\n", "c": b"4\n"}
    job = gate.start(objects)
    written = platform.client("s3").head_object(Bucket=jobs.BUCKET, Key=f"{job}/out/a.out")
    for pid in gate.pids("api") + gate.pids(f"agent:{job}"):
        os.kill(pid, signal.SIGKILL)
    gate.open()
    assert completed(platform, job) == {f"{name}.out": body for name, body in objects.items()}
    again = platform.client("s3").head_object(Bucket=jobs.BUCKET, Key=f"{job}/out/a.out")
    assert again["LastModified"] == written["LastModified"]


def test_a_model_server_that_is_killed_fails_the_job(platform: Running) -> None:
    gate = Gate(platform)
    job = gate.start({"a": b"wait\n"})
    for pid in gate.pids(f"job:{job}"):
        os.kill(pid, signal.SIGKILL)
    described = wait(platform, job)
    assert described["TransformJobStatus"] == "Failed"
    assert "The model server ended with exit code 137" in described["FailureReason"]
    assert outputs(platform, job) == {}
