"""MLflow's own client for SageMaker (`mlflow.deployments`), unmodified."""

import json
import os
import time

import boto3
import mlflow
import pandas
from mlflow.deployments import get_deploy_client
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
from steps import step, take

name = f"mlflow-{os.getpid()}"
account = boto3.client("sts").get_caller_identity()["Account"]
client = get_deploy_client("sagemaker:/us-east-1")
runtime = boto3.client("sagemaker-runtime")
frame = pandas.DataFrame({"a": [1.0, 3.0, 5.0], "b": [2.0, 4.0, 7.0]})


@step
def a_deployment():
    sums = frame.sum(axis=1)
    model = LinearRegression().fit(frame, sums)
    requirements = ["cloudpickle", "scikit-learn>=1.9", "pandas"]
    options = {"serialization_format": "cloudpickle", "pip_requirements": requirements}
    mlflow.sklearn.save_model(model, "model", signature=infer_signature(frame, sums), **options)
    config = {
        "execution_role_arn": f"arn:aws:iam::{account}:role/SageMakerExecutionRole",
        "image_url": f"{account}.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:{mlflow.__version__}",
        "region_name": "us-east-1",
        "instance_type": "ml.m5.large",
        "synchronous": False,
        "archive": True,
    }
    client.create_deployment(name, "model", flavor="python_function", config=config)
    while (found := client.get_deployment(name))["EndpointStatus"] == "Creating":
        time.sleep(0.2)
    csv = runtime.invoke_endpoint(EndpointName=name, Body=frame.to_csv(index=False), ContentType="text/csv")
    return {
        "status": found["EndpointStatus"],
        "reason": found.get("FailureReason"),
        "predictions": client.predict(name, frame)["predictions"],
        "csv": json.loads(csv["Body"].read()),
        "listed": [each["EndpointName"] for each in client.list_deployments()],
        "name": name,
    }


@step
def its_end():
    client.delete_deployment(name, config={"region_name": "us-east-1", "archive": True, "synchronous": False})
    while name in [each["EndpointName"] for each in client.list_deployments()]:
        time.sleep(0.2)
    return True


take()
