"""Serverless inference with the SageMaker SDK v2."""

import io
import os
import tarfile
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel
from steps import step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
name = f"v2-serverless-{os.getpid()}"
taken = {}


def model_data():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"3"))
    uri = f"s3://{session.default_bucket()}/{name}/model.tar.gz"
    return S3Uploader.upload_bytes(buffer.getvalue(), uri, sagemaker_session=session)


def described():
    endpoint = session.sagemaker_client.describe_endpoint(EndpointName=name)
    (variant,) = endpoint["ProductionVariants"]
    return {"status": endpoint["EndpointStatus"], **variant["CurrentServerlessConfig"]}


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
    taken["predictor"] = model.deploy(
        endpoint_name=name,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        serverless_inference_config=ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=4),
    )
    return described()


@step
def predict():
    return taken["predictor"].predict([[1, 2], [3, 4]], initial_args={"ContentType": "application/json"})


@step
def provision():
    config = ServerlessInferenceConfig(memory_size_in_mb=1024, max_concurrency=3, provisioned_concurrency=1)
    (model,) = taken["predictor"]._get_model_names()
    variant = sagemaker.production_variant(model, serverless_inference_config=config._to_request_dict())
    session.create_endpoint_config_from_existing(name, f"{name}-2", new_production_variants=[variant])
    session.update_endpoint(name, f"{name}-2")
    return described()


@step
def predict_again():
    again = Predictor(name, session, JSONSerializer(), JSONDeserializer())
    return again.predict([[5, 6]])


@step
def delete():
    taken["predictor"].delete_predictor()
    return True


take()
