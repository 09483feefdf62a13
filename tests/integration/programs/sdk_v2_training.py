"""Training with the SageMaker SDK v2, beyond the quickstart."""

import json
import os
import tarfile
import tempfile
import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn import SKLearn
from steps import refusal, step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
prefix = f"s3://{bucket}/v2-{os.getpid()}"
WORDS = 'it\'s "quoted" $HOME `id`\nsecond line \N{SNOWMAN} \\ end'
estimators = {}


def artifact(estimator):
    with tempfile.TemporaryDirectory() as folder:
        S3Downloader.download(estimator.model_data, folder, sagemaker_session=session)
        with tarfile.open(Path(folder, "model.tar.gz")) as tar:
            return json.load(tar.extractfile("seen.json"))


def ended(name):
    while (found := client.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] in (
        "InProgress",
        "Stopping",
    ):
        time.sleep(0.2)
    return found


@step
def start_a_rich_job():
    S3Uploader.upload_string_as_file_body("1,2\n3,4\n", f"{prefix}/in/a/rows.csv", sagemaker_session=session)
    S3Uploader.upload_string_as_file_body("5,6\n", f"{prefix}/in/b/deep/rows.csv", sagemaker_session=session)
    manifest = json.dumps([{"prefix": f"{prefix}/in/"}, "a/rows.csv", "b/deep/rows.csv"])
    S3Uploader.upload_string_as_file_body(manifest, f"{prefix}/in.manifest", sagemaker_session=session)
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=str(HERE / "source"),
        dependencies=[str(HERE / "library" / "shared_helper.py")],
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        base_job_name="rich",
        hyperparameters={"depth": 5, "rate": 0.125, "words": WORDS, "flag": True, "layers": [1, "two", 3.5]},
        metric_definitions=[
            {"Name": "loss", "Regex": r"loss=([0-9.e\-]+)"},
            {"Name": "accuracy", "Regex": "accuracy=(.*?);"},
            {"Name": "never", "Regex": "never=(.*?);"},
        ],
        output_path=f"{prefix}/out",
        code_location=f"{prefix}/code",
        environment={"COLOUR": "blue"},
        tags=[{"Key": "team", "Value": "red"}],
        max_run=1234,
        volume_size=10,
        enable_sagemaker_metrics=False,
    )
    estimator.fit(
        {
            "train": TrainingInput(f"{prefix}/in/a", content_type="text/csv"),
            "listed": TrainingInput(f"{prefix}/in.manifest", s3_data_type="ManifestFile"),
            "sharded": TrainingInput(f"{prefix}/in/", distribution="ShardedByS3Key", input_mode="File"),
        },
        wait=False,
    )
    estimators["rich"] = estimator
    return estimator.latest_training_job.name


@step
def start_a_job_that_is_stopped():
    estimator = Estimator(
        image_uri=sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1"),
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        container_entry_point=["/bin/sh", "-c", "echo begun; exec sleep 600"],
    )
    estimator.fit(wait=False)
    name = estimator.latest_training_job.name
    while client.describe_training_job(TrainingJobName=name)["SecondaryStatus"] != "Training":
        time.sleep(0.1)
    session.stop_training_job(name)
    found = ended(name)
    again = {}
    with refusal(again):
        session.stop_training_job(name)
    return {
        "again": again["words"],
        "status": found["TrainingJobStatus"],
        "transitions": [each["Status"] for each in found["SecondaryStatusTransitions"]],
    }


@step
def attach_and_read_logs():
    name = estimators["rich"].latest_training_job.name
    ended(name)
    attached = SKLearn.attach(name, sagemaker_session=session)
    attached.logs()
    described = attached.latest_training_job.describe()
    return {
        "described": described,
        "hyperparameters": attached.hyperparameters(),
        "model_data": attached.model_data,
        "seen": artifact(attached),
        "tags": client.list_tags(ResourceArn=described["TrainingJobArn"])["Tags"],
        "prefix": prefix,
    }


@step
def analyse_its_metrics():
    name = estimators["rich"].latest_training_job.name
    frame = TrainingJobAnalytics(name, sagemaker_session=session).dataframe()
    return frame.to_dict("records")


@step
def a_generic_estimator_with_a_script():
    estimator = Estimator(
        image_uri=sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1"),
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        entry_point="train.py",
        source_dir=str(HERE / "source"),
        dependencies=[str(HERE / "library" / "shared_helper.py")],
        hyperparameters={"depth": 3},
        base_job_name="generic",
    )
    estimator.set_hyperparameters(rate=0.5, words="plain", flag=False)
    estimator.fit(f"{prefix}/in/a/", job_name=f"generic-{os.getpid()}", wait=False)
    ended(estimator.latest_training_job.name)
    return {"seen": artifact(estimator), "name": estimator.latest_training_job.name}


@step
def a_job_without_network():
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=str(HERE / "isolated"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        enable_network_isolation=True,
    )
    estimator.fit(f"{prefix}/in/a", wait=False)
    found = ended(estimator.latest_training_job.name)
    return {"status": found["TrainingJobStatus"], "reason": found.get("FailureReason"), "seen": artifact(estimator)}


@step
def a_failing_script():
    estimator = SKLearn(
        entry_point=str(HERE / "source" / "failing.py"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        hyperparameters={"depth": 3},
    )
    seen = {}
    with refusal(seen):
        estimator.fit(wait=True, logs="All")
    seen["reason"] = estimator.latest_training_job.describe()["FailureReason"]
    seen["named"] = session.describe_training_job(estimator.latest_training_job.name)["TrainingJobStatus"]
    return seen


@step
def refused_before_it_starts():
    seen = {}
    name = f"generic-{os.getpid()}"
    estimator = SKLearn(
        entry_point=str(HERE / "source" / "failing.py"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
    )
    for what, call in {
        "twice": lambda: estimator.fit(job_name=name, wait=False),
        "attach": lambda: SKLearn.attach("no-such-job", sagemaker_session=session),
    }.items():
        seen[what] = {}
        with refusal(seen[what]):
            call()
    return seen


@step
def lists_and_pages():
    pages = client.get_paginator("list_training_jobs").paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"PageSize": 1}
    )
    names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    completed = client.list_training_jobs(StatusEquals="Completed", NameContains="rich", SortBy="Name")
    return {"names": names, "completed": [each["TrainingJobName"] for each in completed["TrainingJobSummaries"]]}


@step
def objects():
    kms = boto3.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    uri = S3Uploader.upload_string_as_file_body(
        "secret", f"{prefix}/objects/one.txt", kms_key=key, sagemaker_session=session
    )
    stored = boto3.client("s3").head_object(Bucket=bucket, Key=uri.split("/", 3)[3])
    uploaded = S3Uploader.upload(
        str(HERE / "source"), f"{prefix}/objects/folder", sagemaker_session=session, kms_key=key
    )
    with tempfile.TemporaryDirectory() as folder:
        S3Downloader.download(f"{prefix}/objects/", folder, sagemaker_session=session)
        downloaded = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
    return {
        "encryption": stored["ServerSideEncryption"],
        "key": [stored.get("SSEKMSKeyId", "").rsplit("/", 1)[-1], key],
        "text": S3Downloader.read_file(uri, sagemaker_session=session),
        "bytes": S3Downloader.read_bytes(uri, sagemaker_session=session).decode(),
        "listed": sorted(
            each.removeprefix(prefix) for each in S3Downloader.list(f"{prefix}/objects", sagemaker_session=session)
        ),
        "uploaded": uploaded.removeprefix(prefix),
        "downloaded": downloaded,
        "read": session.read_s3_file(bucket, uri.split("/", 3)[3]),
    }


@step
def another_region():
    there = sagemaker.Session(boto3.session.Session(region_name="eu-west-1"))
    found = there.default_bucket()
    uri = S3Uploader.upload_string_as_file_body("x", f"s3://{found}/x.txt", sagemaker_session=there)
    estimator = Estimator(
        image_uri=sagemaker.image_uris.retrieve("sklearn", "eu-west-1", version="1.2-1"),
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=there,
        container_entry_point=[
            "/bin/sh",
            "-c",
            "cat /opt/ml/input/data/training/x.txt > /opt/ml/model/y; echo $AWS_REGION",
        ],
    )
    estimator.fit(uri, wait=False)
    name = estimator.latest_training_job.name
    while there.describe_training_job(name)["TrainingJobStatus"] == "InProgress":
        time.sleep(0.2)
    here = {}
    with refusal(here):
        session.describe_training_job(name)
    described = there.describe_training_job(name)
    return {
        "buckets": [bucket, found],
        "location": boto3.client("s3", region_name="eu-west-1").get_bucket_location(Bucket=found)["LocationConstraint"],
        "arn": described["TrainingJobArn"],
        "status": described["TrainingJobStatus"],
        "reason": described.get("FailureReason"),
        "here": here,
        "role": sagemaker.get_execution_role(there),
    }


take()
