"""Random Cut Forest with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import RandomCutForest
from steps import step, take

random = np.random.default_rng(0)
usual = random.normal(size=(1000, 2)).astype("float32")
odd = np.array([[9.0, 9.0], [-9.0, 8.0]], "float32")
estimator = RandomCutForest(
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_samples_per_tree=64,
    num_trees=50,
)


@step
def train():
    test = np.concatenate([usual[900:], odd])
    labels = np.array([0.0] * 100 + [1.0] * 2, "float32")
    channels = [estimator.record_set(usual[:900]), estimator.record_set(test, labels, channel="test")]
    described = soon.fit(estimator, channels, mini_batch_size=1000)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(np.concatenate([usual[:5], odd]))
    predictor.delete_model()
    predictor.delete_endpoint()
    return [each.label["score"].float32_tensor.values[0] for each in answers]


take()
