"""What a demanding user of the AWS CLI does beyond the example."""

import base64
import json
import os
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running, environment_python

BUCKET = "cli-tests"


class Cli:
    """The AWS CLI, pointed at a platform."""

    def __init__(self, platform: Running, folder: Path) -> None:
        self._platform = platform
        self._aws = str(Path(environment_python("aws-cli")).with_name("aws"))
        self.folder = folder

    def __call__(self, *words: str) -> str:
        """What a command that must succeed prints."""
        ended = self._platform.run([self._aws, *words], cwd=self.folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.strip()

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--output", "json"))

    def refused(self, *words: str) -> str:
        """What a command that must fail says."""
        ended = self._platform.run([self._aws, *words], cwd=self.folder)
        assert ended.returncode != 0, ended.stdout
        return ended.stderr.strip()


@pytest.fixture(scope="module")
def aws(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    cli = Cli(platform, tmp_path_factory.mktemp("cli"))
    cli("s3", "mb", f"s3://{BUCKET}")
    return cli


def create_job(aws: Cli, job: str, command: str, *words: str) -> None:
    specification = {
        "TrainingImage": jobs.IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c", command],
    }
    aws(
        "sagemaker",
        "create-training-job",
        "--training-job-name",
        job,
        "--algorithm-specification",
        json.dumps(specification),
        "--role-arn",
        jobs.ROLE,
        "--output-data-config",
        f"S3OutputPath=s3://{BUCKET}/out",
        "--resource-config",
        "InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1",
        "--stopping-condition",
        "MaxRuntimeInSeconds=600",
        *words,
    )


def test_a_job_is_created_waited_for_described_and_its_log_read(aws: Cli, platform: Running) -> None:
    job = jobs.name("cli")
    create_job(aws, job, "echo one; echo zwei \N{SNOWMAN}", "--tags", "Key=team,Value=red", "--environment", "A=b,C=d")
    jobs.wait_job(platform, job)
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", job)
    described = aws(
        "sagemaker",
        "describe-training-job",
        "--training-job-name",
        job,
        "--query",
        "[TrainingJobStatus, Environment.C, SecondaryStatusTransitions[-1].Status]",
        "--output",
        "text",
    )
    assert described.split() == ["Completed", "d", "Completed"]
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{job}"
    assert aws.json("sagemaker", "list-tags", "--resource-arn", arn)["Tags"] == [{"Key": "team", "Value": "red"}]
    group = "/aws/sagemaker/TrainingJobs"
    stream = aws(
        "logs",
        "describe-log-streams",
        "--log-group-name",
        group,
        "--log-stream-name-prefix",
        f"{job}/",
        "--query",
        "logStreams[0].logStreamName",
        "--output",
        "text",
    )
    events = aws.json("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream)["events"]
    assert [event["message"] for event in events] == ["one", "zwei \N{SNOWMAN}"]
    found = aws.json(
        "logs", "filter-log-events", "--log-group-name", group, "--log-stream-names", stream, "--filter-pattern", "zwei"
    )
    assert [event["message"] for event in found["events"]] == ["zwei \N{SNOWMAN}"]


def test_jobs_are_listed_by_filters_and_pages(aws: Cli, platform: Running) -> None:
    prefix = jobs.name("cli-list")
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        create_job(aws, name, "exit 3" if name.endswith("1") else "true")
    for name in names:
        jobs.wait_job(platform, name)
    listing = ("sagemaker", "list-training-jobs", "--name-contains", prefix, "--sort-by", "Name")
    every = aws(*listing, "--page-size", "1", "--query", "TrainingJobSummaries[].TrainingJobName", "--output", "text")
    assert every.split() == names
    failed = aws.json(*listing, "--status-equals", "Failed")["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in failed] == names[1:2]
    first = aws.json(*listing, "--max-items", "2")
    rest = aws.json(*listing, "--starting-token", first["NextToken"])
    assert [each["TrainingJobName"] for each in first["TrainingJobSummaries"] + rest["TrainingJobSummaries"]] == names
    later = aws.json(*listing, "--creation-time-after", "2999-01-01T00:00:00Z")
    assert later["TrainingJobSummaries"] == []


def test_what_is_wrong_is_said_in_awss_words(aws: Cli) -> None:
    absent = aws.refused("sagemaker", "describe-training-job", "--training-job-name", "no-such-job")
    assert "An error occurred (ValidationException) when calling the DescribeTrainingJob operation" in absent
    assert "Requested resource not found." in absent
    assert "NoSuchBucket" in aws.refused("s3", "ls", "s3://no-such-bucket-anywhere")
    assert "(404)" in aws.refused("s3", "cp", f"s3://{BUCKET}/no-such-key", "-")
    refused = aws.refused("sagemaker", "list-training-jobs", "--max-results", "101")
    assert "less than or equal to 100" in refused


def test_folders_are_synchronised_copied_and_removed(aws: Cli) -> None:
    folder = aws.folder / "sync"
    (folder / "deep er").mkdir(parents=True)
    (folder / "a.csv").write_text("1\n")
    (folder / "deep er" / "b \N{SNOWMAN}+&.txt").write_text("2\n")
    (folder / "skipped.tmp").write_text("3\n")
    for path in folder.rglob("*.*"):
        os.utime(path, (1e9, 1e9))  # S3 dates objects in whole seconds: a file of the same second would count as newer.
    target = f"s3://{BUCKET}/sync"
    aws("s3", "sync", str(folder), target, "--exclude", "*.tmp")
    assert aws("s3", "sync", str(folder), target, "--exclude", "*.tmp") == ""
    back = aws.folder / "back"
    aws("s3", "cp", target, str(back), "--recursive")
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*") if path.is_file()) == [
        "a.csv",
        "deep er/b \N{SNOWMAN}+&.txt",
    ]
    (folder / "a.csv").unlink()
    aws("s3", "sync", str(folder), target, "--exclude", "*.tmp", "--delete")
    assert "a.csv" not in aws("s3", "ls", target, "--recursive")
    aws("s3", "mv", f"{target}/deep er/b \N{SNOWMAN}+&.txt", f"{target}/moved.txt")
    assert aws("s3", "cp", f"{target}/moved.txt", "-") == "2"
    aws("s3", "rm", target, "--recursive")
    assert aws.json("s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", "sync").get("Contents") is None


def test_a_presigned_address_is_good_for_anyone_until_it_is_altered(aws: Cli) -> None:
    note = aws.folder / "note.txt"
    note.write_text("to be shared")
    aws("s3", "cp", str(note), f"s3://{BUCKET}/note.txt")
    url = aws("s3", "presign", f"s3://{BUCKET}/note.txt", "--expires-in", "60")
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"to be shared"
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url.replace("note.txt", "other.txt"))
    assert raised.value.code == 403
    assert b"SignatureDoesNotMatch" in raised.value.read()


def test_who_one_is(aws: Cli) -> None:
    identity = aws.json("sts", "get-caller-identity")
    assert identity["Account"] == "123456789012"
    assert ":assumed-role/" in identity["Arn"]


def test_secrets_are_encrypted_and_decrypted(aws: Cli) -> None:
    secret = aws.folder / "secret"
    secret.write_bytes(b"\x00secret\xff")
    key = aws("kms", "create-key", "--query", "KeyMetadata.KeyId", "--output", "text")
    encrypted = aws("kms", "encrypt", "--key-id", key, "--plaintext", f"fileb://{secret}", "--query", "CiphertextBlob")
    blob = aws.folder / "blob"
    blob.write_bytes(base64.b64decode(encrypted.strip('"')))
    decrypted = aws.json("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}")
    assert base64.b64decode(decrypted["Plaintext"]) == b"\x00secret\xff"
    assert decrypted["KeyId"].endswith(key)
    blob.write_bytes(b"nonsense")
    assert "InvalidCiphertextException" in aws.refused("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}")


def test_an_endpoint_is_invoked_from_files(aws: Cli, platform: Running) -> None:
    name = jobs.endpoint(
        platform, {"inference.py": "def model_fn(d): pass\ndef transform_fn(m, b, c, a): return b, a\n"}
    )
    assert jobs.wait_endpoint(platform, name)["EndpointStatus"] == "InService"
    aws("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", name)
    body, answer = aws.folder / "body", aws.folder / "answer"
    body.write_bytes(b"\x00\x01 raw \xff")
    given = aws.json(
        "sagemaker-runtime",
        "invoke-endpoint",
        "--endpoint-name",
        name,
        "--content-type",
        "application/octet-stream",
        "--accept",
        "application/octet-stream",
        "--body",
        f"fileb://{body}",
        str(answer),
    )
    assert given["InvokedProductionVariant"] == "AllTraffic"
    assert answer.read_bytes() == body.read_bytes()
    jobs.delete_endpoint(platform, name)
    aws("sagemaker", "wait", "endpoint-deleted", "--endpoint-name", name)
    assert "not found" in aws.refused(
        "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", name, "--body", f"fileb://{body}", str(answer)
    )


def test_metrics_are_put_listed_and_summed_up(aws: Cli) -> None:
    space = jobs.name("Cli")
    put = ("cloudwatch", "put-metric-data", "--namespace", space)
    aws(*put, "--metric-name", "requests", "--value", "3", "--unit", "Count", "--dimensions", "Host=a")
    aws(*put, "--metric-name", "requests", "--value", "5", "--unit", "Count", "--dimensions", "Host=a")
    (listed,) = aws.json("cloudwatch", "list-metrics", "--namespace", space)["Metrics"]
    assert listed["Dimensions"] == [{"Name": "Host", "Value": "a"}]
    asked = {"Metric": {"Namespace": space, "MetricName": "requests", "Dimensions": listed["Dimensions"]}}
    query = [{"Id": "sum", "MetricStat": {**asked, "Period": 3600, "Stat": "Sum"}}]
    now = datetime.now(UTC)
    times = (
        "--start-time",
        (now - timedelta(minutes=30)).isoformat(),
        "--end-time",
        (now + timedelta(hours=1)).isoformat(),
    )
    data = aws.json("cloudwatch", "get-metric-data", "--metric-data-queries", json.dumps(query), *times)
    assert data["MetricDataResults"][0]["Values"] == [8.0]
    said = aws.refused(*put, "--metric-name", "requests", "--value", "NaN")
    assert "InvalidParameterValue" in said
    assert "MetricData.member.1.Value is invalid" in said
