"""Train a random forest, deploy it, ask it for predictions and delete it again, with the SageMaker Python SDK v2."""

import pandas as pd
import sagemaker
from sagemaker.sklearn import SKLearn

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
train_uri = session.upload_data("data/train.csv", bucket=bucket, key_prefix="quickstart/train")

estimator = SKLearn(
    entry_point="train.py",
    framework_version="0.23-1",
    instance_type="ml.m4.xlarge",
    instance_count=1,
    role=role,
    hyperparameters={"max_depth": 5, "n_estimators": 100},
)
estimator.fit({"train": train_uri})

predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m4.xlarge")
try:
    test = pd.read_csv("data/test.csv")
    predictions = predictor.predict(test.drop(columns="benign").values)
finally:
    predictor.delete_model()
    predictor.delete_endpoint()

print(f"score: {(predictions == test['benign'].values).mean():.4f}")
