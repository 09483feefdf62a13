"""Asynchronous inference with the resource classes of the SageMaker SDK v3."""

import io
import os
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    AsyncInferenceClientConfig,
    AsyncInferenceConfig,
    AsyncInferenceOutputConfig,
    ContainerDefinition,
    ProductionVariant,
)
from steps import step, take

HERE = Path(__file__).parent
session = Session()
s3 = boto3.client("s3")
bucket = session.default_bucket()
name = f"v3-async-{os.getpid()}"


def uploaded(key, files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    s3.put_object(Bucket=bucket, Key=f"{name}/{key}", Body=buffer.getvalue())
    return f"s3://{bucket}/{name}/{key}"


def answer(uri):
    place, _, key = uri.removeprefix("s3://").partition("/")
    while True:
        try:
            return s3.get_object(Bucket=place, Key=key)["Body"].read().decode()
        except s3.exceptions.NoSuchKey:
            time.sleep(0.1)


@step
def invoke():
    code = {path.name: path.read_bytes() for path in (HERE / "serving").glob("*.py")}
    Model.create(
        model_name=name,
        execution_role_arn=get_execution_role(session),
        primary_container=ContainerDefinition(
            image=image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1"),
            model_data_url=uploaded("model.tar.gz", {"weight.txt": b"2"}),
            environment={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": uploaded("code.tar.gz", code),
            },
        ),
    )
    EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(variant_name="v", model_name=name, initial_instance_count=1, instance_type="ml.m5.large")
        ],
        async_inference_config=AsyncInferenceConfig(
            output_config=AsyncInferenceOutputConfig(s3_output_path=f"s3://{bucket}/{name}/out"),
            client_config=AsyncInferenceClientConfig(max_concurrent_invocations_per_instance=1),
        ),
    )
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    s3.put_object(Bucket=bucket, Key=f"{name}/in", Body=b"[[1, 2]]")
    asked = endpoint.invoke_async(
        input_location=f"s3://{bucket}/{name}/in", content_type="application/json", inference_id="mine"
    )
    said = {"id": asked.inference_id, "answer": answer(asked.output_location)}
    described = endpoint.refresh().async_inference_config.client_config
    endpoint.delete()
    return {**said, "concurrency": described.max_concurrent_invocations_per_instance}


take()
