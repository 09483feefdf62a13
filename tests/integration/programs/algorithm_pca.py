"""PCA with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import PCA
from steps import step, take

random = np.random.default_rng(0)
rows = (random.normal(size=(300, 2)) @ random.normal(size=(2, 6)) + 5).astype("float32")
estimator = PCA(role=soon.role(), instance_count=1, instance_type="ml.m5.large", num_components=2)


@step
def train():
    described = soon.fit(estimator, estimator.record_set(rows, channel="train"))
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(rows)
    predictor.delete_model()
    predictor.delete_endpoint()
    projected = np.array([each.label["projection"].float32_tensor.values for each in answers])
    return {"variance": projected.var(axis=0).tolist(), "rows": rows.var(axis=0).sum().item()}


take()
