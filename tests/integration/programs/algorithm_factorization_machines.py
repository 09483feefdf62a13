"""Factorization Machines with the SDK v2's class, on sparse rows."""

import numpy as np
import soon
from sagemaker import FactorizationMachines
from steps import step, take

random = np.random.default_rng(0)
people, films = random.integers(20, size=2000), random.integers(15, size=2000)
tastes, kinds = random.normal(size=(20, 2)), random.normal(size=(15, 2))
ratings = (3 + (tastes[people] * kinds[films]).sum(axis=1)).astype("float32")
rows = np.zeros((2000, 35), "float32")
rows[np.arange(2000), people] = rows[np.arange(2000), 20 + films] = 1
estimator = FactorizationMachines(
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_factors=4,
    predictor_type="regressor",
    epochs=60,
    linear_lr=0.02,
    factors_lr=0.02,
    factors_init_sigma=0.1,
)


@step
def train():
    data = [
        estimator.record_set(rows[:1800], ratings[:1800]),
        estimator.record_set(rows[1800:], ratings[1800:], channel="test"),
    ]
    described = soon.fit(estimator, data, mini_batch_size=100)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(rows[1800:])
    predictor.delete_model()
    predictor.delete_endpoint()
    scores = [each.label["score"].float32_tensor.values[0] for each in answers]
    return {"scores": scores, "ratings": ratings[1800:].tolist()}


take()
