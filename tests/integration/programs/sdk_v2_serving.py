"""Endpoints with the SageMaker SDK v2, beyond the quickstart."""

import io
import os
import tarfile
import time
from pathlib import Path

import boto3
import numpy
import sagemaker
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, NumpyDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import CSVSerializer, JSONSerializer, NumpySerializer
from sagemaker.sklearn import SKLearnModel
from steps import refusal, step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
client = session.sagemaker_client
runtime = boto3.client("sagemaker-runtime")
role = sagemaker.get_execution_role()
name = f"v2-serving-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{name}"
image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")


def model_data(weight):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = len(str(weight))
        tar.addfile(member, io.BytesIO(str(weight).encode()))
    return S3Uploader.upload_bytes(
        buffer.getvalue(), f"{prefix}/weight-{weight}/model.tar.gz", sagemaker_session=session
    )


def sklearn_model(weight, **options):
    return SKLearnModel(
        model_data=model_data(weight),
        role=role,
        entry_point="inference.py",
        source_dir=str(HERE / "serving"),
        framework_version="1.2-1",
        sagemaker_session=session,
        env={"COLOUR": "blue"},
        **options,
    )


def settled(endpoint):
    while (found := client.describe_endpoint(EndpointName=endpoint))["EndpointStatus"] in ("Creating", "Updating"):
        time.sleep(0.2)
    return found


def gone(endpoint):
    while endpoint in [each["EndpointName"] for each in client.list_endpoints(NameContains=endpoint)["Endpoints"]]:
        time.sleep(0.2)


@step
def deploy_repacked_code():
    model = sklearn_model(2, name=f"{name}-2")
    predictor = model.deploy(1, "ml.m5.large", endpoint_name=name, wait=False, tags=[{"Key": "team", "Value": "red"}])
    found = settled(name)
    container = client.describe_model(ModelName=f"{name}-2")["PrimaryContainer"]
    return {
        "status": found["EndpointStatus"],
        "reason": found.get("FailureReason"),
        "predictor": type(predictor).__name__,
        "environment": container["Environment"],
        "model_data": container["ModelDataUrl"].removeprefix(prefix),
        "tags": client.list_tags(ResourceArn=found["EndpointArn"])["Tags"],
        "config": client.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])["ProductionVariants"],
    }


@step
def predict_in_every_format():
    json_predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())
    csv_predictor = Predictor(name, session, CSVSerializer(), CSVDeserializer())
    numpy_predictor = Predictor(name, session, NumpySerializer(), NumpyDeserializer())
    return {
        "where": json_predictor.predict("where"),
        "json": json_predictor.predict([1, [2, 3]]),
        "csv": csv_predictor.predict([[1, 2], [3, 4]]),
        "numpy": numpy_predictor.predict(numpy.array([[1.5, 2.5]])).tolist(),
        "text": csv_predictor.predict("5,6\n"),
        "variant": json_predictor.predict(
            [1], target_variant="AllTraffic", inference_id="i-1", custom_attributes="a=b"
        ),
    }


@step
def errors_of_a_prediction():
    predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())
    seen = {"fails": {}, "type": {}, "variant": {}, "nobody": {}}
    with refusal(seen["fails"]):
        predictor.predict("fail")
    with refusal(seen["type"]):
        predictor.predict("x", initial_args={"ContentType": "image/png"})
    with refusal(seen["variant"]):
        predictor.predict([1], target_variant="nobody")
    with refusal(seen["nobody"]):
        Predictor("nobody-here", session, JSONSerializer(), JSONDeserializer()).predict([1])
    return seen


@step
def update_the_endpoint():
    model = sklearn_model(10, name=f"{name}-10")
    model._create_sagemaker_model("ml.m5.large")
    predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())
    before = client.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    predictor.update_endpoint(
        model_name=f"{name}-10", initial_instance_count=1, instance_type="ml.m5.xlarge", wait=False
    )
    updating = client.describe_endpoint(EndpointName=name)["EndpointStatus"]
    during = predictor.predict([1])
    again = {}
    with refusal(again):
        predictor.update_endpoint(
            initial_instance_count=1, instance_type="ml.m5.large", model_name=f"{name}-10", wait=False
        )
    found = settled(name)
    return {
        "updating": updating,
        "during": during,
        "again": again,
        "status": found["EndpointStatus"],
        "other_config": found["EndpointConfigName"] != before,
        "answer": predictor.predict([1]),
    }


@step
def two_variants_by_weight():
    config = f"{name}-two"
    variants = [
        sagemaker.production_variant(f"{name}-2", "ml.m5.large", 1, "two", 3),
        sagemaker.production_variant(f"{name}-10", "ml.m5.large", 1, "ten", 1),
    ]
    session.endpoint_from_production_variants(config, variants, wait=False)
    settled(config)

    def answer(**options):
        given = runtime.invoke_endpoint(EndpointName=config, Body=b"[1]", ContentType="application/json", **options)
        return [given["InvokedProductionVariant"], given["Body"].read().decode()]

    answers = [answer() for _ in range(80)]
    seen = {
        "two": answer(TargetVariant="two"),
        "ten": answer(TargetVariant="ten"),
        "shares": sum(each[0] == "two" for each in answers) / len(answers),
    }
    client.update_endpoint_weights_and_capacities(
        EndpointName=config,
        DesiredWeightsAndCapacities=[
            {"VariantName": "two", "DesiredWeight": 0},
            {"VariantName": "ten", "DesiredWeight": 1},
        ],
    )
    found = settled(config)
    deadline = time.monotonic() + 10
    while any(answer()[0] == "two" for _ in range(20)) and time.monotonic() < deadline:
        time.sleep(0.1)
    seen["after"] = sorted({answer()[0] for _ in range(20)})
    seen["weights"] = {each["VariantName"]: each["CurrentWeight"] for each in found["ProductionVariants"]}
    session.delete_endpoint(config)
    return seen


@step
def a_generic_model():
    called = f"{name}-generic"
    model = Model(
        image_uri=image,
        model_data=model_data(3),
        role=role,
        entry_point="inference.py",
        source_dir=str(HERE / "serving"),
        predictor_cls=Predictor,
        sagemaker_session=session,
        name=called,
        code_location=f"{prefix}/code",
    )
    predictor = model.deploy(
        1, "ml.m5.large", endpoint_name=called, wait=False, serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    found = settled(called)
    container = client.describe_model(ModelName=called)["PrimaryContainer"]
    seen = {
        "status": found["EndpointStatus"],
        "reason": found.get("FailureReason"),
        "answer": predictor.predict([1, 2]),
        "where": predictor.predict("where"),
        "environment": container["Environment"],
        "model_data": container["ModelDataUrl"].removeprefix(prefix),
    }
    predictor.delete_model()
    predictor.delete_endpoint()
    return seen


@step
def a_model_without_network():
    called = f"{name}-isolated"
    model = sklearn_model(4, name=called, enable_network_isolation=True)
    predictor = model.deploy(1, "ml.m5.large", endpoint_name=called, wait=False)
    found = settled(called)
    predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
    seen = {
        "status": found["EndpointStatus"],
        "reason": found.get("FailureReason"),
        "where": predictor.predict("where"),
    }
    seen["isolated"] = client.describe_model(ModelName=called)["EnableNetworkIsolation"]
    predictor.delete_endpoint()
    return seen


@step
def logs_of_an_endpoint():
    logs = boto3.client("logs")
    group = f"/aws/sagemaker/Endpoints/{name}"
    streams = [each["logStreamName"] for each in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    messages = [
        each["message"] for each in logs.filter_log_events(logGroupName=group, filterPattern="ValueError")["events"]
    ]
    return {"streams": streams, "messages": messages}


@step
def lists_and_pages():
    def paged(operation, key, member, **options):
        pages = client.get_paginator(operation).paginate(NameContains=name, PaginationConfig={"PageSize": 1}, **options)
        return [each[member] for page in pages for each in page[key]]

    return {
        "models": paged("list_models", "Models", "ModelName", SortBy="Name", SortOrder="Ascending"),
        "endpoints": paged("list_endpoints", "Endpoints", "EndpointName", StatusEquals="InService"),
        "configs": len(paged("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName")),
    }


@step
def delete_twice():
    predictor = Predictor(name, session)
    predictor.delete_endpoint(delete_endpoint_config=True)
    gone(name)
    seen = {"endpoint": {}, "model": {}, "config": {}, "describe": {}}
    with refusal(seen["endpoint"]):
        session.delete_endpoint(name)
    session.delete_model(f"{name}-2")
    with refusal(seen["model"]):
        session.delete_model(f"{name}-2")
    with refusal(seen["config"]):
        session.delete_endpoint_config("no-such-config")
    with refusal(seen["describe"]):
        client.describe_endpoint(EndpointName=name)
    return seen


take()
