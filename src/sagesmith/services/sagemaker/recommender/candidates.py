"""Which load tests a job runs: on which instance types, with which variables, with which payload."""

import itertools
import os
from collections.abc import Iterator, Sequence

from sagesmith.compute.instances import size_of
from sagesmith.images.base import ImageNotRunnable, NotOurs
from sagesmith.images.registry import resolve
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call
from sagesmith.services.sagemaker.model_packages import MODEL_PACKAGE, containers_in
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.services.sagemaker.recommender.load_tests import LoadTest
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

MOST_TESTS = 10
"""As many recommendations as Describe can tell."""
WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"
_USUAL_TYPES = ("ml.t2.medium", "ml.c5.large", "ml.m5.large", "ml.c5.xlarge", "ml.m5.xlarge", "ml.c5.2xlarge")
"""What an instance recommendation tries where nobody says what is supported, as far as this machine is as large."""
_TYPES_TRIED = 3
_SERVERLESS = ({"MemorySizeInMB": 2048, "MaxConcurrency": 5}, {"MemorySizeInMB": 4096, "MaxConcurrency": 5})
"""What is tried where serverless endpoints are asked for."""


def candidates(call: Call, params: Params) -> tuple[list[LoadTest], str, list[str]]:
    """The load tests of a job, where the sample payload lies, and of which content types it can be.

    Raises:
        AwsError: what the job names is not there, or it does not say what it must.
    """
    given = params["InputConfig"]
    containers, package = _containers(call, given)
    payload, types = _payload(given, package)
    limit = (given.get("ResourceLimit") or {}).get("MaxNumberOfTests") or MOST_TESTS
    tests = itertools.islice(_tests(call, given, containers, package), min(limit, MOST_TESTS))
    return list(tests), payload, types


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


def _tests(call: Call, given: Params, containers: list[Params], package: Document | None) -> Iterator[LoadTest]:
    """The load tests of a job, in their order."""
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
