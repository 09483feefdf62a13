"""TabTransformer's notebook with its tuner, on categories that are words, and CatBoost by a JumpStartEstimator."""

import json
import time

import boto3
import numpy as np
import sagemaker
import soon
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.estimator import Estimator
from sagemaker.jumpstart.estimator import JumpStartEstimator
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner
from steps import step, take

MODEL = {"model_id": "pytorch-tabtransformerclassification-model", "model_version": "*"}
INSTANCE = "ml.p3.2xlarge"
session = sagemaker.Session()
random = np.random.default_rng(0)
trades = random.choice(["sales", "tech support", "farming"], 400)
numbers = random.normal(size=400)
target = (trades == "farming").astype(int)


def data(key):
    with open("data.csv", "w") as file:
        file.writelines(
            f"{label},{number:.6g},{trade}\n" for label, number, trade in zip(target, numbers, trades, strict=True)
        )
    with open("categorical_index.json", "w") as file:
        json.dump({"cat_index_list": [2]}, file)
    session.upload_data("data.csv", key_prefix=f"{key}/train")
    return session.upload_data("categorical_index.json", key_prefix=key).rpartition("/")[0]


@step
def tune():
    image = image_uris.retrieve(region=None, framework=None, image_scope="training", instance_type=INSTANCE, **MODEL)
    chosen = hyperparameters.retrieve_default(**MODEL)
    chosen |= {"n_epochs": "12", "n_blocks": "1"}
    estimator = Estimator(
        role=soon.role(),
        image_uri=image,
        source_dir=script_uris.retrieve(script_scope="training", **MODEL),
        model_uri=model_uris.retrieve(model_scope="training", **MODEL),
        entry_point="transfer_learning.py",
        instance_count=1,
        instance_type=INSTANCE,
        hyperparameters=chosen,
    )
    tuner = HyperparameterTuner(
        estimator,
        "f1_score",
        {
            "learning_rate": ContinuousParameter(0.001, 0.01, scaling_type="Auto"),
            "batch_size": CategoricalParameter([16, 32]),
        },
        [{"Name": "f1_score", "Regex": "metrics={'f1': (\\S+)}"}],
        max_jobs=1,
        max_parallel_jobs=1,
        objective_type="Maximize",
        random_seed=1,
    )
    tuner.fit({"training": data("words")}, wait=False)
    name = tuner.latest_tuning_job.name
    client = session.sagemaker_client
    while True:
        described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if described["HyperParameterTuningJobStatus"] != "InProgress":
            break
        time.sleep(0.1)
    return described["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]


@step
def boost():
    estimator = JumpStartEstimator(
        model_id="catboost-classification-model",
        role=soon.role(),
        instance_type="ml.m5.large",
        hyperparameters={"iterations": "30", "learning_rate": "0.3"},
    )
    soon.fit(estimator, {"training": data("boosted")})
    predictor = soon.deploy(estimator)
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=predictor.endpoint_name, ContentType="text/csv", Body="0,farming\n0,sales\n0,never seen\n"
    )
    predictor.delete_endpoint()
    return json.loads(answer["Body"].read())["probabilities"]


take()
