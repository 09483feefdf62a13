"""Inference Recommender and shadow tests."""

from typing import Any

from tests.conformance.rules import GONE, Rule

_PATTERN = "InputConfig.TrafficPattern"
_PHASE = {"InitialNumberOfUsers": 1, "SpawnRate": 0, "DurationInSeconds": 120}
_STAIRS = {"DurationInSeconds": 120, "NumberOfSteps": 1, "UsersPerStep": 1}


def _recommendation(says: str, asked: dict[str, Any], refused: str) -> Rule:
    return Rule("InferenceRecommendationsJob", "CreateInferenceRecommendationsJob", says, asked, refused)


def _experiment(says: str, asked: dict[str, Any], refused: str) -> Rule:
    return Rule("InferenceExperiment", "CreateInferenceExperiment", says, asked, refused)


RULES = (
    _recommendation("The maximum value is 18,000 seconds.", {"InputConfig.JobDurationInSeconds": 18_001}, "18000"),
    _recommendation("", {"InputConfig.ModelName": GONE}, "needs a ModelPackageVersionArn, a ModelName or Endpoints"),
    _recommendation("", {_PATTERN: {"TrafficType": "STAIRS", "Phases": [_PHASE]}}, "Stairs is required"),
    _recommendation("", {_PATTERN: {"TrafficType": "PHASES", "Stairs": _STAIRS}}, "Phases is required"),
    _recommendation(
        "",
        {_PATTERN: {"TrafficType": "PHASES", "Phases": [_PHASE], "Stairs": _STAIRS}},
        "Stairs can be given only when",
    ),
    _recommendation(
        "",
        {_PATTERN: {"TrafficType": "PHASES", "Phases": [_PHASE]}, "InputConfig.JobDurationInSeconds": 60},
        "cannot exceed JobDurationInSeconds",
    ),
    _recommendation(
        "",
        {"StoppingConditions": {"ModelLatencyThresholds": [{"Percentile": "P50", "ValueInMilliseconds": 1}]}},
        "must be P95 or P99",
    ),
    _recommendation(
        "",
        {"InputConfig.EndpointConfigurations": [{"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}]},
        "MemorySizeInMB must be",
    ),
    _recommendation(
        "",
        {
            "InputConfig.EndpointConfigurations": [
                {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1, "ProvisionedConcurrency": 1}}
            ]
        },
        "ProvisionedConcurrency is not supported",
    ),
    _experiment(
        "",
        {"ShadowModeConfig.SourceModelVariantName": "shadow"},
        "cannot be both the production variant and the shadow variant",
    ),
    _experiment(
        "",
        {"ModelVariants[0].InfrastructureConfig.RealTimeInferenceConfig.InstanceCount": 0},
        "InstanceCount must be at least 1",
    ),
)
