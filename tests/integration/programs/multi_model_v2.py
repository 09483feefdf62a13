"""MultiDataModel of the SageMaker SDK v2: models that share a script, one that is added later, and their names."""

import io
import os
import tarfile
import tempfile
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel
from steps import refusal, step, take

session = sagemaker.Session()
name = f"v2-many-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{name}"
script = Path(tempfile.mkdtemp()) / "multiply.py"
script.write_text(
    "import json, os\n"
    "def model_fn(model_dir):\n"
    "    return float(open(os.path.join(model_dir, 'weight.txt')).read())\n"
    "def predict_fn(data, model):\n"
    "    return (data * model).tolist()\n"
    "def output_fn(prediction, accept):\n"
    "    return json.dumps(prediction), accept\n"
)


def model_data(weight):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weight.txt")
        member.size = len(str(weight))
        tar.addfile(member, io.BytesIO(str(weight).encode()))
    return S3Uploader.upload_bytes(buffer.getvalue(), f"{prefix}/data/{weight}/model.tar.gz", sagemaker_session=session)


model = SKLearnModel(
    model_data=model_data(1),
    role=sagemaker.get_execution_role(),
    entry_point=str(script),
    framework_version="1.2-1",
    sagemaker_session=session,
)
# Without a slash at its end: the SDK then lists models by names that begin with one.
many = MultiDataModel(name, f"{prefix}/models", model=model, sagemaker_session=session)


@step
def deploy():
    many.add_model(model_data(2), "two.tar.gz")
    many.add_model(model_data(3), "deeper/three.tar.gz")
    predictor = many.deploy(
        1, "ml.m5.large", endpoint_name=name, serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    return [predictor.predict([1, 2], target_model=target) for target in ("two.tar.gz", "deeper/three.tar.gz")]


@step
def add_a_model():
    many.add_model(model_data(4), "four.tar.gz")
    listed = sorted(many.list_models())
    answers = [predictor().predict([1, 2], target_model=target) for target in listed]
    return {"listed": listed, "answers": answers}


@step
def what_is_not_there():
    seen = {}
    with refusal(seen):
        predictor().predict([1], target_model="five.tar.gz")
    return seen


@step
def end():
    predictor().delete_endpoint()
    many.delete_model()


def predictor():
    return sagemaker.Predictor(name, session, JSONSerializer(), JSONDeserializer())


take()
