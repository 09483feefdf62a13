"""Inference recommendations jobs: what is asked for. What becomes of it is the reconciler's (`recommender`).

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateInferenceRecommendationsJob.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-recommendation-jobs.html
"""

import uuid
from dataclasses import replace
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call, Kind, Lifecycle, Refusal, Unbuilt, Wording, paged, reading
from sagesmith.services.sagemaker.jobs.base import REJECTED
from sagesmith.services.sagemaker.on_behalf import creator_of
from sagesmith.services.sagemaker.recommender import scaling
from sagesmith.services.sagemaker.recommender.candidates import candidates
from sagesmith.services.sagemaker.recommender.checks import check
from sagesmith.services.sagemaker.recommender.load_tests import benchmark, dump, load
from sagesmith.services.sagemaker.recommender.plan import CONTENT_TYPES, PAYLOAD, TESTS
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

PENDING, IN_PROGRESS, STOPPING = "PENDING", "IN_PROGRESS", "STOPPING"
ENDED = frozenset({"COMPLETED", "FAILED", "STOPPED"})


def _initial(call: Call, params: Params) -> Params:
    tests, payload, types = candidates(call, params)
    return {
        "_id": uuid.uuid4().hex[:8],
        TESTS: dump(tests),
        PAYLOAD: payload,
        CONTENT_TYPES: types,
        **creator_of(call.context),
    }


def _stop(call: Call, document: Document, params: Params) -> Document:
    return replace(document, status=STOPPING)


def operations(home: Home) -> dict[str, Handler]:
    """ListInferenceRecommendationsJobSteps and GetScalingConfigurationRecommendation."""
    return {
        "ListInferenceRecommendationsJobSteps": reading(home, _list_steps),
        "GetScalingConfigurationRecommendation": reading(home, _scaling),
    }


def _list_steps(call: Call, params: Params) -> Params:
    job = RECOMMENDATIONS_JOB.find(call.tx, call.context, params["JobName"])
    wanted = [each for each in load(job.body[TESTS]) if params.get("Status") in (None, each.status)]
    page, token = paged(wanted, params, lambda each: f"{each.number:04d}")
    steps = [
        {
            "StepType": "BENCHMARK",
            "JobName": job.name,
            "Status": each.status,
            "InferenceBenchmark": benchmark(each),
        }
        for each in page
    ]
    return {"Steps": steps, "NextToken": token}


def _scaling(call: Call, params: Params) -> Params:
    """How to scale what a job has recommended, or the endpoint that it has measured."""
    job = RECOMMENDATIONS_JOB.find(call.tx, call.context, params["InferenceRecommendationsJobName"])
    wanted, endpoint = params.get("RecommendationId"), params.get("EndpointName")
    if bool(wanted) == bool(endpoint):
        raise ValidationException("Specify either RecommendationId or EndpointName.")
    if job.status != "COMPLETED":
        raise ValidationException(f"Inference recommendations job {job.name} is {job.status}, not COMPLETED.")
    if wanted is not None:
        recommended = {
            each["RecommendationId"]: each["EndpointConfiguration"]["EndpointName"]
            for each in job.body.get("InferenceRecommendations") or ()
        }
        endpoint = recommended.get(wanted)
    test = next((each for each in load(job.body[TESTS]) if each.endpoint == endpoint and each.result), None)
    if test is None:
        raise ResourceNotFound(f"Inference recommendations job {job.name} has not measured {wanted or endpoint}.")
    if test.serverless is not None:
        raise ValidationException(f"{test.endpoint} is a serverless endpoint, which has no instances to scale.")
    target = params.get("TargetCpuUtilizationPerCore") or scaling.DEFAULT_TARGET_PERCENT
    objective = params.get("ScalingPolicyObjective") or {}
    return {
        **{name: params[name] for name in _SCALING_ECHOED if params.get(name) is not None},
        "TargetCpuUtilizationPerCore": target,
        "Metric": scaling.metric(test, target),
        "DynamicScalingConfiguration": scaling.configuration(test, target, objective),
    }


_SCALING_ECHOED = ("InferenceRecommendationsJobName", "RecommendationId", "EndpointName", "ScalingPolicyObjective")
_SUMMARY: dict[str, Any] = {
    "ModelName": "InputConfig.ModelName",
    "ModelPackageVersionArn": "InputConfig.ModelPackageVersionArn",
    "SamplePayloadUrl": "InputConfig.ContainerConfig.PayloadConfig.SamplePayloadUrl",
}
_CONTAINER = "InputConfig.ContainerConfig"
_OF_NEO = "models are not compiled, and no benchmarks of other people's models are known"

RECOMMENDATIONS_JOB = Kind(
    noun="InferenceRecommendationsJob",
    called="inference recommendations job",
    name_member="JobName",
    starts_as=PENDING,
    lifecycle=Lifecycle(
        {
            PENDING: frozenset({IN_PROGRESS, STOPPING, "FAILED"}),
            IN_PROGRESS: frozenset({STOPPING, "COMPLETED", "FAILED"}),
            STOPPING: frozenset({"STOPPED"}),
            **dict.fromkeys(sorted(ENDED), frozenset[str]()),
        },
        (Refusal(("StopInferenceRecommendationsJob",), ENDED, REJECTED),),
    ),
    check=check,
    defaults={"JobDescription": ""},
    initial=_initial,
    summary=_SUMMARY,
    filters={
        "ModelNameEquals": "InputConfig.ModelName",
        "ModelPackageVersionArnEquals": "InputConfig.ModelPackageVersionArn",
    },
    changes={"StopInferenceRecommendationsJob": _stop},
    missing=Wording(ResourceNotFound, "Inference recommendations job {name} does not exist."),
    duplicate=Wording(ResourceInUse, "Inference recommendations job {name} already exists."),
    unbuilt=(Unbuilt("OutputConfig.CompiledOutputConfig", "Compilation of models is"),),
    without_effect={
        "InputConfig.VolumeKmsKeyId": "disks are not encrypted by Sagesmith",
        "InputConfig.VpcConfig": "endpoints have the network of this machine",
        "OutputConfig.KmsKeyId": "nothing is stored in S3",
        **{
            f"{_CONTAINER}.{member}": _OF_NEO
            for member in (
                "Domain",
                "Task",
                "Framework",
                "FrameworkVersion",
                "NearestModelName",
                "DataInputConfig",
                "SupportedResponseMIMETypes",
            )
        },
    },
)
