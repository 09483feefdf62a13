"""A text classification model of JumpStart by the SDK's JumpStartEstimator; what is there for pairs."""

import csv

import sagemaker
import soon
from sagemaker import hyperparameters, image_uris
from sagemaker.jumpstart.estimator import JumpStartEstimator
from steps import step, take

session = sagemaker.Session()
estimators: list[JumpStartEstimator] = []
GOOD = ("wonderful", "brilliant", "a delight", "moving and funny", "superb", "charming", "full of life")
BAD = ("awful", "dull", "a waste of time", "boring and long", "poor", "tedious", "without a single idea")


@step
def retrieve():
    model = {"model_id": "huggingface-spc-bert-base-uncased", "model_version": "*"}
    image = image_uris.retrieve(
        region=None, framework=None, image_scope="training", instance_type="ml.p3.2xlarge", **model
    )
    return {"image": image, "epochs": hyperparameters.retrieve_default(**model)["epochs"]}


@step
def train():
    with open("data.csv", "w", newline="") as file:
        for label, words in enumerate((BAD, GOOD)):
            csv.writer(file).writerows([label, f"the film, {each}"] for each in words * 4)
    data = session.upload_data("data.csv", key_prefix="texts")
    trained = JumpStartEstimator(
        model_id="tensorflow-tc-bert-en-uncased-L-12-H-768-A-12-2",
        instance_type="ml.m5.large",
        role=soon.role(),
        hyperparameters={"epochs": "3", "batch_size": "16"},
    )
    estimators.append(trained)
    described = soon.fit(trained, {"training": data.rsplit("/", 1)[0]})
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimators[0])
    asked = {"ContentType": "application/x-text", "Accept": "application/json;verbose"}
    answers = [predictor.predict(text, asked) for text in ("splendid , and very well done", "i hated every minute")]
    predictor.delete_endpoint()
    return answers


take()
