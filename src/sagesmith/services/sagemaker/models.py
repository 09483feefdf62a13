"""Models: an image, where its artifacts lie, and the environment to run it with."""

from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt
from sagesmith.wire.context import Params
from sagesmith.wire.errors import NotImplementedException, ValidationException

_SOURCES = {("S3Object", "Gzip"), ("S3Prefix", "None")}
_CONTAINER: dict[str, Any] = {"Mode": "SingleModel", "Environment": {}}


def _check(params: Params) -> None:
    primary, containers = params.get("PrimaryContainer"), params.get("Containers") or []
    if primary and containers:
        raise ValidationException("PrimaryContainer and Containers cannot both be given: use one of them.")
    if not primary and not containers:
        raise ValidationException("A model needs a PrimaryContainer or Containers.")
    if len(containers) > 1:
        raise NotImplementedException("Inference pipelines are not built yet (Containers with more than one element).")
    for container in [primary] if primary else containers:
        if not container.get("Image"):
            raise ValidationException("A container needs an Image.")
        source = (container.get("ModelDataSource") or {}).get("S3DataSource")
        if source and container.get("ModelDataUrl"):
            raise ValidationException("ModelDataUrl and ModelDataSource cannot both be given: use one of them.")
        if source and (source["S3DataType"], source["CompressionType"]) not in _SOURCES:
            raise NotImplementedException(
                f"Model data of S3DataType {source['S3DataType']} with CompressionType {source['CompressionType']} "
                "are not built yet: use S3Object with Gzip, or S3Prefix with None."
            )


def _initial(call: Call, params: Params) -> Params:
    """AWS shows these members of containers whether they were given or not."""
    members: Params = {}
    if primary := params.get("PrimaryContainer"):
        members["PrimaryContainer"] = {**_CONTAINER, **primary}
    if containers := params.get("Containers"):
        members["Containers"] = [{**_CONTAINER, **container} for container in containers]
    return members


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
    unbuilt=(
        *_containers("Multi-model containers are", "Mode", frozenset({"MultiModel"})),
        *_containers("Models from model packages are", "ModelPackageName"),
        *_containers("Models from model packages are", "InferenceSpecificationName"),
        *_containers("Additional model data sources are", "AdditionalModelDataSources"),
        *_containers("Hub models are", "ModelDataSource.S3DataSource.HubAccessConfig"),
        *_containers("Manifests of model data are", "ModelDataSource.S3DataSource.ManifestS3Uri"),
        *_containers("Manifests of model data are", "ModelDataSource.S3DataSource.ManifestEtag"),
        *_containers("Model data of one version are", "ModelDataSource.S3DataSource.ETag"),
        Unbuilt("InferenceExecutionConfig.Mode", "Direct invocation of containers is", frozenset({"Direct"})),
    ),
    without_effect={
        **_ignored("ContainerHostname", "a model has one container, so nobody calls it by name"),
        **_ignored("ImageConfig", "an image's name stands for an environment of this machine: no registry is asked"),
        **_ignored("ModelDataSource.S3DataSource.ModelAccessConfig", "the model data are the user's own"),
        **_ignored("MultiModelConfig", "it is about multi-model containers, which are refused"),
        **_ignored("ContainerMetricsConfig", "metrics of containers are not collected"),
        "VpcConfig": "containers have the network of this machine, or none with EnableNetworkIsolation",
    },
)
