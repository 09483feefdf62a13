"""Models: an image, where its artifacts lie, and the environment to run it with."""

from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt
from sagesmith.services.sagemaker.model_packages import containers_of
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import NotImplementedException, ValidationException

_SOURCES = {("S3Object", "Gzip"), ("S3Prefix", "None")}
_MOST_ENVIRONMENT_BYTES = 32 << 10
"""Of all keys and values of all containers
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html)."""
_CONTAINER: dict[str, Any] = {"Mode": "SingleModel", "Environment": {}}


def _check(params: Params) -> None:
    primary, containers = params.get("PrimaryContainer"), params.get("Containers") or []
    if primary and containers:
        raise ValidationException("PrimaryContainer and Containers cannot both be given: use one of them.")
    if not primary and not containers:
        raise ValidationException("A model needs a PrimaryContainer or Containers.")
    for container in [primary] if primary else containers:
        _check_container(container)
    _check_environments([primary] if primary else containers)
    hosts = [container["ContainerHostname"] for container in containers if container.get("ContainerHostname")]
    if hosts and len(set(hosts)) != len(containers):
        raise ValidationException("Every container of a model has a ContainerHostname of its own, or none has one.")
    if is_direct(params) and not hosts:
        raise ValidationException(
            "With InferenceExecutionConfig.Mode Direct, every element of Containers needs a ContainerHostname."
        )


def _check_container(container: Params) -> None:
    if not container.get("Image") and not container.get("ModelPackageName"):
        raise ValidationException("A container needs an Image or a ModelPackageName.")
    for member in ("Image", "ModelDataUrl", "ModelDataSource"):
        if container.get(member) and container.get("ModelPackageName"):
            raise ValidationException(f"{member} and ModelPackageName cannot both be given: use one of them.")
    if container.get("InferenceSpecificationName") and not container.get("ModelPackageName"):
        raise ValidationException("InferenceSpecificationName needs a ModelPackageName.")
    if container.get("ModelDataUrl") and container.get("ModelDataSource"):
        raise ValidationException("ModelDataUrl and ModelDataSource cannot both be given: use one of them.")
    image = container.get("ImageConfig") or {}
    if image.get("RepositoryAuthConfig") and image["RepositoryAccessMode"] != "Vpc":
        raise ValidationException("RepositoryAuthConfig can be given only if RepositoryAccessMode is Vpc.")


def is_multi_model(container: Params) -> bool:
    """Whether a container serves all models below its ModelDataUrl."""
    return container.get("Mode") == "MultiModel"


def _check_environments(containers: list[Params]) -> None:
    variables = [each for container in containers for each in (container.get("Environment") or {}).items()]
    if sum(len(text.encode()) for variable in variables for text in variable) > _MOST_ENVIRONMENT_BYTES:
        raise ValidationException(
            "The keys and values of the Environment of all containers of a model cannot be longer than 32 KB together."
        )


def _initial(call: Call, params: Params) -> Params:
    """The containers, with what their packages say, and what AWS shows of each whether it was given or not."""
    members: Params = {}
    if primary := params.get("PrimaryContainer"):
        resolved = _resolved(call, primary)
        if len(resolved) > 1:
            raise ValidationException(f"{primary['ModelPackageName']} has several containers: name it in Containers.")
        (members["PrimaryContainer"],) = resolved
    if containers := params.get("Containers"):
        members["Containers"] = [each for container in containers for each in _resolved(call, container)]
    return members


def _several(call: Call, document: Document, params: Params) -> Params:
    """SDK v2 takes a model whose description has Containers for an inference pipeline, even if they are none."""
    return {"Containers": document.body.get("Containers")}


def _resolved(call: Call, container: Params) -> list[Params]:
    packaged = [{}] if not container.get("ModelPackageName") else containers_of(call, container)
    return [{**_CONTAINER, **members, **container} for members in packaged]


def is_direct(model: Params) -> bool:
    """Whether requests name the one of Containers that they are for, instead of going through all of them."""
    return bool(model.get("Containers")) and (model.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct"


def container_to_serve(model: Params) -> Params:
    """The container of a model that has but one; see `first_to_serve`."""
    if several(model):
        raise NotImplementedException("Models with several containers are not built yet for this.")
    return first_to_serve(model)


def first_to_serve(model: Params) -> Params:
    """The container of a model that an endpoint is made of, the first one if there are several.

    Raises:
        NotImplementedException: the model asks for what is not built yet.
        ValidationException: it has many models, and does not say below which prefix
            (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html).
    """
    MODEL.refuse_unserved(model)
    containers: list[Params] = model.get("Containers") or [model["PrimaryContainer"]]
    for container in containers:
        _refuse_unservable(container)
    return containers[0]


def several(model: Params) -> Params:
    """What else is to be known of a model with several containers; empty for any other one.

    They are called by their hostnames, or by their places if they have none.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-logs-metrics.html
    """
    containers: list[Params] = model.get("Containers") or []
    if len(containers) < 2 and not is_direct(model):
        return {}
    if any(each.get("Mode") == "MultiModel" for each in containers):
        raise NotImplementedException("Multi-model containers beside others are not built yet.")
    named = [
        {**each, "ContainerHostname": each.get("ContainerHostname") or f"container-{number}"}
        for number, each in enumerate(containers, 1)
    ]
    return {"containers": named, "direct": is_direct(model)}


def _refuse_unservable(container: Params) -> None:
    if is_multi_model(container) and not container.get("ModelDataUrl"):
        raise ValidationException(
            "A container with Mode MultiModel needs a ModelDataUrl, the prefix of its models in S3: ModelDataSource "
            "cannot be used with multi-model endpoints."
        )
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source and (source["S3DataType"], source["CompressionType"]) not in _SOURCES:
        raise NotImplementedException(
            f"Model data of S3DataType {source['S3DataType']} with CompressionType {source['CompressionType']} "
            "are not built yet: use S3Object with Gzip, or S3Prefix with None."
        )


def _containers(feature: str, member: str, values: frozenset[str] | None = None) -> tuple[Unbuilt, Unbuilt]:
    return (
        Unbuilt(f"PrimaryContainer.{member}", feature, values),
        Unbuilt(f"Containers[].{member}", feature, values),
    )


def _ignored(member: str, why: str) -> dict[str, str]:
    return {f"PrimaryContainer.{member}": why, f"Containers[].{member}": why}


MODEL = Kind(
    noun="Model",
    search="Model",
    check=_check,
    initial=_initial,
    defaults={"EnableNetworkIsolation": False},
    lookup=_several,
    unserved=(
        *_containers("Additional model data sources are", "AdditionalModelDataSources"),
        *_containers("Hub models are", "ModelDataSource.S3DataSource.HubAccessConfig"),
        *_containers("Manifests of model data are", "ModelDataSource.S3DataSource.ManifestS3Uri"),
        *_containers("Manifests of model data are", "ModelDataSource.S3DataSource.ManifestEtag"),
        *_containers("Model data of one version are", "ModelDataSource.S3DataSource.ETag"),
        *_containers(
            "There are no Lambda functions here: log in to the registry as the platform's user (podman login). "
            "Functions that give credentials are",
            "ImageConfig.RepositoryAuthConfig",
        ),
    ),
    without_effect={
        "PrimaryContainer.ContainerHostname": "it names one of several containers",
        **_ignored(
            "ImageConfig.RepositoryAccessMode",
            "registries are reached from this machine, with the container engine's own login",
        ),
        **_ignored("ModelDataSource.S3DataSource.ModelAccessConfig", "the model data are the user's own"),
        **_ignored("ContainerMetricsConfig", "metrics of containers are not collected"),
        "VpcConfig": "containers have the network of this machine, or none with EnableNetworkIsolation",
    },
)
