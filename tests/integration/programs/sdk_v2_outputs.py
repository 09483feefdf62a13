"""What training jobs leave behind, with the SageMaker SDK v2: every output, checkpoints, warm pools, Debugger."""

import os
import time
from pathlib import Path

import sagemaker
from sagemaker.debugger import (
    CollectionConfig,
    DebuggerHookConfig,
    ProfilerConfig,
    ProfilerRule,
    Rule,
    TensorBoardOutputConfig,
    rule_configs,
)
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn import SKLearn
from steps import step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
prefix = f"s3://{session.default_bucket()}/outputs-{os.getpid()}"


def fitted(name, **options):
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=str(HERE / "outputs"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        output_path=f"{prefix}/{name}",
        **options,
    )
    estimator.fit(wait=False, job_name=f"{name}-{os.getpid()}-{time.time_ns()}")
    return estimator


def ended(estimator):
    name = estimator.latest_training_job.name
    while (found := client.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.2)
    return found


def stored(uri):
    return sorted(each.removeprefix(uri) for each in S3Downloader.list(uri, sagemaker_session=session))


@step
def debugger_and_tensorboard():
    estimator = fitted(
        "debugged",
        rules=[
            Rule.sagemaker(rule_configs.loss_not_decreasing()),
            ProfilerRule.sagemaker(rule_configs.ProfilerReport()),
        ],
        profiler_config=ProfilerConfig(system_monitor_interval_millis=500),
        debugger_hook_config=DebuggerHookConfig(
            s3_output_path=f"{prefix}/tensors", collection_configs=[CollectionConfig("losses")]
        ),
        tensorboard_output_config=TensorBoardOutputConfig(s3_output_path=f"{prefix}/events"),
        disable_output_compression=True,
        max_retry_attempts=2,
    )
    found = ended(estimator)
    return {
        "status": found["TrainingJobStatus"],
        "rules": estimator.latest_training_job.rule_job_summary(),
        "retries": found["RetryStrategy"]["MaximumRetryAttempts"],
        "events": stored(estimator.latest_job_tensorboard_artifacts_path()),
        "outputs": stored(f"{prefix}/debugged/{found['TrainingJobName']}"),
        "model": estimator.model_data["S3DataSource"]["S3Uri"].removeprefix(
            f"{prefix}/debugged/{found['TrainingJobName']}"
        ),
    }


@step
def a_spot_job_and_the_next_one():
    options = {
        "use_spot_instances": True,
        "max_run": 600,
        "max_wait": 900,
        "checkpoint_s3_uri": f"{prefix}/checkpoints",
        "hyperparameters": {"sagemaker_s3_output": f"{prefix}/spot"},
    }
    first = ended(fitted("spot", **options))
    second = fitted("spot", **options)
    ended(second)
    second.logs()
    return {
        "seconds": [first["TrainingTimeInSeconds"], first["BillableTimeInSeconds"]],
        "outputs": stored(f"{prefix}/spot/{first['TrainingJobName']}"),
        "checkpoints": stored(f"{prefix}/checkpoints"),
    }


@step
def a_warm_pool():
    first, second = (ended(fitted("warm", keep_alive_period_in_seconds=600))["TrainingJobName"] for _ in range(2))
    session.update_training_job(second, resource_config={"KeepAlivePeriodInSeconds": 0})
    reused = client.list_training_jobs(WarmPoolStatusEquals="Reused", NameContains="warm")["TrainingJobSummaries"]
    while (pool := client.describe_training_job(TrainingJobName=second)["WarmPoolStatus"])["Status"] == "Available":
        time.sleep(0.2)
    return {
        "reused": [[each["TrainingJobName"], each["WarmPoolStatus"]["ReusedByJob"]] for each in reused],
        "jobs": [first, second],
        "after": pool["Status"],
    }


take()
