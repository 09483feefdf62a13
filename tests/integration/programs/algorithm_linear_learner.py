"""Linear Learner with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import LinearLearner
from steps import step, take

random = np.random.default_rng(0)
rows = random.normal(size=(600, 4)).astype("float32")
labels = (rows @ [1.0, -2.0, 0.5, 0.0] > 0.2).astype("float32")
estimator = LinearLearner(
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    predictor_type="binary_classifier",
    binary_classifier_model_selection_criteria="f1",
    normalize_data=True,
    epochs=5,
)


@step
def train():
    data = [
        estimator.record_set(rows[:400], labels[:400]),
        estimator.record_set(rows[400:500], labels[400:500], channel="validation"),
        estimator.record_set(rows[500:], labels[500:], channel="test"),
    ]
    described = soon.fit(estimator, data, mini_batch_size=100)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(rows[500:])
    predictor.delete_model()
    predictor.delete_endpoint()
    found = [each.label["predicted_label"].float32_tensor.values[0] for each in answers]
    scores = [each.label["score"].float32_tensor.values[0] for each in answers]
    return {"found": found, "scores": scores, "labels": labels[500:].tolist()}


take()
