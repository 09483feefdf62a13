"""Models: an image, where its artifacts lie, and the environment to run it with."""

from sagesmith.services.sagemaker.engine import Kind, Unbuilt
from sagesmith.wire.context import Params
from sagesmith.wire.errors import NotImplementedException, ValidationException


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


def _containers(feature: str, member: str, values: frozenset[str] | None = None) -> tuple[Unbuilt, Unbuilt]:
    return (
        Unbuilt(f"PrimaryContainer.{member}", feature, values),
        Unbuilt(f"Containers[].{member}", feature, values),
    )


MODEL = Kind(
    noun="Model",
    check=_check,
    defaults={"EnableNetworkIsolation": False},
    unbuilt=(
        *_containers("Multi-model containers are", "Mode", frozenset({"MultiModel"})),
        *_containers("Models from model packages are", "ModelPackageName"),
        *_containers("Additional model data sources are", "AdditionalModelDataSources"),
        Unbuilt("InferenceExecutionConfig.Mode", "Direct invocation of containers is", frozenset({"Direct"})),
    ),
)
