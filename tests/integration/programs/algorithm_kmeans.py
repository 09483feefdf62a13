"""K-Means with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import KMeans
from steps import step, take

centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], dtype="float32")
rows = np.repeat(centres, 100, axis=0) + np.random.default_rng(0).normal(0, 0.5, (300, 2)).astype("float32")
estimator = KMeans(role=soon.role(), instance_count=1, instance_type="ml.m5.large", k=3)


@step
def train():
    described = soon.fit(estimator, estimator.record_set(rows, channel="train"))
    return {
        "metrics": {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]},
        "definitions": [each["Name"] for each in described["AlgorithmSpecification"]["MetricDefinitions"]],
    }


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(rows[[0, 1, 100, 200]])
    labels = [{name: list(value.float32_tensor.values) for name, value in each.label.items()} for each in answers]
    predictor.delete_model()
    predictor.delete_endpoint()
    return labels


take()
