"""Inference components with the SageMaker SDK v2: two models on the instances of one endpoint."""

import io
import os
import tarfile
import time
from pathlib import Path

import sagemaker
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import JSONDeserializer
from sagemaker.enums import EndpointType
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel
from steps import refusal, step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
name = f"v2-components-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{name}"
predictors = {}


def model_data(weight):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = len(str(weight))
        tar.addfile(member, io.BytesIO(str(weight).encode()))
    uri = f"{prefix}/weight-{weight}/model.tar.gz"
    return S3Uploader.upload_bytes(buffer.getvalue(), uri, sagemaker_session=session)


def settled(component):
    """A component at rest; the SDK looks every twenty seconds."""
    while True:
        found = client.describe_inference_component(InferenceComponentName=component)
        if found["InferenceComponentStatus"] not in ("Creating", "Updating"):
            return found
        time.sleep(0.1)


def deployed(weight):
    """A model that multiplies, in a component of its own."""
    model = SKLearnModel(
        model_data=model_data(weight),
        role=role,
        entry_point="inference.py",
        source_dir=str(HERE / "serving"),
        framework_version="1.2-1",
        sagemaker_session=session,
        name=f"{name}-{weight}",
    )
    predictor = model.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        endpoint_name=name,
        endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
        resources=ResourceRequirements(requests={"num_cpus": 0.5, "memory": 512, "copies": 1}),
        inference_component_name=f"{name}-{weight}",
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        wait=False,
    )
    settled(f"{name}-{weight}")
    return predictor


@step
def deploy_two_models_on_one_endpoint():
    for weight in (2, 3):
        predictors[weight] = deployed(weight)
    found = client.list_inference_components(EndpointNameEquals=name, SortBy="Name", SortOrder="Ascending")
    return {
        "components": [each["InferenceComponentName"].removeprefix(name) for each in found["InferenceComponents"]],
        "endpoints": len(client.list_endpoints(NameContains=name)["Endpoints"]),
        "answers": [predictors[weight].predict([1, 2]) for weight in (2, 3)],
    }


@step
def ask_by_the_name_of_a_component():
    predictor = Predictor(
        name,
        sagemaker_session=session,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        component_name=f"{name}-3",
    )
    refused = {}
    with refusal(refused):
        Predictor(name, sagemaker_session=session, serializer=JSONSerializer()).predict([1])
    return {"answer": predictor.predict([5]), "without": refused}


@step
def give_a_component_other_room():
    """The SDK sends what changes alone."""
    requests = {"num_cpus": 0.25, "memory": 256, "copies": 2}
    predictors[2].update_predictor(resources=ResourceRequirements(requests=requests))
    described = settled(f"{name}-2")
    return {
        "status": described["InferenceComponentStatus"],
        "specification": described["Specification"],
        "copies": described["RuntimeConfig"]["CurrentCopyCount"],
        "answer": predictors[2].predict([4]),
        "related": len(predictors[2].list_related_models()[0]),
    }


@step
def delete_the_components_and_then_the_endpoint():
    refused = {}
    with refusal(refused):
        session.delete_endpoint(name)
    for predictor in predictors.values():
        predictor.delete_predictor()
    while client.list_inference_components(EndpointNameEquals=name)["InferenceComponents"]:
        time.sleep(0.1)
    session.delete_endpoint(name)
    return {"before": refused}


take()
