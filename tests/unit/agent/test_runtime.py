"""What of an image runs in a task."""

from typing import Any

import pytest

from sagesmith.agent.runtime import runs_algorithm
from sagesmith.compute.base import S3Access, TaskSpec
from sagesmith.images.registry import resolve_on

_ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
_SCRIPT = {"sagemaker_program": '"train.py"'}


def _spec(image: str, **members: Any) -> TaskSpec:
    access = S3Access("http://127.0.0.1:1", "key", "secret", "us-east-1")
    return TaskSpec(
        "id", "training", "job", "job", "arn", image, "ml.m5.large", ["algo-1"], "algo-1", access, "/cache", **members
    )


@pytest.mark.parametrize(
    ("image", "members", "expected"),
    [
        ("kmeans:1", {}, True),
        ("lightgbm-classification-model:1", {"hyperparameters": _SCRIPT}, True),  # the SDK wants one
        ("kmeans:1", {"command": ["python", "own.py"]}, False),
        ("sagemaker-xgboost:1.7-1", {}, True),
        ("sagemaker-xgboost:1.7-1", {"hyperparameters": _SCRIPT}, False),
        ("sagemaker-xgboost:1.7-1", {"environment": {"SAGEMAKER_PROGRAM": "train.py"}}, False),
        ("sagemaker-scikit-learn:1.4-2", {}, False),
    ],
)
def test_the_reason_of_a_users_script_is_not_taken_for_that_of_an_algorithm(
    image: str, members: dict[str, Any], expected: bool
) -> None:
    uri = f"{_ECR}/{image}"
    runtime = resolve_on(uri, ("3.11", "3.12"), "x86_64")
    assert runs_algorithm(runtime, _spec(uri, **members)) is expected
