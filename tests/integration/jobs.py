"""Training jobs and endpoints as these tests make them: boto3's calls with the parts that differ."""

import http.client
import io
import json
import tarfile
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.integration.conftest import Running

ROLE = "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "test-jobs"
ENDED = ("Completed", "Failed", "Stopped")


def sent_raw(platform: Running, operation: str, body: bytes, region: str = "us-east-1") -> tuple[int, dict[str, Any]]:
    """A signed request with a body that boto3 would not send."""
    request = AWSRequest(
        "POST",
        platform.url + "/",
        headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"},
        data=body,
    )
    keys = Credentials(platform.variables["AWS_ACCESS_KEY_ID"], platform.variables["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "sagemaker", region).add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(platform.url).netloc)
    connection.request("POST", "/", body, dict(request.headers.items()))
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def name(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def archive(files: dict[str, str | bytes]) -> bytes:
    """A .tar.gz of some files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def upload(platform: Running, key: str, body: bytes) -> str:
    """Put an object into the tests' bucket and return its URI."""
    s3 = platform.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def script_job(platform: Running, script: str, **changes: Any) -> str:
    """Start a script-mode training job of one file and return its name."""
    job = name("job")
    source = upload(platform, f"{job}/source/sourcedir.tar.gz", archive({"train.py": script}))
    hyperparameters = {"sagemaker_program": json.dumps("train.py"), "sagemaker_submit_directory": json.dumps(source)}
    return start_job(
        platform, job, HyperParameters={**hyperparameters, **changes.pop("HyperParameters", {})}, **changes
    )


def shell_job(platform: Running, command: str, metrics: dict[str, str] | None = None, **changes: Any) -> str:
    """Start a training job that runs a shell command and return its name.

    Args:
        metrics: regular expressions by the names of metrics.
    """
    specification: dict[str, Any] = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c", command],
    }
    if metrics:
        specification["MetricDefinitions"] = [{"Name": name, "Regex": regex} for name, regex in metrics.items()]
    return start_job(platform, name("job"), AlgorithmSpecification=specification, **changes)


def start_job(platform: Running, job: str, **changes: Any) -> str:
    """CreateTrainingJob with the least that it needs."""
    platform.client("s3").create_bucket(Bucket=BUCKET)
    request: dict[str, Any] = {
        "TrainingJobName": job,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **changes,
    }
    platform.client("sagemaker").create_training_job(**request)
    return job


def channel(uri: str, channel_name: str = "train", data_type: str = "S3Prefix") -> dict[str, Any]:
    return {"ChannelName": channel_name, "DataSource": {"S3DataSource": {"S3DataType": data_type, "S3Uri": uri}}}


def wait_job(platform: Running, job: str, region: str = "us-east-1") -> dict[str, Any]:
    """The job's description once it has ended."""
    client = platform.client("sagemaker", region_name=region)
    while (described := client.describe_training_job(TrainingJobName=job))["TrainingJobStatus"] not in ENDED:
        time.sleep(0.1)
    return described


def log_lines(platform: Running, group: str, prefix: str, region: str = "us-east-1") -> list[str]:
    """All lines of the streams whose names begin with a prefix."""
    logs = platform.client("logs", region_name=region)
    lines: list[str] = []
    for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]:
        token: dict[str, str] = {}
        while True:
            page = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, **token
            )
            lines += [event["message"] for event in page["events"]]
            if token.get("nextToken") == page["nextForwardToken"]:
                break
            token = {"nextToken": page["nextForwardToken"]}
    return lines


def job_log(platform: Running, job: str, region: str = "us-east-1") -> list[str]:
    return log_lines(platform, "/aws/sagemaker/TrainingJobs", f"{job}/", region)


def endpoint(
    platform: Running,
    files: dict[str, str | bytes],
    model_data: bytes | None = None,
    region: str = "us-east-1",
    variables: Mapping[str, str] | None = None,
    **changes: Any,
) -> str:
    """Create model, configuration and endpoint of one name and return it; does not wait.

    Args:
        variables: of the model's environment, besides those that name its program.
        changes: further members of the production variant; None for one that it is not to have.
    """
    called = name("ep")
    data = upload(
        platform, f"{called}/model.tar.gz", model_data if model_data is not None else archive({"weights": "1"})
    )
    source = upload(platform, f"{called}/sourcedir.tar.gz", archive(files))
    client = platform.client("sagemaker", region_name=region)
    client.create_model(
        ModelName=called,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": data,
            "Environment": {
                "SAGEMAKER_PROGRAM": next(iter(files)),
                "SAGEMAKER_SUBMIT_DIRECTORY": source,
                **(variables or {}),
            },
        },
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": called,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m4.xlarge",
        **changes,
    }
    variant = {member: value for member, value in variant.items() if value is not None}
    client.create_endpoint_config(EndpointConfigName=called, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    return called


def serverless(**changes: Any) -> dict[str, Any]:
    """The members of a variant for `endpoint` that make it serverless."""
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 5, **changes}
    return {"InitialInstanceCount": None, "InstanceType": None, "ServerlessConfig": config}


def wait_endpoint(platform: Running, called: str, region: str = "us-east-1") -> dict[str, Any]:
    """The endpoint's description once it is no longer on its way."""
    client = platform.client("sagemaker", region_name=region)
    while (described := client.describe_endpoint(EndpointName=called))["EndpointStatus"] in ("Creating", "Updating"):
        time.sleep(0.1)
    return described


def delete_endpoint(platform: Running, called: str, region: str = "us-east-1") -> None:
    client = platform.client("sagemaker", region_name=region)
    client.delete_endpoint(EndpointName=called)
    client.get_waiter("endpoint_deleted").wait(EndpointName=called, WaiterConfig={"Delay": 1})
    client.delete_endpoint_config(EndpointConfigName=called)
    client.delete_model(ModelName=called)
