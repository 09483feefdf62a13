"""A private hub with the SageMaker SDK v2."""

import json
import os

import boto3
from sagemaker.jumpstart.hub.hub import Hub
from sagemaker.jumpstart.hub.utils import get_hub_model_version
from sagemaker.session import Session
from steps import refusal, step, take

session = Session()
client = boto3.client("sagemaker")
name = f"hub-v2-{os.getpid()}"
hub = Hub(hub_name=name, sagemaker_session=session)


@step
def a_hub_with_models():
    hub.create(description="ours", search_keywords=["keyword"])
    for version in ("1.9.0", "1.10.0"):
        client.import_hub_content(
            HubName=name,
            HubContentType="Model",
            HubContentName="bert",
            HubContentVersion=version,
            DocumentSchemaVersion="2.0.0",
            HubContentDocument=json.dumps({"Url": "s3://bucket/model.tar.gz"}),
        )
    described = hub.describe()
    return {
        "described": [described["HubDisplayName"] == name, described["HubStatus"], described["HubSearchKeywords"]],
        "models": [
            [each["HubContentName"], each["HubContentVersion"]] for each in hub.list_models()["hub_content_summaries"]
        ],
        "latest": get_hub_model_version(name, "bert", "Model", sagemaker_session=session),
        "chosen": get_hub_model_version(name, "bert", "Model", "1.9.*", sagemaker_session=session),
    }


@step
def a_reference_to_a_model_that_is_not_there():
    seen = {"reference": {}, "versions": {}}
    arn = "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/bert"
    with refusal(seen["reference"]):
        hub.create_model_reference(model_arn=arn)
    with refusal(seen["versions"]):
        get_hub_model_version(name, "bert", "ModelReference", sagemaker_session=session)
    return seen


@step
def a_hub_that_is_deleted():
    seen = {"early": {}, "gone": {}}
    with refusal(seen["early"]):
        hub.delete()
    for version in ("1.9.0", "1.10.0"):
        client.delete_hub_content(
            HubName=name, HubContentType="Model", HubContentName="bert", HubContentVersion=version
        )
    hub.delete()
    with refusal(seen["gone"]):
        hub.describe()
    return seen


take()
