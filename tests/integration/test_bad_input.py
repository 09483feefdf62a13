"""What users do wrong: AWS's error, or a Failed status that says what to mend, and nothing left behind."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

ECHO = """
def model_fn(model_dir):
    return None

def predict_fn(data, model):
    return data
"""
HANGS = """
import time

def model_fn(model_dir):
    print("loading for ever", flush=True)
    time.sleep(100_000)
"""
STARTUP_SECONDS = 60
"""The shortest ContainerStartupHealthCheckTimeoutInSeconds that the API allows."""


def refused(call: Callable[[], Any]) -> tuple[str, str, int]:
    """Code, message and HTTP status of the error that a call ends with."""
    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response["Error"]
    return error["Code"], error["Message"], raised.value.response["ResponseMetadata"]["HTTPStatusCode"]


def traces(platform: Running, name: str) -> list[str]:
    """What there is of a job or an endpoint on this machine and in the object store, besides its log."""
    found = [each["name"] for each in platform.status()["processes"] if name in each["name"]]
    for directory in (platform.data / "tasks").glob("*"):
        try:
            label = json.loads((directory / "spec.json").read_text())["label"]
        except FileNotFoundError:
            continue  # It is being removed just now.
        found += [f"task {directory.name}"] if label == name else []
    listed = platform.client("s3").list_objects_v2(Bucket=jobs.BUCKET, Prefix=f"output/{name}/")
    return found + [each["Key"] for each in listed.get("Contents", [])]


def wait_until_gone(platform: Running, name: str) -> None:
    """Until nothing of it is left; what became of it is stored before its remains are swept."""
    while traces(platform, name):
        time.sleep(0.05)


def failed_job(platform: Running, job: str) -> str:
    """The reason of a job that fails, once it has left nothing."""
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Failed"
    wait_until_gone(platform, job)
    return str(described["FailureReason"])


def failed_endpoint(platform: Running, name: str) -> str:
    """The reason of an endpoint that fails, once it has left nothing."""
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "Failed"
    code, message, _ = refused(lambda: invoke(platform, name, b"[1]"))
    assert (code, message) == ("ValidationError", f"Endpoint {name} of account 123456789012 not found.")
    wait_until_gone(platform, name)
    jobs.delete_endpoint(platform, name)
    return str(described["FailureReason"])


def invoke(platform: Running, name: str, body: bytes, content_type: str = "application/json") -> bytes:
    runtime = platform.client("sagemaker-runtime")
    return runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type)["Body"].read()


@pytest.fixture(scope="module", autouse=True)
def hanging(platform: Running) -> str:
    """An endpoint whose model is never loaded; made first, for its time runs while other tests do."""
    return jobs.endpoint(platform, {"inference.py": HANGS}, ContainerStartupHealthCheckTimeoutInSeconds=STARTUP_SECONDS)


@pytest.fixture(scope="module")
def echoing(platform: Running) -> str:
    name = jobs.endpoint(platform, {"inference.py": ECHO})
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def broken(:\n    pass\n", "SyntaxError"),
        ("raise ValueError('no such luck')\n", "no such luck"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("import sys; sys.exit(3)\n", "ExitCode 3"),
    ],
    ids=["syntax error", "raises", "cannot import", "exit code"],
)
def test_a_script_that_fails_leaves_its_reason_and_nothing_else(platform: Running, script: str, reason: str) -> None:
    said = failed_job(platform, jobs.script_job(platform, script))
    assert said.startswith("AlgorithmError: ")
    assert reason in said


def test_a_script_that_is_not_in_its_archive_is_named(platform: Running) -> None:
    job = jobs.name("job")
    source = jobs.upload(platform, f"{job}/sourcedir.tar.gz", jobs.archive({"other.py": ""}))
    parameters = {"sagemaker_program": json.dumps("train.py"), "sagemaker_submit_directory": json.dumps(source)}
    assert "train.py" in failed_job(platform, jobs.start_job(platform, job, HyperParameters=parameters))


def test_a_source_archive_that_is_not_there_is_named(platform: Running) -> None:
    source = f"s3://{jobs.BUCKET}/no/such/sourcedir.tar.gz"
    parameters = {"sagemaker_program": json.dumps("train.py"), "sagemaker_submit_directory": json.dumps(source)}
    job = jobs.start_job(platform, jobs.name("job"), HyperParameters=parameters)
    assert failed_job(platform, job).startswith("AlgorithmError: ")


@pytest.mark.parametrize("uri", [f"s3://{jobs.BUCKET}/nothing/here", "s3://no-such-bucket-anywhere/x"])
def test_a_channel_that_points_at_nothing_is_named(platform: Running, uri: str) -> None:
    said = failed_job(platform, jobs.shell_job(platform, "true", InputDataConfig=[jobs.channel(uri)]))
    assert said.startswith("ClientError: Data download failed")
    assert uri in said


def test_a_bucket_for_the_output_that_does_not_exist_is_named(platform: Running) -> None:
    output = {"S3OutputPath": "s3://no-such-bucket-anywhere/output"}
    job = jobs.shell_job(platform, "echo 1 > /opt/ml/model/weights", OutputDataConfig=output)
    said = failed_job(platform, job)
    assert said.startswith("ClientError: Artifact upload failed")
    assert "no-such-bucket-anywhere" in said


def test_an_image_that_has_no_runtime_is_accepted_and_fails_its_job_naming_it(platform: Running) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/my-own:1"
    specification = {"TrainingImage": image, "TrainingInputMode": "File"}
    job = jobs.start_job(platform, jobs.name("job"), AlgorithmSpecification=specification)
    assert image in failed_job(platform, job)


@pytest.mark.parametrize("value", [b"5", b"0.5", b"true", b"null", b'["5"]', b'{"a": "5"}'])
def test_a_hyperparameter_that_is_not_a_string_cannot_be_read(platform: Running, value: bytes) -> None:
    job = jobs.name("job")
    request = {
        "TrainingJobName": job,
        "AlgorithmSpecification": {"TrainingImage": jobs.IMAGE, "TrainingInputMode": "File"},
        "RoleArn": jobs.ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{jobs.BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "HyperParameters": {"depth": "@"},
    }
    status, answer = jobs.sent_raw(platform, "CreateTrainingJob", json.dumps(request).encode().replace(b'"@"', value))
    assert (status, answer["__type"].rpartition("#")[2]) == (400, "SerializationException")
    assert not platform.client("sagemaker").list_training_jobs(NameContains=job)["TrainingJobSummaries"]
    assert not traces(platform, job)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("role", {"RoleArn": "arn:aws:iam::123456789012:nothing-at-all"}, "regular expression pattern"),
    ("role of no account", {"RoleArn": "SageMakerExecutionRole-is-my-role"}, "regular expression pattern"),
    (
        "instance type",
        {"ResourceConfig": {"InstanceType": "ml.none.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        "Member must satisfy enum value set",
    ),
    ("output that is no S3 URI", {"OutputDataConfig": {"S3OutputPath": "/tmp/output"}}, "regular expression pattern"),
    ("name twice among channels", {"InputDataConfig": [jobs.channel("s3://b/k"), jobs.channel("s3://b/k")]}, "unique"),
]


@pytest.mark.parametrize(("changes", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_request_that_cannot_be_done_is_refused_and_stores_nothing(
    platform: Running, changes: dict[str, Any], words: str
) -> None:
    job = jobs.name("refused")
    code, message, status = refused(lambda: jobs.start_job(platform, job, **changes))
    assert (code, status) == ("ValidationException", 400)
    assert words in message
    assert not platform.client("sagemaker").list_training_jobs(NameContains=job)["TrainingJobSummaries"]
    assert not traces(platform, job)


def test_a_name_that_is_taken_leaves_the_first_job_as_it_is(platform: Running) -> None:
    job = jobs.shell_job(platform, "echo first > /opt/ml/model/first")
    code, message, status = refused(lambda: jobs.start_job(platform, job, HyperParameters={"second": "yes"}))
    assert (code, status) == ("ResourceInUse", 400)
    assert f"training-job/{job}" in message
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed"
    assert "HyperParameters" not in described


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"this is no archive", "is not a tar archive"),
        (b"", "is not a tar archive"),
        (jobs.archive({"../../etc/x": "x"}), "'../../etc/x' leads out of the folder"),
        (jobs.archive({"weights": "1" * 4096})[:-20], "is not a tar archive, or a damaged one"),
    ],
    ids=["no tar", "empty", "climbs out", "cut off"],
)
def test_a_model_artifact_that_cannot_be_unpacked_fails_its_endpoint(
    platform: Running, model: bytes, reason: str
) -> None:
    said = failed_endpoint(platform, jobs.endpoint(platform, {"inference.py": ECHO}, model))
    assert said.startswith("ClientError: Failed to extract the model artifact s3://")
    assert reason in said


def sparse_archive(folder: Path) -> bytes:
    """10 GB of nothing, as GNU tar packs them."""
    with (folder / "weights").open("wb") as file:
        file.truncate(10 << 30)
    subprocess.run(["tar", "-C", str(folder), "-Sczf", str(folder / "model.tar.gz"), "weights"], check=True)
    return (folder / "model.tar.gz").read_bytes()


def test_a_sparse_file_larger_than_the_variant_s_volume_is_refused(platform: Running, tmp_path: Path) -> None:
    name = jobs.endpoint(platform, {"inference.py": ECHO}, sparse_archive(tmp_path), VolumeSizeInGB=5)
    said = failed_endpoint(platform, name)
    assert f"at 'weights' its files amount to more than the {5 << 30} bytes that may be used" in said


def test_a_model_artifact_that_is_not_there_is_named(platform: Running) -> None:
    name = jobs.name("ep")
    client = platform.client("sagemaker")
    container = {"Image": jobs.IMAGE, "ModelDataUrl": f"s3://{jobs.BUCKET}/no/such/model.tar.gz"}
    client.create_model(ModelName=name, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    variant = {"VariantName": "one", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert container["ModelDataUrl"] in failed_endpoint(platform, name)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def model_fn(model_dir):\n    raise KeyError('the weights are gone')\n", "KeyError: 'the weights are gone'"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
    ],
    ids=["raises", "cannot import"],
)
def test_a_model_that_cannot_be_loaded_fails_the_health_check_with_its_traceback(
    platform: Running, script: str, reason: str
) -> None:
    said = failed_endpoint(platform, jobs.endpoint(platform, {"inference.py": script}))
    assert said.startswith(
        "The primary container for production variant AllTraffic did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    assert reason in said


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"a,b", "image/png"), (b"{", "application/json"), (b"", "text/csv")]
)
def test_an_invocation_that_the_model_cannot_read_is_its_error_and_harms_nothing(
    platform: Running, echoing: str, body: bytes, content_type: str
) -> None:
    code, message, status = refused(lambda: invoke(platform, echoing, body, content_type))
    assert (code, status) == ("ModelError", 424)
    assert message.startswith("Received client error (4")
    assert json.loads(invoke(platform, echoing, b"[1]")) == [1]


def test_an_invocation_of_seven_megabytes_is_refused_by_its_length(platform: Running, echoing: str) -> None:
    _, message, status = refused(lambda: invoke(platform, echoing, b" " * (7 << 20)))
    assert (message, status) == ("HTTP content length exceeded 6291456 bytes.", 413)
    assert json.loads(invoke(platform, echoing, b"[1]")) == [1]


def test_an_endpoint_that_is_creating_answers_nothing_and_can_be_deleted(platform: Running) -> None:
    name = jobs.endpoint(platform, {"inference.py": HANGS})
    while not any(each["name"] == f"model:{name}" for each in platform.status()["processes"]):
        time.sleep(0.05)
    code, message, _ = refused(lambda: invoke(platform, name, b"[1]"))
    assert (code, message) == ("ValidationError", f"Endpoint {name} of account 123456789012 not found.")
    client = platform.client("sagemaker")
    code, message, _ = refused(lambda: client.update_endpoint(EndpointName=name, EndpointConfigName=name))
    assert (code, "Cannot update in-progress endpoint" in message) == ("ValidationException", True)
    jobs.delete_endpoint(platform, name)
    assert not traces(platform, name)
    assert not client.list_endpoints(NameContains=name)["Endpoints"]


def test_a_deleted_endpoint_answers_nothing_and_is_not_deleted_twice(platform: Running) -> None:
    name = jobs.endpoint(platform, {"inference.py": ECHO})
    assert jobs.wait_endpoint(platform, name)["EndpointStatus"] == "InService"
    jobs.delete_endpoint(platform, name)
    code, message, _ = refused(lambda: invoke(platform, name, b"[1]"))
    assert (code, message) == ("ValidationError", f"Endpoint {name} of account 123456789012 not found.")
    client = platform.client("sagemaker")
    code, message, _ = refused(lambda: client.delete_endpoint(EndpointName=name))
    assert (code, message) == (
        "ValidationException",
        f'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}".',
    )
    assert not traces(platform, name)


def test_an_endpoint_of_what_does_not_exist_is_refused(platform: Running) -> None:
    client = platform.client("sagemaker")
    name = jobs.name("ep")
    variant = {"VariantName": "one", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    code, message, _ = refused(
        lambda: client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    )
    assert (code, message) == (
        "ValidationException",
        f'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/{name}".',
    )
    code, message, _ = refused(lambda: client.create_endpoint(EndpointName=name, EndpointConfigName=name))
    assert (code, message) == (
        "ValidationException",
        f'Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{name}".',
    )
    assert not client.list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    assert not client.list_endpoints(NameContains=name)["Endpoints"]


def test_a_model_that_is_never_loaded_fails_when_its_time_to_start_is_over(platform: Running, hanging: str) -> None:
    said = failed_endpoint(platform, hanging)
    assert said.startswith("The primary container for production variant AllTraffic did not pass the ping health check")
    assert f"within {STARTUP_SECONDS} seconds" in said
    assert "loading for ever" in said
