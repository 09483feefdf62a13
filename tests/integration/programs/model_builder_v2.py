"""ModelBuilder of the SageMaker SDK v2: a specification in code, with its own translators."""

import os
import time
from pathlib import Path

import numpy
import sagemaker
from sagemaker.serve import CustomPayloadTranslator, InferenceSpec, ModelBuilder, SchemaBuilder
from sagemaker.serve.utils.types import ModelServer
from steps import step, take

session = sagemaker.Session()
role = sagemaker.get_execution_role()
name = f"built-v2-{os.getpid()}"
image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.4-2")


class Lines(CustomPayloadTranslator):
    """Numbers, one a line."""

    def serialize_payload_to_bytes(self, payload):
        return "\n".join(map(str, payload)).encode()

    def deserialize_payload_from_stream(self, stream):
        return [float(line) for line in stream.read().decode().splitlines()]


class Doubling(InferenceSpec):
    def load(self, model_dir):
        return float(Path(model_dir, "weight.txt").read_text())

    def invoke(self, input_object, model):
        return [each * model for each in input_object]

    def prepare(self, *args, **kwargs):
        Path(args[0], "weight.txt").write_text("2")


def served(called, schema, sample, **options):
    builder = ModelBuilder(
        inference_spec=Doubling(),
        schema_builder=schema,
        model_server=ModelServer.TORCHSERVE,
        image_uri=image,
        dependencies={"auto": False},
        model_path=str(Path(called).resolve()),
        **options,
    )
    model = builder.build(role_arn=role, sagemaker_session=session)
    predictor = model.deploy(
        initial_instance_count=1, instance_type="ml.m5.large", endpoint_name=called, wait=False, endpoint_logging=False
    )
    described = session.sagemaker_client.describe_endpoint
    while (found := described(EndpointName=called))["EndpointStatus"] == "Creating":
        time.sleep(0.2)
    answer = predictor.predict(sample)
    return {
        "status": found["EndpointStatus"],
        "reason": found.get("FailureReason"),
        "answer": answer.tolist() if hasattr(answer, "tolist") else answer,
    }


@step
def a_specification():
    return served(
        f"{name}-spec", SchemaBuilder(numpy.array([1.0, 2.0]), numpy.array([2.0, 4.0])), numpy.array([3.0, 4.5])
    )


@step
def a_specification_with_translators():
    schema = SchemaBuilder([1.0], [2.0], input_translator=Lines(), output_translator=Lines())
    return served(f"{name}-lines", schema, [3.0, 4.5])


take()
