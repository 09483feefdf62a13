"""Batch transform with the SageMaker SDK v3."""

import io
import os
import tarfile

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    DataProcessing,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.core.transformer import Transformer
from steps import step, take

SCRIPT = b"""
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{each:g}\\n" for each in sums), accept
"""
session = Session()
s3 = boto3.client("s3")
role = get_execution_role(session)
bucket = session.default_bucket()
name = f"v3-transform-{os.getpid()}"
rows = f"s3://{bucket}/{name}/rows/"


def read(key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()


@step
def create_a_model():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(SCRIPT)
        tar.addfile(member, io.BytesIO(SCRIPT))
    s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=buffer.getvalue())
    s3.put_object(Bucket=bucket, Key=f"{name}/rows/a.csv", Body=b"1,2\n3,4\n")
    image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
    container = ContainerDefinition(
        image=image,
        model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
    )
    return Model.create(model_name=name, primary_container=container, execution_role_arn=role).get_name()


@step
def run_a_transform_job():
    source = TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=rows))
    job = TransformJob.create(
        transform_job_name=name,
        model_name=name,
        transform_input=TransformInput(data_source=source, content_type="text/csv", split_type="Line"),
        transform_output=TransformOutput(
            s3_output_path=f"s3://{bucket}/{name}/out", accept="text/csv", assemble_with="Line"
        ),
        transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
        data_processing=DataProcessing(join_source="Input"),
    )
    job.wait(poll=1)
    return {
        "status": job.refresh().transform_job_status,
        "output": read(f"{name}/out/a.csv.out"),
        "listed": [each.transform_job_name for each in TransformJob.get_all(name_contains=name)],
    }


@step
def use_the_transformer():
    transformer = Transformer(
        model_name=name,
        instance_count=1,
        instance_type="ml.m5.large",
        strategy="SingleRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"s3://{bucket}/{name}/again",
        sagemaker_session=session,
    )
    transformer.transform(rows, content_type="text/csv", split_type="Line", wait=False, logs=False)
    transformer.latest_transform_job.wait(poll=1)
    return read(f"{name}/again/a.csv.out")


take()
