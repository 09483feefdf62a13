"""Tuning jobs as these tests make them: boto3's calls with the parts that differ."""

import json
import time
from typing import Any

from tests.integration.conftest import Running
from tests.integration.jobs import BUCKET, IMAGE, ROLE, archive, name, upload

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_known_args()[0].rate
print(f"loss={(rate - 0.3) ** 2:.6f}")
"""
"""A program whose best rate is 0.3."""


def definition(platform: Running, script: str = SCRIPT, **changes: Any) -> dict[str, Any]:
    """A training job definition that runs a program of one file."""
    source = upload(platform, f"{name('source')}/sourcedir.tar.gz", archive({"train.py": script}))
    return {
        "StaticHyperParameters": {
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps(source),
        },
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e-]+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **changes,
    }


def start_tuning(platform: Running, trials: int = 4, script: str = SCRIPT, **changes: Any) -> str:
    """CreateHyperParameterTuningJob for the best `rate` between 0 and 1; returns its name."""
    called = name("tune")
    config = {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0", "MaxValue": "1"}]},
        **changes.pop("Config", {}),
    }
    platform.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=called,
        HyperParameterTuningJobConfig=config,
        **{"TrainingJobDefinition": definition(platform, script)} | changes,
    )
    return called


def wait_tuning(platform: Running, called: str) -> dict[str, Any]:
    """The tuning job's description once it has ended."""
    client = platform.client("sagemaker")
    while True:
        described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=called)
        if described["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return described
        time.sleep(0.1)


def trials_of(platform: Running, called: str, **changes: Any) -> list[dict[str, Any]]:
    """The summaries of a tuning job's training jobs, from all pages."""
    pages = platform.client("sagemaker").get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    return [
        each
        for page in pages.paginate(HyperParameterTuningJobName=called, **changes)
        for each in page["TrainingJobSummaries"]
    ]
