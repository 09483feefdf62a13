"""A multi-model endpoint by the resource classes of the SageMaker SDK v3."""

import io
import json
import os
import tarfile

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, MultiModelConfig, ProductionVariant
from steps import refusal, step, take

session = Session()
name = f"v3-many-{os.getpid()}"
bucket = session.default_bucket()
SCRIPT = """
import json, os
def model_fn(model_dir):
    return float(open(os.path.join(model_dir, 'weight.txt')).read())
def transform_fn(model, body, content_type, accept):
    return json.dumps([model * each for each in json.loads(body)]), 'application/json'
"""


def put(weight):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in (("weight.txt", str(weight)), ("code/inference.py", SCRIPT)):
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{name}/{weight}.tar.gz", Body=buffer.getvalue())


@step
def invoke_models_by_name():
    for weight in (2, 3):
        put(weight)
    container = ContainerDefinition(
        image=image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1"),
        mode="MultiModel",
        model_data_url=f"s3://{bucket}/{name}/",
        multi_model_config=MultiModelConfig(model_cache_setting="Enabled"),
    )
    Model.create(model_name=name, primary_container=container, execution_role_arn=get_execution_role(session))
    variant = ProductionVariant(
        variant_name="all", model_name=name, initial_instance_count=1, instance_type="ml.m5.large"
    )
    EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)

    def answer(target):
        given = endpoint.invoke(body=b"[1, 2]", content_type="application/json", target_model=target)
        return json.loads(given.body.read())

    seen = {
        "container": Model.get(name).primary_container.multi_model_config.model_cache_setting,
        "answers": [answer(f"{weight}.tar.gz") for weight in (2, 3)],
        "nothing": {},
    }
    with refusal(seen["nothing"]):
        answer("4.tar.gz")
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    return seen


take()
