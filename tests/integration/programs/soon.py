"""Waiting for jobs and endpoints of the SDK v2 without its pauses of half a minute: it is asked not to wait."""

import time
from types import SimpleNamespace
from typing import Any

import sagemaker.session


def fit(estimator: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    """Train, and the description of the job that is Completed."""
    estimator.fit(*arguments, wait=False, **named)
    client, name = estimator.sagemaker_session.sagemaker_client, estimator.latest_training_job.name
    while True:
        described = client.describe_training_job(TrainingJobName=name)
        if described["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
            return dict(described)
        time.sleep(0.1)


def deploy(estimator: Any, **named: Any) -> Any:
    """A predictor of an endpoint that is InService."""
    predictor = estimator.deploy(1, "ml.m5.large", wait=False, **named)
    client = estimator.sagemaker_session.sagemaker_client
    while True:
        described = client.describe_endpoint(EndpointName=predictor.endpoint_name)
        if described["EndpointStatus"] != "Creating":
            assert described["EndpointStatus"] == "InService", described.get("FailureReason")
            return predictor
        time.sleep(0.1)


def role() -> str:
    return str(sagemaker.get_execution_role())


def hurry() -> None:
    """Let the SDK's clock run a hundred times as fast: it looks at a job that takes seconds every half a minute."""
    begun, faster = time.time(), 100
    sagemaker.session.time = SimpleNamespace(
        time=lambda: begun + (time.time() - begun) * faster, sleep=lambda seconds: time.sleep(seconds / faster)
    )
