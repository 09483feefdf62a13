"""IP Insights with the SDK v2's class."""

import random

import soon
from sagemaker import IPInsights, Session
from sagemaker.amazon.amazon_estimator import RecordSet
from steps import step, take

random.seed(0)
session = Session()
users = [user for user in range(40) for _ in range(30)]
random.shuffle(users)
lines = [f"user_{user},10.{user}.{random.randrange(4)}.{random.randrange(256)}" for user in users]
estimator = IPInsights(
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_entity_vectors=80,
    vector_dim=8,
    epochs=10,
    learning_rate=0.02,
)


@step
def train():
    folder = f"s3://{session.default_bucket()}/logins/"
    session.upload_string_as_file_body("\n".join(lines), session.default_bucket(), "logins/part-0.csv")
    records = RecordSet(folder, num_records=len(lines), feature_dim=None, s3_data_type="S3Prefix")
    described = soon.fit(estimator, records, mini_batch_size=100)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator)
    answer = predictor.predict([["user_7", "10.7.1.1"], ["user_7", "203.0.113.9"]])
    predictor.delete_model()
    predictor.delete_endpoint()
    return [each["dot_product"] for each in answer["predictions"]]


take()
