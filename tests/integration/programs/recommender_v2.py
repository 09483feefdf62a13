"""Inference Recommender with the SageMaker SDK v2: right_size, and the model deployed as it was recommended."""

import io
import os
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import sagemaker
import sagemaker.session as waiting
from sagemaker.parameter import CategoricalParameter
from sagemaker.s3 import S3Uploader
from sagemaker.sklearn import SKLearnModel
from steps import step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
name = f"v2-recommender-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{name}"
# The SDK looks once a minute or two, and at least twice.
waiting.time = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.5)), time=time.time)


def packed(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def uploaded(path, **files):
    return S3Uploader.upload_bytes(packed(**files), f"{prefix}/{path}", sagemaker_session=session)


model = SKLearnModel(
    model_data=uploaded("model.tar.gz", **{"weight.txt": "2"}),
    role=sagemaker.get_execution_role(),
    entry_point="inference.py",
    source_dir=str(HERE / "serving"),
    framework_version="1.2-1",
    sagemaker_session=session,
)


@step
def right_size():
    model.right_size(
        sample_payload_url=uploaded("payload.tar.gz", **{"row.csv": "1,2"}),
        supported_content_types=["text/csv"],
        job_duration_in_seconds=40,
        hyperparameter_ranges=[
            {
                "instance_types": CategoricalParameter(["ml.c5.large"]),
                "SAGEMAKER_MODEL_SERVER_WORKERS": CategoricalParameter(["1"]),
            }
        ],
    )
    (recommendation,) = model.inference_recommendations
    return {
        "metrics": {member: recommendation["Metrics"][member] for member in ("MaxInvocations", "CostPerHour")},
        "environment": recommendation["ModelConfiguration"]["EnvironmentParameters"],
    }


@step
def deploy_as_recommended():
    endpoint = model.deploy(endpoint_name=name)
    found = session.sagemaker_client.describe_endpoint_config(EndpointConfigName=name)
    endpoint.delete_endpoint()
    return found["ProductionVariants"][0]["InstanceType"]


take()
