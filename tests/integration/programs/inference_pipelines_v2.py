"""Inference pipelines with the SageMaker SDK v2: a scikit-learn featuriser before an XGBoost model."""

import io
import os
import tarfile
import time
from pathlib import Path

import boto3
import numpy
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel
from sagemaker.xgboost import XGBoostModel
from steps import step, take

FEATURES = """
import io, numpy
from sklearn.preprocessing import StandardScaler
def model_fn(model_dir):
    return StandardScaler().fit(numpy.loadtxt(model_dir + "/rows.csv", delimiter=",")[:, 1:])
def input_fn(body, content_type):
    return numpy.loadtxt(io.StringIO(body), delimiter=",", ndmin=2)
def predict_fn(rows, model):
    return model.transform(rows)
def output_fn(rows, accept):
    return "\\n".join(",".join(map(repr, map(float, row))) for row in rows), "text/csv"
"""
TREES = """
import numpy, xgboost
def model_fn(model_dir):
    rows = numpy.loadtxt(model_dir + "/rows.csv", delimiter=",")
    scaled = (rows[:, 1:] - rows[:, 1:].mean(0)) / rows[:, 1:].std(0)
    return xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(scaled, rows[:, 0]), 30)
"""
session = sagemaker.Session()
client = session.sagemaker_client
s3 = boto3.client("s3")
role = sagemaker.get_execution_role()
name = f"v2-serial-{os.getpid()}"
bucket = session.default_bucket()
made = {}


def rows(count, seed):
    found = numpy.random.default_rng(seed).random((count, 3)) * [1, 10, 100]
    return found, found @ [100, 10, 1]


def over(condition):
    """Wait for something: the SDK looks every half minute."""
    while not condition():
        time.sleep(0.2)


def model_data():
    """What both models are made of when they are loaded: a target and three features a row."""
    inputs, targets = rows(256, 0)
    text = "\n".join(",".join(map(str, row)) for row in numpy.c_[targets, inputs]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("rows.csv")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    place = f"s3://{bucket}/{name}/model.tar.gz"
    return S3Uploader.upload_bytes(buffer.getvalue(), place, sagemaker_session=session)


@step
def deploy_a_pipeline_model():
    Path("features.py").write_text(FEATURES)
    Path("trees.py").write_text(TREES)
    common = {"model_data": model_data(), "role": role, "sagemaker_session": session}
    features = SKLearnModel(entry_point="features.py", framework_version="1.2-1", **common)
    accept = {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    trees = XGBoostModel(entry_point="trees.py", framework_version="3.0-5", env=accept, **common)
    made["model"] = PipelineModel(name=name, role=role, models=[features, trees], sagemaker_session=session)
    made["model"].deploy(1, "ml.m5.large", endpoint_name=name, wait=False)
    over(lambda: client.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating")
    made["predictor"] = Predictor(name, session, CSVSerializer(), CSVDeserializer())
    described = client.describe_model(ModelName=name)
    return [each["Image"].split("/")[-1].split(":")[0] for each in described["Containers"]]


@step
def predict_through_both():
    inputs, targets = rows(16, 1)
    predicted = numpy.array(made["predictor"].predict(inputs), dtype=float).ravel()
    return {"count": len(predicted), "error": float(numpy.abs(predicted - targets).mean())}


@step
def transform_through_both():
    inputs, targets = rows(16, 1)
    text = "\n".join(",".join(map(str, row)) for row in inputs)
    s3.put_object(Bucket=bucket, Key=f"{name}/in/rows.csv", Body=text.encode())
    transformer = made["model"].transformer(
        1,
        "ml.m5.large",
        strategy="SingleRecord",
        assemble_with="Line",
        output_path=f"s3://{bucket}/{name}/out",
        accept="text/csv",
    )
    transformer.transform(f"s3://{bucket}/{name}/in", content_type="text/csv", split_type="Line", wait=False)
    job = transformer.latest_transform_job.job_name
    over(lambda: client.describe_transform_job(TransformJobName=job)["TransformJobStatus"] != "InProgress")
    answers = s3.get_object(Bucket=bucket, Key=f"{name}/out/rows.csv.out")["Body"].read().decode().split()
    return {"count": len(answers), "error": float(numpy.abs(numpy.array(answers, dtype=float) - targets).mean())}


@step
def delete_it():
    made["predictor"].delete_endpoint()
    made["model"].delete_model()
    over(lambda: name not in [each["EndpointName"] for each in client.list_endpoints()["Endpoints"]])
    return name in [each["ModelName"] for each in client.list_models()["Models"]]


take()
