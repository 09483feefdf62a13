"""Hyperparameter tuning jobs."""

from hypothesis import strategies as st

from tests.conformance.facts import Facts
from tests.conformance.kinds.training import TRAINING_JOB, consistent
from tests.conformance.model import Params

_CONFIG = "HyperParameterTuningJobConfig"
_DEFINITION = "TrainingJobDefinition"
_RANGES: list[Params] = [
    {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.5", "MaxValue": "1", "ScalingType": "Logarithmic"}]},
    {"IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "8"}]},
    {"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b", "c"]}]},
]


def _definition_of(paths: dict[str, str]) -> dict[str, str]:
    return {f"{_DEFINITION}.{path}": why for path, why in paths.items() if ":" not in path}


def _consistent(params: Params) -> Params:
    return {**params, _DEFINITION: consistent(params[_DEFINITION])}


TUNING_JOB = Facts(
    "HyperParameterTuningJob",
    mend=_consistent,
    always=frozenset(
        {
            f"{_CONFIG}.ParameterRanges",
            f"{_CONFIG}.HyperParameterTuningJobObjective",
            f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs",
            _DEFINITION,
            f"{_DEFINITION}.StaticHyperParameters",
            f"{_DEFINITION}.AlgorithmSpecification.MetricDefinitions",
            *(f"{_DEFINITION}.{path}" for path in TRAINING_JOB.always),
        }
    ),
    values={
        f"{_CONFIG}.Strategy": st.sampled_from(["Bayesian", "Random"]),
        f"{_CONFIG}.ParameterRanges": st.sampled_from(_RANGES),
        f"{_CONFIG}.HyperParameterTuningJobObjective.MetricName": "loss",
        f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs": st.integers(1, 3),
        f"{_DEFINITION}.AlgorithmSpecification.MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        f"{_DEFINITION}.StaticHyperParameters": {"_tuning_objective_metric": "loss", "depth": "3"},
        **{f"{_DEFINITION}.{path}": value for path, value in TRAINING_JOB.values.items()},
    },
    without={
        f"{_CONFIG}.StrategyConfig": "it is of Hyperband, which tests of tuning show",
        "TrainingJobDefinitions": "TrainingJobDefinition is given, and only one of the two may be",
        "WarmStartConfig": "its parents must have ended, which tests of warm starts show",
        f"{_DEFINITION}.TuningObjective": "the tuning job's own is given",
        f"{_DEFINITION}.HyperParameterRanges": "the tuning job's own are given",
        f"{_DEFINITION}.HyperParameterTuningResourceConfig": "it stands instead of ResourceConfig",
        **_definition_of(dict(TRAINING_JOB.without)),
    },
    lives=True,
    exceptions={
        "DescribeHyperParameterTuningJob.TrainingJobDefinitions: missing list": "a tuning job of one definition has "
        "none; by that the SDK tells the two forms apart"
    },
)
