"""Logs to the run that its job belongs to, as `load_run` does where the SDK is installed."""

import os
import time

import boto3

job = boto3.client("sagemaker").describe_training_job(TrainingJobName=os.environ["TRAINING_JOB_NAME"])
boto3.client("sagemaker-metrics").batch_put_metrics(
    TrialComponentName=job["ExperimentConfig"]["RunName"],
    MetricData=[{"MetricName": "inside", "Timestamp": time.time(), "Value": 0.5, "Step": 1}],
)
print("loss=0.25", flush=True)
