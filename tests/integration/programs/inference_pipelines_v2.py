"""Inference pipelines with the SageMaker SDK v2: a scikit-learn featuriser before an XGBoost model."""

import os
import time
from pathlib import Path

import boto3
import numpy
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn
from sagemaker.xgboost import XGBoost
from steps import step, take

FEATURES = """
import io, os, joblib, numpy
from sklearn.preprocessing import StandardScaler
if __name__ == "__main__":
    rows = numpy.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), delimiter=",")
    joblib.dump(StandardScaler().fit(rows[:, 1:]), os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
def input_fn(body, content_type):
    return numpy.loadtxt(io.StringIO(body), delimiter=",", ndmin=2)
def predict_fn(rows, model):
    return model.transform(rows)
def output_fn(rows, accept):
    return "\\n".join(",".join(map(repr, map(float, row))) for row in rows), "text/csv"
"""
TREES = """
import os, numpy, xgboost
if __name__ == "__main__":
    rows = numpy.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), delimiter=",")
    scaled = (rows[:, 1:] - rows[:, 1:].mean(0)) / rows[:, 1:].std(0)
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(scaled, rows[:, 0]), 30)
    booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"))
def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "model.json"))
    return booster
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


@step
def train_both_models():
    inputs, targets = rows(256, 0)
    text = "\n".join(",".join(map(str, row)) for row in numpy.c_[targets, inputs])
    s3.put_object(Bucket=bucket, Key=f"{name}/train/rows.csv", Body=text.encode())
    Path("features.py").write_text(FEATURES)
    Path("trees.py").write_text(TREES)
    common = {"role": role, "instance_type": "ml.m5.large", "instance_count": 1, "sagemaker_session": session}
    made["features"] = SKLearn(entry_point="features.py", framework_version="1.2-1", **common)
    made["trees"] = XGBoost(entry_point="trees.py", framework_version="3.0-5", **common)
    for each in made.values():
        each.fit({"train": f"s3://{bucket}/{name}/train"}, wait=False)
    for each in made.values():
        over(lambda each=each: each.latest_training_job.describe()["TrainingJobStatus"] != "InProgress")


@step
def deploy_a_pipeline_model():
    trees = made["trees"].create_model(env={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"})
    models = [made["features"].create_model(), trees]
    made["model"] = PipelineModel(name=name, role=role, models=models, sagemaker_session=session)
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
