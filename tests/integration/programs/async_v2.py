"""Asynchronous inference with the SageMaker SDK v2."""

import io
import os
import sys
import tarfile
from pathlib import Path

import sagemaker
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer, StringDeserializer
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel
from steps import refusal, step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
name = f"v2-async-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{name}"
soon = WaiterConfig(max_attempts=120, delay=1)
taken = {}


def model_data():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"3"))
    return S3Uploader.upload_bytes(buffer.getvalue(), f"{prefix}/model.tar.gz", sagemaker_session=session)


@step
def deploy():
    model = SKLearnModel(
        model_data=model_data(),
        role=sagemaker.get_execution_role(),
        entry_point="inference.py",
        source_dir=str(HERE / "serving"),
        framework_version="1.2-1",
        sagemaker_session=session,
    )
    predictor = model.deploy(
        1,
        "ml.m5.large",
        endpoint_name=name,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        async_inference_config=AsyncInferenceConfig(
            output_path=f"{prefix}/out", failure_path=f"{prefix}/failed", max_concurrent_invocations_per_instance=2
        ),
    )
    taken["predictor"] = predictor
    described = session.sagemaker_client.describe_endpoint(EndpointName=name)
    return {"class": type(predictor).__name__, "config": described["AsyncInferenceConfig"], "prefix": prefix}


@step
def predict_and_wait():
    return taken["predictor"].predict(
        [[1, 2], [3, 4]], waiter_config=soon, initial_args={"ContentType": "application/json"}
    )


@step
def predict_without_waiting():
    response = taken["predictor"].predict_async([[5, 6]])
    return {"output": response.output_path, "failure": response.failure_path, "result": response.get_result(soon)}


@step
def fail():
    seen = {}
    # The SDK reads failures as it does answers, and they are text.
    taken["predictor"].predictor.deserializer = StringDeserializer()
    with refusal(seen):
        taken["predictor"].predict("fail", waiter_config=soon)
    return seen


@step
def delete():
    taken["predictor"].delete_endpoint()
    return True


take()
# The SDK's threads go on looking for what will never be there.
sys.stdout.flush()
os._exit(0)
