"""LDA with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import LDA
from steps import step, take

random = np.random.default_rng(0)
topics = np.repeat(np.eye(2), 5, axis=1) / 5
mixtures = random.dirichlet([0.3, 0.3], size=200)
documents = np.array([random.multinomial(50, mixture @ topics) for mixture in mixtures]).astype("float32")
estimator = LDA(role=soon.role(), instance_type="ml.m5.large", num_topics=2)


@step
def train():
    described = soon.fit(estimator, estimator.record_set(documents, channel="train"), mini_batch_size=200)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(documents)
    predictor.delete_model()
    predictor.delete_endpoint()
    found = np.array([each.label["topic_mixture"].float32_tensor.values for each in answers])
    return min(np.abs(found - mixtures).mean(), np.abs(found[:, ::-1] - mixtures).mean())


take()
