"""Inference recommendations jobs: what is asked for. What becomes of it is the reconciler's (`recommender`).

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateInferenceRecommendationsJob.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-recommendation-jobs.html
"""

import itertools
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sagesmith.compute.instances import size_of
from sagesmith.images.base import ImageNotRunnable, NotOurs
from sagesmith.images.registry import resolve
from sagesmith.services.base import Home
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, Kind, Lifecycle, Refusal, Unbuilt, Wording, paged, reading
from sagesmith.services.sagemaker.jobs.base import REJECTED
from sagesmith.services.sagemaker.model_packages import MODEL_PACKAGE, containers_in
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.services.sagemaker.on_behalf import creator_of
from sagesmith.services.sagemaker.recommender.plan import CONTENT_TYPES, PAYLOAD, TESTS
from sagesmith.services.sagemaker.recommender.tests import LoadTest, benchmark, dump, load
from sagesmith.services.sagemaker.recommender.traffic import of_pattern
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

PENDING, IN_PROGRESS, STOPPING = "PENDING", "IN_PROGRESS", "STOPPING"
ENDED = frozenset({"COMPLETED", "FAILED", "STOPPED"})
MOST_SECONDS = 18_000
MOST_TESTS = 10
"""As many recommendations as Describe can tell."""
MOST_USERS = 1_000
WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"
_USUAL_TYPES = ("ml.t2.medium", "ml.c5.large", "ml.m5.large", "ml.c5.xlarge", "ml.m5.xlarge", "ml.c5.2xlarge")
"""What an instance recommendation tries where nobody says what is supported, as far as this machine is as large."""
_TYPES_TRIED = 3
_SERVERLESS = ({"MemorySizeInMB": 2048, "MaxConcurrency": 5}, {"MemorySizeInMB": 4096, "MaxConcurrency": 5})
"""What is tried where serverless endpoints are asked for."""


def _check(params: Params) -> None:
    given = params["InputConfig"]
    if given.get("ModelName") and given.get("ModelPackageVersionArn"):
        raise ValidationException("ModelName and ModelPackageVersionArn cannot both be given: use one of them.")
    if given.get("Endpoints") and given.get("EndpointConfigurations"):
        raise ValidationException("Endpoints and EndpointConfigurations cannot both be given: use one of them.")
    if not any(given.get(each) for each in ("ModelName", "ModelPackageVersionArn", "Endpoints")):
        raise ValidationException("InputConfig needs a ModelPackageVersionArn, a ModelName or Endpoints.")
    if given.get("JobDurationInSeconds", 0) > MOST_SECONDS:
        raise ValidationException(f"JobDurationInSeconds can be {MOST_SECONDS} at most.")
    _check_traffic(given)
    _check_configurations(given.get("EndpointConfigurations") or ())
    _check_conditions(params.get("StoppingConditions") or {})


def _check_traffic(given: Params) -> None:
    pattern = given.get("TrafficPattern")
    if not pattern:
        return
    kind = pattern.get("TrafficType", "PHASES")
    wanted, other = ("Stairs", "Phases") if kind == "STAIRS" else ("Phases", "Stairs")
    if not pattern.get(wanted):
        raise ValidationException(f"{wanted} is required when TrafficType is {kind}.")
    if pattern.get(other):
        raise ValidationException(
            f"{other} can be given only when TrafficType is {'PHASES' if wanted == 'Stairs' else 'STAIRS'}."
        )
    parts, members = (
        ([pattern["Stairs"]], ("DurationInSeconds", "NumberOfSteps", "UsersPerStep"))
        if wanted == "Stairs"
        else (pattern["Phases"], ("DurationInSeconds", "InitialNumberOfUsers"))
    )
    for part, member in itertools.product(parts, members):
        if part.get(member) is None:
            raise ValidationException(f"{member} is required in {wanted}.")
    if sum(part["DurationInSeconds"] for part in parts) > given.get("JobDurationInSeconds", MOST_SECONDS):
        raise ValidationException("The DurationInSeconds of a TrafficPattern cannot exceed JobDurationInSeconds.")
    if max(level.users for level in of_pattern(pattern)) > MOST_USERS:
        raise ValidationException(f"A TrafficPattern can have {MOST_USERS} users at most.")


def _check_configurations(configurations: Sequence[Params]) -> None:
    for each in configurations:
        if bool(each.get("InstanceType")) == bool(each.get("ServerlessConfig")):
            raise ValidationException("An endpoint configuration needs either an InstanceType or a ServerlessConfig.")


def _check_conditions(conditions: Params) -> None:
    for threshold in conditions.get("ModelLatencyThresholds") or ():
        if threshold.get("Percentile") not in ("P95", "P99"):
            raise ValidationException("The Percentile of ModelLatencyThresholds must be P95 or P99.")
        if threshold.get("ValueInMilliseconds", 0) < 1:
            raise ValidationException("The ValueInMilliseconds of ModelLatencyThresholds must be at least 1.")
    if conditions.get("MaxInvocations", 1) < 1:
        raise ValidationException("MaxInvocations must be at least 1.")


def _initial(call: Call, params: Params) -> Params:
    given = params["InputConfig"]
    containers, package = _containers(call, given)
    payload, types = _payload(given, package)
    tests = _tests(call, params, containers, package)
    limit = (given.get("ResourceLimit") or {}).get("MaxNumberOfTests") or MOST_TESTS
    return {
        "_id": uuid.uuid4().hex[:8],
        TESTS: dump(itertools.islice(tests, min(limit, MOST_TESTS))),
        PAYLOAD: payload,
        CONTENT_TYPES: types,
        **creator_of(call.context),
    }


def _containers(call: Call, given: Params) -> tuple[list[Params], Document | None]:
    """The containers of what is to be tried, and the model package that they are of."""
    if arn := given.get("ModelPackageVersionArn"):
        package = MODEL_PACKAGE.find(call.tx, call.context, arn)
        return containers_in(package), package
    if name := given.get("ModelName"):
        model = MODEL.find(call.tx, call.context, name).body
        return model.get("Containers") or [model["PrimaryContainer"]], None
    return [], None


def _payload(given: Params, package: Document | None) -> tuple[str, list[str]]:
    """Where the sample payload lies, and of which types it can be; what a job says counts before its package."""
    config = (given.get("ContainerConfig") or {}).get("PayloadConfig") or {}
    registered = package.body if package is not None else {}
    url = config.get("SamplePayloadUrl") or registered.get("SamplePayloadUrl")
    specification = registered.get("InferenceSpecification") or {}
    types = config.get("SupportedContentTypes") or specification.get("SupportedContentTypes")
    if not url:
        raise ValidationException("A SamplePayloadUrl is required, in ContainerConfig or in the model package.")
    if not url.startswith("s3://") or not url.endswith(".tar.gz"):
        raise ValidationException(f"SamplePayloadUrl must be an S3 URI of a single .tar.gz archive: {url}")
    if not types:
        raise ValidationException("SupportedContentTypes are required, in ContainerConfig or in the model package.")
    return url, types


def _tests(call: Call, params: Params, containers: list[Params], package: Document | None) -> Iterator[LoadTest]:
    """The load tests of a job, in their order."""
    given = params["InputConfig"]
    if endpoints := given.get("Endpoints"):
        endpoint = ENDPOINT.find(call.tx, call.context, endpoints[0]["EndpointName"])
        variant = endpoint.body["_fleet"]["variants"][0]
        yield LoadTest(
            0, variant.get("instance_type") or "", endpoint=endpoint.name, variant=variant["name"], own=False
        )
        return
    configurations = given.get("EndpointConfigurations") or _configurations(given, containers, package)
    number = 0
    for each in configurations:
        ranges = (each.get("EnvironmentParameterRanges") or {}).get("CategoricalParameterRanges") or ()
        for values in itertools.product(*(one["Value"] for one in ranges)):
            environment = {one["Name"]: value for one, value in zip(ranges, values, strict=True)}
            specification = each.get("InferenceSpecificationName")
            if specification and package is None:
                raise ValidationException("InferenceSpecificationName needs a ModelPackageVersionArn.")
            yield LoadTest(
                number,
                each.get("InstanceType") or "",
                environment,
                serverless=each.get("ServerlessConfig"),
                specification=specification,
            )
            number += 1


def _configurations(given: Params, containers: list[Params], package: Document | None) -> list[Params]:
    """What an instance recommendation tries: sizes, and on each one worker, and one a core."""
    registered = (package.body.get("InferenceSpecification") or {}) if package is not None else {}
    types: Sequence[str] = (
        (given.get("ContainerConfig") or {}).get("SupportedInstanceTypes")
        or registered.get("SupportedRealtimeInferenceInstanceTypes")
        or _usual_types()
    )
    tuned = _takes_workers(containers)
    instances = [_configuration(each, tuned) for each in types[:MOST_TESTS]]
    serverless = [{"ServerlessConfig": dict(each)} for each in _SERVERLESS]
    wanted = (given.get("ContainerConfig") or {}).get("SupportedEndpointType")
    return serverless if wanted == "Serverless" else instances


def _configuration(instance_type: str, tuned: bool) -> Params:
    size = size_of(instance_type)
    cores = min(size.vcpus if size is not None else 1, os.cpu_count() or 1)
    if not tuned or cores == 1:
        return {"InstanceType": instance_type}
    ranges = [{"Name": WORKERS, "Value": ["1", str(cores)]}]
    return {"InstanceType": instance_type, "EnvironmentParameterRanges": {"CategoricalParameterRanges": ranges}}


def _usual_types() -> list[str]:
    cores = os.cpu_count() or 1
    fitting = [each for each in _USUAL_TYPES if (size := size_of(each)) is not None and size.vcpus <= cores]
    return (fitting or [*_USUAL_TYPES[:1]])[:_TYPES_TRIED]


def _takes_workers(containers: list[Params]) -> bool:
    """Whether our own model server runs, and nobody has said with how many workers."""
    (container, *others) = containers
    if others or WORKERS in (container.get("Environment") or {}):
        return False
    try:
        resolve(container["Image"])
    except (NotOurs, ImageNotRunnable):
        return False
    return True


def _answer(document: Document) -> Params:
    """What became of the endpoints of one's own; there is a list of them always."""
    return {"EndpointPerformances": document.body.get("EndpointPerformances") or []}


def _stop(call: Call, document: Document, params: Params) -> Document:
    return replace(document, status=STOPPING)


def operations(home: Home) -> dict[str, Handler]:
    """ListInferenceRecommendationsJobSteps."""
    return {"ListInferenceRecommendationsJobSteps": reading(home, _list_steps)}


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
    check=_check,
    defaults={"JobDescription": ""},
    initial=_initial,
    answer=_answer,
    summary=_SUMMARY,
    filters={
        "ModelNameEquals": "InputConfig.ModelName",
        "ModelPackageVersionArnEquals": "InputConfig.ModelPackageVersionArn",
    },
    changes={"StopInferenceRecommendationsJob": _stop},
    missing=Wording(ResourceNotFound, "Inference recommendations job {name} does not exist."),
    duplicate=Wording(ResourceInUse, "Inference recommendations job {name} already exists."),
    unbuilt=(
        Unbuilt(
            "InputConfig.EndpointConfigurations[].ServerlessConfig.ProvisionedConcurrency",
            "Load tests of provisioned concurrency are",
        ),
        Unbuilt("OutputConfig.CompiledOutputConfig", "Compilation of models is"),
    ),
    without_effect={
        "InputConfig.ResourceLimit.MaxParallelOfTests": "one test runs at a time: two would measure each other",
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
