"""K-Nearest Neighbors with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import KNN
from steps import step, take

random = np.random.default_rng(0)
rows = random.normal(size=(600, 4)).astype("float32")
labels = (rows[:, 0] > 0).astype("float32")
estimator = KNN(
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    k=5,
    sample_size=500,
    predictor_type="classifier",
)


@step
def train():
    train = estimator.record_set(rows[:500], labels[:500])
    test = estimator.record_set(rows[500:], labels[500:], channel="test")
    described = soon.fit(estimator, [train, test])
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(rows[500:520])
    found = [each.label["predicted_label"].float32_tensor.values[0] for each in answers]
    predictor.delete_model()
    predictor.delete_endpoint()
    return {"found": found, "labels": labels[500:520].tolist()}


take()
