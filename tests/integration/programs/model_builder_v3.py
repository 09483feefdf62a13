"""ModelBuilder of the SageMaker SDK v3: a model as it is, a specification in code, and models in MLflow's format."""

import os
import time
from pathlib import Path

import boto3
import mlflow
import numpy
import pandas
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.serve.spec.inference_spec import InferenceSpec
from sagemaker.serve.utils.types import ModelServer
from sklearn.linear_model import LinearRegression
from steps import step, take

session = Session()
client = boto3.client("sagemaker")
role = get_execution_role(session)
name = f"built-v3-{os.getpid()}"
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.9-0")
FEATURES = numpy.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
SUMS = FEATURES.sum(1)


def served(called, **options):
    """Build and deploy; the endpoint's status and reason, and what asks it by the builder's own translators."""
    builder = ModelBuilder(
        role_arn=role,
        sagemaker_session=session,
        model_path=str(Path(called).resolve()),
        instance_type="ml.m5.large",
        **options,
    )
    builder.build(model_name=called)
    endpoint = builder.deploy(endpoint_name=called, initial_instance_count=1, instance_type="ml.m5.large", wait=False)
    while endpoint.refresh().endpoint_status == "Creating":
        time.sleep(0.2)
    found = client.describe_endpoint(EndpointName=called)

    def ask(data):
        body = builder._serializer.serialize(data)
        kinds = {"content_type": builder._serializer.CONTENT_TYPE, "accept": builder._deserializer.ACCEPT[0]}
        answer = endpoint.invoke(body=body, **kinds)
        return builder._deserializer.deserialize(answer.body, answer.content_type)

    return {"status": found["EndpointStatus"], "reason": found.get("FailureReason")}, builder, ask


@step
def a_fitted_model():
    model = LinearRegression().fit(FEATURES, SUMS)
    seen, builder, ask = served(
        f"{name}-fitted",
        model=model,
        schema_builder=SchemaBuilder(FEATURES, SUMS),
        model_server=ModelServer.TORCHSERVE,
        image_uri=image,
        dependencies={"auto": False},
    )
    return {**seen, "environment": builder.env_vars, "answer": ask(FEATURES).tolist()}


class Weighted(InferenceSpec):
    def prepare(self, model_dir):
        Path(model_dir, "weight.txt").write_text("3")

    def load(self, model_dir):
        return float(Path(model_dir, "weight.txt").read_text())

    def preprocess(self, data):
        return [each + 1 for each in data]

    def invoke(self, data, model):
        import tabulate

        return [each * model for each in data] + [tabulate.__version__]

    def postprocess(self, predictions):
        return {"weighted": predictions}


@step
def a_specification_with_its_dependencies():
    seen, _, ask = served(
        f"{name}-spec",
        inference_spec=Weighted(),
        schema_builder=SchemaBuilder([1, 2], {"weighted": [6.0, 9.0]}, input_translator=None, output_translator=None),
        model_server=ModelServer.TORCHSERVE,
        image_uri=image_uris.retrieve("sklearn", session.boto_region_name, version="1.4-2"),
        dependencies={"auto": False, "custom": ["tabulate==0.9.0"]},
    )
    return {**seen, "answer": ask([1, 2])}


@step
def a_model_of_mlflow():
    frame = pandas.DataFrame(FEATURES, columns=["a", "b"])
    mlflow.sklearn.save_model(
        LinearRegression().fit(frame, SUMS),
        "saved",
        serialization_format="cloudpickle",
        pip_requirements=[f"mlflow-skinny=={mlflow.__version__}", "cloudpickle", "scikit-learn==1.9.0"],
    )
    seen, builder, ask = served(
        f"{name}-mlflow",
        model_metadata={"MLFLOW_MODEL_PATH": str(Path("saved").resolve())},
        schema_builder=SchemaBuilder(FEATURES, SUMS),
        image_uri=image,
        dependencies={"auto": False},
    )
    return {**seen, "environment": builder.env_vars, "answer": ask(FEATURES).tolist()}


take()
