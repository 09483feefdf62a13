"""The quickstart's loop with boto3 alone: train, deploy, predict, look at everything, delete it again."""

import contextlib
import csv
import io
import json
import os
import tarfile
import time
from pathlib import Path

import boto3

sagemaker = boto3.client("sagemaker")
runtime = boto3.client("sagemaker-runtime")
s3 = boto3.client("s3")
region = sagemaker.meta.region_name
account = boto3.client("sts").get_caller_identity()["Account"]
role = os.environ.get("SAGEMAKER_ROLE", f"arn:aws:iam::{account}:role/SageMakerExecutionRole")
# Amazon's scikit-learn image for us-east-1; other regions have other accounts:
# https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html
image = f"683313688378.dkr.ecr.{region}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
name = f"boto3-quickstart-{int(time.time())}"
bucket = f"sagemaker-{region}-{account}"
tags = [{"Key": "example", "Value": "boto3-quickstart"}]

# The data and the code.
location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
    s3.create_bucket(Bucket=bucket, **location)
s3.upload_file("data/train.csv", bucket, f"{name}/train/train.csv")
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    tar.add("train.py")
s3.put_object(Bucket=bucket, Key=f"{name}/source/sourcedir.tar.gz", Body=archive.getvalue())
source = f"s3://{bucket}/{name}/source/sourcedir.tar.gz"

# A training job.
job_arn = sagemaker.create_training_job(
    TrainingJobName=name,
    AlgorithmSpecification={
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "accuracy", "Regex": "out-of-bag accuracy: ([0-9.]+);"}],
    },
    RoleArn=role,
    HyperParameters={
        "sagemaker_program": json.dumps("train.py"),
        "sagemaker_submit_directory": json.dumps(source),
        "max_depth": "5",
        "n_estimators": "100",
    },
    InputDataConfig=[
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/train"}},
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{name}"},
    ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    StoppingCondition={"MaxRuntimeInSeconds": 3600},
    Tags=tags,
)["TrainingJobArn"]
sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 600}
)
job = sagemaker.describe_training_job(TrainingJobName=name)
print(job["TrainingJobStatus"], job.get("FailureReason", ""))
print("metrics:", {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]})
for step in job["SecondaryStatusTransitions"]:
    print(f"  {step['StartTime']:%H:%M:%S} {step['Status']}: {step.get('StatusMessage', '')}")

# Its log, as it stands in CloudWatch Logs.
logs = boto3.client("logs")
group = "/aws/sagemaker/TrainingJobs"
for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]:
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    print(f"{stream['logStreamName']}: {len(events['events'])} lines")

# An endpoint.
sagemaker.create_model(
    ModelName=name,
    ExecutionRoleArn=role,
    PrimaryContainer={
        "Image": image,
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        "Environment": {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_SUBMIT_DIRECTORY": source},
    },
    Tags=tags,
)
sagemaker.create_endpoint_config(
    EndpointConfigName=name,
    ProductionVariants=[
        {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    ],
    Tags=tags,
)
endpoint_arn = sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)["EndpointArn"]
try:
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1200})

    # Everything that there is now, one by one and in lists.
    print("model:", sagemaker.describe_model(ModelName=name)["ModelArn"])
    print("config:", sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigArn"])
    print("endpoint:", sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])
    for operation, records in (
        ("list_training_jobs", "TrainingJobSummaries"),
        ("list_models", "Models"),
        ("list_endpoint_configs", "EndpointConfigs"),
        ("list_endpoints", "Endpoints"),
    ):
        pages = sagemaker.get_paginator(operation).paginate(NameContains=name, SortBy="CreationTime")
        print(f"{operation}: {sum(len(page[records]) for page in pages)}")
    sagemaker.add_tags(ResourceArn=endpoint_arn, Tags=[{"Key": "stage", "Value": "test"}])
    sagemaker.delete_tags(ResourceArn=endpoint_arn, TagKeys=["stage"])
    print("tags:", sagemaker.list_tags(ResourceArn=endpoint_arn)["Tags"])

    # Predictions for the rows that the training job has not seen.
    with Path("data/test.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    answer = runtime.invoke_endpoint(
        EndpointName=name,
        ContentType="text/csv",
        Accept="application/json",
        Body="\n".join(",".join(row[1:]) for row in rows),
    )
    predictions = json.load(answer["Body"])
finally:
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)

right = sum(prediction == int(row[0]) for prediction, row in zip(predictions, rows, strict=True))
print(f"score: {right / len(rows):.4f}")
