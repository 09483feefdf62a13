"""Batch transform with the SageMaker SDK v2."""

import contextlib
import io
import os
import tarfile
import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker.inputs import BatchDataCaptureConfig
from sagemaker.s3 import S3Uploader
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.transformer import Transformer
from steps import refusal, step, take

HERE = Path(__file__).parent
SCRIPT = """
import os
def model_fn(model_dir):
    return float(open(os.path.join(model_dir, "weight.txt")).read())
def input_fn(body, content_type):
    return [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
def predict_fn(rows, weight):
    return [weight * sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{each:g}\\n" for each in sums), accept
if __name__ == "__main__":
    open(os.path.join(os.environ["SM_MODEL_DIR"], "weight.txt"), "w").write("10")
"""
session = sagemaker.Session()
client = session.sagemaker_client
s3 = boto3.client("s3")
role = sagemaker.get_execution_role()
name = f"v2-transform-{os.getpid()}"
bucket = session.default_bucket()
rows = f"s3://{bucket}/{name}/rows"
jobs = {}


def read(uri):
    place, _, key = uri.removeprefix("s3://").partition("/")
    return s3.get_object(Bucket=place, Key=key)["Body"].read().decode()


def model_data():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"2"))
    place = f"s3://{bucket}/{name}/model/model.tar.gz"
    return S3Uploader.upload_bytes(buffer.getvalue(), place, sagemaker_session=session)


@step
def transform_with_a_model():
    Path("inference.py").write_text(SCRIPT)
    s3.put_object(Bucket=bucket, Key=f"{name}/rows/a.csv", Body=b"id-1,1,2\nid-2,3,4\n")
    model = SKLearnModel(
        model_data=model_data(),
        role=role,
        entry_point="inference.py",
        framework_version="1.2-1",
        sagemaker_session=session,
    )
    transformer = model.transformer(
        1,
        "ml.m5.large",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"s3://{bucket}/{name}/joined",
        max_payload=1,
        max_concurrent_transforms=2,
        env={"COLOUR": "blue"},
        tags=[{"Key": "team", "Value": "red"}],
    )
    transformer.transform(
        rows,
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
        batch_data_capture_config=BatchDataCaptureConfig(f"s3://{bucket}/{name}/captured"),
        wait=False,
        logs=False,
    )
    transformer.wait(logs=False)
    jobs["joined"] = transformer.latest_transform_job.name
    described = client.describe_transform_job(TransformJobName=jobs["joined"])
    return {
        "output": read(f"{transformer.output_path}/a.csv.out"),
        "status": described["TransformJobStatus"],
        "processing": described["DataProcessing"],
        "tags": client.list_tags(ResourceArn=described["TransformJobArn"])["Tags"],
    }


@step
def attach_and_read_logs():
    transformer = Transformer.attach(jobs["joined"], sagemaker_session=session)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        transformer.wait(logs=True)
    return {
        "strategy": transformer.strategy,
        "accept": transformer.accept,
        "payload": transformer.max_payload,
        "assemble": transformer.assemble_with,
        "printed": printed.getvalue(),
    }


@step
def transform_with_an_estimator():
    Path("train.py").write_text(SCRIPT)
    estimator = SKLearn(
        "train.py",
        framework_version="1.2-1",
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
    )
    estimator.fit(wait=False)
    job = estimator.latest_training_job.name
    while client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress":
        time.sleep(0.2)
    transformer = estimator.transformer(1, "ml.m5.large", assemble_with="Line", accept="text/csv")
    s3.put_object(Bucket=bucket, Key=f"{name}/numbers/deep/b.csv", Body=b"1,2\n")
    transformer.transform(f"s3://{bucket}/{name}/numbers", content_type="text/csv", split_type="Line", wait=False)
    transformer.wait(logs=False)
    return read(f"{transformer.output_path}/deep/b.csv.out")


@step
def a_job_that_fails():
    transformer = Transformer.attach(jobs["joined"], sagemaker_session=session)
    seen = {}
    with refusal(seen):
        transformer.transform(f"s3://{bucket}/{name}/nobody", content_type="text/csv", wait=False)
        transformer.wait(logs=False)
    # The SDK passes over jobs that have ended.
    transformer.stop_transform_job(wait=False)
    return seen


take()
