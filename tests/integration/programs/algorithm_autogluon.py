"""AutoGluon's model of JumpStart, as AWS's example notebook has it: what the SDK retrieves, training, an endpoint."""

import json

import boto3
import numpy as np
import sagemaker
import soon
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.estimator import Estimator
from steps import step, take

MODEL = {"model_id": "autogluon-classification-ensemble", "model_version": "*"}
INSTANCE = "ml.m5.large"
session = sagemaker.Session()
estimators: list[Estimator] = []
numbers = np.random.default_rng(0).normal(size=100)
rows = [f"{'red' if number > 0 else 'blue'},{number:.6g}" for number in numbers]
target = ["over" if number > 0.3 else "under" for number in numbers]


def image(scope):
    return image_uris.retrieve(region=None, framework=None, image_scope=scope, instance_type=INSTANCE, **MODEL)


@step
def train():
    with open("data.csv", "w") as file:
        file.writelines(f"{label},{row}\n" for label, row in zip(target, rows, strict=True))
    data = session.upload_data("data.csv", key_prefix="autogluon/data/train")
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
        hyperparameters=chosen | {"save_space": "True", "time_limit": "15"},
    )
    estimators.append(trained)
    soon.fit(trained, {"training": data.rsplit("/", 2)[0]})
    return chosen


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
        Body="\n".join(rows),
    )
    predictor.delete_endpoint()
    return {**json.loads(answer["Body"].read()), "target": target}


take()
