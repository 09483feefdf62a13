"""Inference components: models on the instances of an endpoint that they share, each with copies of its own.

What is asked for; what becomes of it is the reconciler's (`component_serving`). A component's document has the form of
an endpoint's: a fleet of one variant, whose instances are the copies.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateInferenceComponent.html
"""

from collections.abc import Iterator
from dataclasses import replace

from sagesmith.services.sagemaker import component_specs, deployments, fleet
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, Kind, Lifecycle, Refusal, Unbuilt, Wording
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException


def _check(params: Params) -> None:
    if not params.get("Specification"):
        raise ValidationException("Specification is required.")
    component_specs.check(params["Specification"])
    if (params.get("RuntimeConfig") or {}).get("CopyCount", 1) < 1:
        raise ValidationException("Inference components copy count must be an integer larger than 0.")


def _initial(call: Call, params: Params) -> Params:
    endpoint = ENDPOINT.find(call.tx, call.context, params["EndpointName"])
    if endpoint.status in ("Failed", "Deleting"):
        raise ValidationException(f'Endpoint "{endpoint.arn}" is {endpoint.status}: it must be InService.')
    variant = _variant_name(endpoint, params)
    _require_staying(endpoint, variant)
    copies = (params.get("RuntimeConfig") or {}).get("CopyCount", 1)
    return {
        "VariantName": variant,
        "EndpointArn": endpoint.arn,
        "RuntimeConfig": None,
        "_fleet": component_specs.fleet_of(call, endpoint, variant, params["Specification"], 0, copies),
        "_placed_on": endpoint.body["_fleet"]["id"],
        "_instances": [],
    }


def _variant_name(endpoint: Document, params: Params) -> str:
    """The variant that is named, or the endpoint's only one."""
    names = [each["name"] for each in endpoint.body["_fleet"]["variants"]]
    if name := params.get("VariantName"):
        if name not in names:
            raise ValidationException(f'Could not find variant "{name}" of endpoint "{endpoint.arn}".')
        return str(name)
    if len(names) != 1:
        raise ValidationException("VariantName is required for an endpoint that has several variants.")
    return str(names[0])


def _require_staying(endpoint: Document, variant_name: str) -> None:
    """Make sure that an update under way does not take the instances away that are to hold the copies."""
    coming = endpoint.body.get("_next")
    if coming is None or coming["back"]:
        return
    if not any(each["name"] == variant_name and each.get("components") for each in coming["variants"]):
        raise ValidationException(
            f'Endpoint "{endpoint.arn}" is being updated to endpoint configuration "{coming["config"]}", in which '
            f'variant "{variant_name}" does not host inference components.'
        )


def _answer(document: Document) -> Params:
    (variant,) = document.body["_fleet"]["variants"]
    copies = sum(each.serving for each in fleet.load(document.body["_instances"]))
    return {
        "Specification": _summary(document, document.body["Specification"]),
        "RuntimeConfig": {
            "DesiredCopyCount": desired(document),
            "CurrentCopyCount": copies,
            "PlacementStatus": [{"InstanceType": variant["instance_type"], "CurrentCopyCount": copies}],
        },
    }


def _summary(document: Document, specification: Params) -> Params:
    """An InferenceComponentSpecificationSummary."""
    container = specification.get("Container")
    if not container:
        return specification
    deployed = {
        "SpecifiedImage": container["Image"],
        "ResolvedImage": container["Image"],
        "ResolutionTime": document.body["_fleet"].get("started_at", document.created_at),
    }
    kept = {member: value for member, value in container.items() if member != "Image"}
    return {**specification, "Container": {"DeployedImage": deployed, **kept}}


def desired(document: Document) -> int:
    """How many copies a component is to have, once all that was asked for is done."""
    (variant,) = (document.body.get("_next") or document.body["_fleet"])["variants"]
    return int(variant["count"])


def with_copies(document: Document, copies: int) -> Document:
    """A component in service that is to have so many copies from now on."""
    (variant,) = document.body["_fleet"]["variants"]
    return deployments.rescaled(document, [{**variant, "count": copies}])


def _update(call: Call, document: Document, params: Params) -> Document:
    copies = (params.get("RuntimeConfig") or {}).get("CopyCount", desired(document))
    specification = params.get("Specification")
    if not specification:
        if not params.get("RuntimeConfig"):
            raise ValidationException("Specification or RuntimeConfig must be given.")
        return with_copies(document, copies)
    specification = component_specs.merged(document.body["Specification"], specification)
    component_specs.check(specification)
    for problem in _problems(params.get("DeploymentConfig"), copies):
        raise ValidationException(problem)
    numbers = [document.body["_fleet"]["id"], *(each["fleet"] for each in document.body["_instances"])]
    endpoint = ENDPOINT.find(call.tx, call.context, document.body["EndpointName"])
    members = component_specs.fleet_of(
        call, endpoint, document.body["VariantName"], specification, max(numbers) + 1, copies
    )
    members |= {"deployment": params.get("DeploymentConfig"), "becomes": {"Specification": specification}}
    body = {member: value for member, value in document.body.items() if member != "FailureReason"}
    return replace(document, status="Updating", body={**body, "_next": deployments.begin(members, call.now)})


def _problems(deployment: Params | None, copies: int) -> Iterator[str]:
    """What is wrong with an InferenceComponentDeploymentConfig."""
    if not deployment:
        return
    rolling = deployment["RollingUpdatePolicy"]
    for member, most in (("MaximumBatchSize", 50), ("RollbackMaximumBatchSize", 100)):
        size = rolling.get(member)
        if size is None:
            continue
        if size["Type"] == "CAPACITY_PERCENT" and not 5 <= size["Value"] <= most:
            yield f"{member} must be between 5 and {most} percent of the inference component's copy count."
        elif size["Type"] == "COPY_COUNT" and size["Value"] > max(1, copies * most // 100):
            yield f"{member} of {size['Value']} copies is more than {most} percent of the copy count, {copies}."


def _scale(call: Call, document: Document, params: Params) -> Document:
    return with_copies(document, params["DesiredRuntimeConfig"]["CopyCount"])


def _delete(call: Call, document: Document) -> Document:
    return replace(document, status="Deleting")


_UPDATES = ("UpdateInferenceComponent", "UpdateInferenceComponentRuntimeConfig")
_IN_PROGRESS = Wording(ValidationException, 'Cannot update in-progress {title} "{arn}".')
_FAILED = Wording(ValidationException, 'Cannot update {title} "{arn}": it is Failed and can only be deleted.')

_LIFECYCLE = Lifecycle(
    {
        "Creating": frozenset({"InService", "Failed", "Deleting"}),
        "InService": frozenset({"Updating", "Deleting"}),
        "Updating": frozenset({"InService", "Deleting"}),
        "Failed": frozenset({"Deleting"}),
        "Deleting": frozenset(),
    },
    (
        Refusal(_UPDATES, frozenset({"Failed"}), _FAILED),
        Refusal(_UPDATES, frozenset({"Creating", "Updating", "Deleting"}), _IN_PROGRESS),
        Refusal(("DeleteInferenceComponent",), frozenset({"Deleting"}), _IN_PROGRESS),
    ),
)

INFERENCE_COMPONENT = Kind(
    noun="InferenceComponent",
    parent=ENDPOINT,
    starts_as="Creating",
    lifecycle=_LIFECYCLE,
    check=_check,
    initial=_initial,
    answer=_answer,
    refers={"Specification.ModelName": MODEL},
    changes={"UpdateInferenceComponent": _update, "UpdateInferenceComponentRuntimeConfig": _scale},
    on_delete=_delete,
    unbuilt=(
        Unbuilt("Specifications", "Specifications for several instance types are"),
        Unbuilt("Specification.BaseInferenceComponentName", "Adapters are"),
        Unbuilt("Specification.ComputeResourceRequirements.AcceleratorPartitionType", "Partitions of accelerators are"),
    ),
    without_effect={
        "Specification.StartupParameters.ModelDataDownloadTimeoutInSeconds": "model data may take as long as they need",
        "Specification.DataCacheConfig": "what images and environments are made of is kept on this machine",
        "Specification.SchedulingConfig.AvailabilityZoneBalance": "there is one zone",
        "Specification.Container.ContainerMetricsConfig": "metrics of containers are not collected",
    },
)
