"""Neural Topic Model with the SDK v2's class."""

import numpy as np
import soon
from sagemaker import NTM
from steps import step, take

random = np.random.default_rng(0)
topics = random.dirichlet(np.full(60, 0.1), 3)
rows = np.stack([random.multinomial(60, topics[each % 3]) for each in range(600)]).astype("float32")
estimator = NTM(
    role=soon.role(), instance_count=1, instance_type="ml.m5.large", num_topics=3, epochs=30, num_patience_epochs=10
)


@step
def train():
    channels = [estimator.record_set(rows[:500]), estimator.record_set(rows[500:], channel="validation")]
    described = soon.fit(estimator, channels, mini_batch_size=50)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answers = predictor.predict(rows[:6])
    predictor.delete_model()
    predictor.delete_endpoint()
    return [list(each.label["topic_weights"].float32_tensor.values) for each in answers]


take()
