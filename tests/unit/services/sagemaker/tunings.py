"""Tuning jobs for tests: the input of Create, and a loop that ends their training jobs as a function says."""

from collections.abc import Callable
from typing import Any

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.world import ROLE, Task, World

Objective = Callable[[dict[str, str]], float | None]
"""The value that a training job with these hyperparameters emits; None if it emits none."""

RANGES: Params = {
    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}],
    "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "8"}],
    "CategoricalParameterRanges": [{"Name": "c", "Values": ['"a"', '"b"']}],
}
LETTERS: Params = {"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b", "c", "d", "e", "f"]}]}


def definition(**changes: Any) -> Params:
    """A training job definition as SDK v2 sends it for a scikit-learn estimator."""
    return {
        "StaticHyperParameters": {"sagemaker_program": '"train.py"', "epochs": "9"},
        "AlgorithmSpecification": {
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://out/"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changes,
    }


def tuning_job(name: str = "tune", most: int | None = 6, parallel: int = 2, **changes: Any) -> Params:
    """The input of CreateHyperParameterTuningJob. Changes of members of its configuration are put there."""
    config: Params = {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxParallelTrainingJobs": parallel},
        "ParameterRanges": RANGES,
        "RandomSeed": 7,
    }
    if most is not None:
        config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = most
    changes = dict(changes)
    members = ("Strategy", "StrategyConfig", "ResourceLimits", "ParameterRanges", "TrainingJobEarlyStoppingType",
               "TuningJobCompletionCriteria", "RandomSeed", "HyperParameterTuningJobObjective")  # fmt: skip
    config |= {member: changes.pop(member) for member in members if member in changes}
    config = {member: value for member, value in config.items() if value is not None}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition(),
        **changes,
    }


def describe(world: World, name: str = "tune") -> Params:
    return world.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)


def trials(world: World, name: str = "tune", **changes: Any) -> list[Params]:
    """All that ListTrainingJobsForHyperParameterTuningJob lists."""
    asked = {"HyperParameterTuningJobName": name, "MaxResults": 100, **changes}
    found: list[Params] = world.call("ListTrainingJobsForHyperParameterTuningJob", **asked)["TrainingJobSummaries"]
    return found


def finish(task: Task, value: float | None) -> None:
    """Let a training job's program emit a value of the objective and end well."""
    metrics = [] if value is None else [{"MetricName": "loss", "Value": value, "Timestamp": 1.0}]
    task.say("Training")
    task.say("Completed", metrics=metrics)


def run(world: World, objective: Objective, name: str = "tune") -> Params:
    """Let every training job that starts end at once, until the tuning job has; returns its description."""

    while (described := describe(world, name))["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
        for task in list(world.backend.present.values()):
            if task.alive:
                finish(task, objective(task.spec.hyperparameters))
        world.turn()
    return described


def x_squared(hyperparameters: dict[str, str]) -> float:
    return (float(hyperparameters["x"]) - 0.3) ** 2
