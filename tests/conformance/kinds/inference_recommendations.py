"""Inference recommendations jobs."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params

_STAIRS = {"DurationInSeconds": 60, "NumberOfSteps": 2, "UsersPerStep": 1}
_PHASES = [{"InitialNumberOfUsers": 1, "SpawnRate": 1, "DurationInSeconds": 60}]


def _consistent(params: Params) -> Params:
    """One form of traffic, one of endpoints; and a threshold that there can be."""
    pattern = params["InputConfig"].get("TrafficPattern")
    if pattern is not None:
        stairs = pattern.get("TrafficType") == "STAIRS"
        params["InputConfig"]["TrafficPattern"] = (
            {"TrafficType": "STAIRS", "Stairs": _STAIRS} if stairs else {"TrafficType": "PHASES", "Phases": _PHASES}
        )
    for each in params["InputConfig"].get("EndpointConfigurations", ()):
        if "ServerlessConfig" in each:
            del each["InstanceType"]
    for threshold in params.get("StoppingConditions", {}).get("ModelLatencyThresholds", ()):
        threshold |= {"Percentile": "P95", "ValueInMilliseconds": 10}
    return params


INFERENCE_RECOMMENDATIONS_JOB = Facts(
    "InferenceRecommendationsJob",
    mend=_consistent,
    needs={"InputConfig.ModelName": "Model:ModelName"},
    always=frozenset(
        {
            "InputConfig.ModelName",
            "InputConfig.ContainerConfig",
            "InputConfig.ContainerConfig.PayloadConfig",
            "InputConfig.ContainerConfig.PayloadConfig.SamplePayloadUrl",
            "InputConfig.ContainerConfig.PayloadConfig.SupportedContentTypes",
            "InputConfig.EndpointConfigurations[].InstanceType",
        }
    ),
    values={
        "InputConfig.ContainerConfig.PayloadConfig.SamplePayloadUrl": "s3://bucket/payload.tar.gz",
        "InputConfig.ContainerConfig.PayloadConfig.SupportedContentTypes": ["text/csv"],
        "InputConfig.JobDurationInSeconds": 600,
        "InputConfig.EndpointConfigurations[].ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 9},
        "StoppingConditions.MaxInvocations": 100,
    },
    without={
        "InputConfig.ModelPackageVersionArn": "ModelName is given, and only one of the two may be",
        "InputConfig.Endpoints": "EndpointConfigurations are given, and only one of the two may be",
        "InputConfig.EndpointConfigurations[].InferenceSpecificationName": "it is of a model package",
    },
    filters={
        "ModelNameEquals": "InputConfig.ModelName",
        "ModelPackageVersionArnEquals": "InputConfig.ModelPackageVersionArn",
    },
    lives=True,
)
