"""LightGBM's model of JumpStart, as AWS's example notebook has it: what the SDK retrieves, training, an endpoint."""

import json

import boto3
import numpy as np
import sagemaker
import soon
from botocore.exceptions import ClientError
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.estimator import Estimator
from steps import step, take

MODEL = {"model_id": "lightgbm-classification-model", "model_version": "*"}
INSTANCE = "ml.m5.large"
session = sagemaker.Session()
estimators: list[Estimator] = []
rows = np.random.default_rng(0).normal(size=(300, 3))
target = (rows[:, 0] + rows[:, 1] > 0).astype(int)


def image(scope):
    return image_uris.retrieve(region=None, framework=None, image_scope=scope, instance_type=INSTANCE, **MODEL)


@step
def refuse():
    bucket = f"jumpstart-cache-prod-{session.boto_region_name}"
    try:
        boto3.client("s3").put_object(Bucket=bucket, Key="models_manifest.json", Body=b"[]")
    except ClientError as error:
        return error.response["Error"]["Code"]


@step
def train():
    np.savetxt("data.csv", np.column_stack([target, rows]), delimiter=",", fmt="%.6g")
    data = session.upload_data("data.csv", key_prefix="jumpstart/data/train")
    chosen = hyperparameters.retrieve_default(**MODEL)
    hyperparameters.validate(**MODEL, hyperparameters=chosen)
    trained = Estimator(
        role=soon.role(),
        image_uri=image("training"),
        source_dir=script_uris.retrieve(script_scope="training", **MODEL),
        model_uri=model_uris.retrieve(model_scope="training", **MODEL),
        entry_point="transfer_learning.py",
        instance_count=1,
        instance_type=INSTANCE,
        hyperparameters=chosen | {"num_boost_round": "20"},
        metric_definitions=[{"Name": "binary_logloss", "Regex": "binary_logloss: ([0-9\\.]+)"}],
    )
    estimators.append(trained)
    described = soon.fit(trained, {"training": data.rsplit("/", 2)[0]})
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(
        estimators[0],
        image_uri=image("inference"),
        source_dir=script_uris.retrieve(script_scope="inference", **MODEL),
        entry_point="inference.py",
    )
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=predictor.endpoint_name,
        ContentType="text/csv",
        Accept="application/json;verbose",
        Body="\n".join(",".join(map(str, row)) for row in rows[:50]),
    )
    predictor.delete_endpoint()
    return {**json.loads(answer["Body"].read()), "target": target[:50].tolist()}


take()
