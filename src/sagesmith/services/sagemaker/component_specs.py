"""What an inference component is made of, as a fleet of one variant: the form in which endpoints are served too.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentSpecification.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sagesmith.services.sagemaker.capacity import BINPACK, Needs
from sagesmith.services.sagemaker.engine import Call
from sagesmith.services.sagemaker.models import MODEL, container_to_serve, is_multi_model
from sagesmith.store import Document, Query, Transaction
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

KIND = "inference-component"
_MIB = 1 << 20


def check(specification: Params) -> None:
    """
    Raises:
        ValidationException: it contradicts itself, or leaves out what it needs.
    """
    if bool(specification.get("ModelName")) == bool(specification.get("Container")):
        raise ValidationException("Exactly one of ModelName and Container must be given in the Specification.")
    if specification.get("Container") and not specification["Container"].get("Image"):
        raise ValidationException("Image is required in the Container of the Specification.")
    requirements = specification.get("ComputeResourceRequirements")
    if not requirements:
        raise ValidationException("ComputeResourceRequirements is required in the Specification.")
    most = requirements.get("MaxMemoryRequiredInMb")
    if most is not None and most < requirements["MinMemoryRequiredInMb"]:
        raise ValidationException("MaxMemoryRequiredInMb must be greater than or equal to MinMemoryRequiredInMb.")


def merged(present: Params, given: Params) -> Params:
    """A specification after an update: what is not given stays, for SDK v2 gives what changes alone.

    A ModelName takes the place of a container, and a container's Image that of a model.
    """
    both = {**present, **given}
    if given.get("ModelName"):
        both.pop("Container", None)
    elif container := given.get("Container"):
        both["Container"] = {**present.get("Container", {}), **container}
        if container.get("Image"):
            both.pop("ModelName", None)
    return both


def component_variants(endpoint: Document) -> list[dict[str, Any]]:
    """The variants of an endpoint whose instances hold inference components."""
    return [each for each in endpoint.body["_fleet"]["variants"] if each.get("components")]


def components_of(tx: Transaction, endpoint: Document) -> Iterator[Document]:
    """The inference components of an endpoint."""
    return tx.every(Query(KIND, endpoint.region, parent=endpoint.key, limit=100))


def fleet_of(
    call: Call, endpoint: Document, variant_name: str, specification: Params, number: int, copies: int
) -> dict[str, Any]:
    """What a component's Specification asks for, with all that it takes to serve its model.

    Args:
        variant_name: the endpoint's variant whose instances hold the copies.
        number: of the fleet.

    Raises:
        ValidationException: the variant holds no components, or has instances of another type.
        NotImplementedException: the model asks for what is not built yet.
    """
    variant = next((each for each in component_variants(endpoint) if each["name"] == variant_name), None)
    if variant is None:
        raise ValidationException(
            f'Variant "{variant_name}" of endpoint "{endpoint.arn}" does not host inference components.'
        )
    if specification.get("InstanceType", variant["instance_type"]) != variant["instance_type"]:
        raise ValidationException(
            f"The instances of variant {variant_name} are {variant['instance_type']}, not "
            f"{specification['InstanceType']}."
        )
    start = specification.get("StartupParameters") or {}
    served = {
        "name": variant_name,
        "instance_type": variant["instance_type"],
        "count": copies,
        "weight": 1.0,
        "volume_gb": variant.get("volume_gb"),
        "startup_timeout_seconds": start.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        "needs": dict(specification["ComputeResourceRequirements"]),
        "strategy": (specification.get("SchedulingConfig") or {}).get("PlacementStrategy", BINPACK),
        **_served(call, variant, specification),
    }
    return {"id": number, "variants": [served]}


def needs_of(variant: Mapping[str, Any]) -> Needs:
    """What a copy of a component takes of its instance."""
    asked = variant["needs"]
    return Needs(
        asked.get("NumberOfCpuCoresRequired", 0.0),
        asked["MinMemoryRequiredInMb"],
        asked.get("NumberOfAcceleratorDevicesRequired", 0.0),
    )


def memory_bytes(variant: Mapping[str, Any]) -> int | None:
    """The most that a copy may use, None if it may use what its instance has."""
    most: int | None = variant["needs"].get("MaxMemoryRequiredInMb")
    return None if most is None else most * _MIB


def _served(call: Call, variant: Mapping[str, Any], specification: Params) -> dict[str, Any]:
    """The container, and whose and how shut off it is."""
    name = specification.get("ModelName")
    if name is None:
        given = specification["Container"]
        container = {"Mode": "SingleModel", "Image": given["Image"], "Environment": given.get("Environment") or {}}
        if artifact := given.get("ArtifactUrl"):
            container["ModelDataUrl"] = artifact
        return {"container": container, "role": variant["role"], "network_isolation": variant["network_isolation"]}
    model = MODEL.find(call.tx, call.context, name).body
    container = container_to_serve(model)
    if is_multi_model(container):
        raise ValidationException(f"Model {name} is a multi-model container, which inference components do not host.")
    return {
        "container": container,
        "role": model.get("ExecutionRoleArn") or variant["role"],
        "network_isolation": bool(model.get("EnableNetworkIsolation") or variant["network_isolation"]),
    }
