"""Endpoints: what is asked for. What becomes of it is the reconciler's (`serving`).

An endpoint keeps a copy of its variants and their models, so that deleting a configuration or a model does not touch
an endpoint that was made from it, and so that a restart needs nothing but the endpoint's own document.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sagesmith.services.sagemaker import deployments, fleet, instance_scaling, serverless_variants
from sagesmith.services.sagemaker.component_specs import component_variants, components_of
from sagesmith.services.sagemaker.endpoint_configs import ENDPOINT_CONFIG, require_servable
from sagesmith.services.sagemaker.engine import Call, Kind, Lifecycle, Refusal, Wording
from sagesmith.services.sagemaker.models import MODEL, first_to_serve, several
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

ONLY_ASYNCHRONOUS = "only variants of endpoints with an AsyncInferenceConfig can have no instance."


def _fleet(call: Call, number: int, config_name: str) -> dict[str, Any]:
    """What a configuration asks for, with all that it takes to serve its models."""
    config = ENDPOINT_CONFIG.find(call.tx, call.context, config_name).body
    require_servable(config)
    shadows = _variants(call, config, config.get("ShadowProductionVariants") or ())
    return {
        "id": number,
        "config": config_name,
        "capture": config.get("DataCaptureConfig"),
        "asynchronous": config.get("AsyncInferenceConfig"),
        "variants": [
            *_variants(call, config, config["ProductionVariants"]),
            *({**each, "shadow": True} for each in shadows),
        ],
    }


def _variants(call: Call, config: Params, variants: Sequence[Params]) -> list[dict[str, Any]]:
    found = []
    for variant in variants:
        if not variant.get("ModelName"):
            found.append(_of_components(config, variant))
            continue
        model = MODEL.find(call.tx, call.context, variant["ModelName"]).body
        if variant.get("ServerlessConfig"):
            serverless_variants.require_servable(model)
        container, others = first_to_serve(model), several(model)
        if others.get("direct") and config.get("AsyncInferenceConfig"):
            message = (
                "AsyncInferenceConfig cannot be given with a model whose InferenceExecutionConfig has the mode Direct."
            )
            raise ValidationException(message)
        found.append(
            {
                "name": variant["VariantName"],
                **_capacity(variant),
                "weight": variant["InitialVariantWeight"],
                "volume_gb": variant.get("VolumeSizeInGB"),
                "startup_timeout_seconds": _startup_seconds(variant),
                "role": model.get("ExecutionRoleArn"),
                "network_isolation": bool(model.get("EnableNetworkIsolation") or config.get("EnableNetworkIsolation")),
                "container": container,
                **({"asynchronous": True} if config.get("AsyncInferenceConfig") else {}),
                **others,
            }
        )
    return found


def _capacity(variant: Params) -> dict[str, Any]:
    """How many model servers a variant is to have, and what each may use."""
    if config := variant.get("ServerlessConfig"):
        return serverless_variants.members(config)
    return {"instance_type": variant["InstanceType"], "count": variant["InitialInstanceCount"]}


def _startup_seconds(variant: Params) -> float | None:
    if variant.get("ServerlessConfig"):
        return serverless_variants.STARTUP_SECONDS
    return variant.get("ContainerStartupHealthCheckTimeoutInSeconds")


def _of_components(config: Params, variant: Params) -> dict[str, Any]:
    """A variant whose instances hold inference components: no model server is started for it itself."""
    return {
        "name": variant["VariantName"],
        "components": True,
        "instance_type": variant["InstanceType"],
        "count": instance_scaling.initial(variant),
        "weight": variant["InitialVariantWeight"],
        "volume_gb": variant.get("VolumeSizeInGB"),
        "role": config["ExecutionRoleArn"],
        "network_isolation": bool(config.get("EnableNetworkIsolation")),
        "scaling": variant.get("ManagedInstanceScaling"),
        "routing": variant.get("RoutingConfig"),
    }


def _initial(call: Call, params: Params) -> Params:
    config = params["EndpointConfigName"]
    members: Params = {"_fleet": _fleet(call, 0, config), "_instances": []}
    if deployment := params.get("DeploymentConfig"):
        _check_deployment(deployment, members["_fleet"]["variants"])
        members["LastDeploymentConfig"] = deployment
    return members


def _answer(document: Document) -> Params:
    """ProductionVariants as they are now, and what an update that goes on will make of them."""
    present = document.body["_fleet"]
    running = Counter((each.fleet, each.variant) for each in fleet.load(document.body["_instances"]) if each.serving)

    def summary(variant: dict[str, Any], number: int, asked_at: float) -> Params:
        if variant.get("components"):
            return _summary_of_components(variant)
        images = [each["Image"] for each in variant.get("containers") or [variant["container"]]]
        return {
            "VariantName": variant["name"],
            "DeployedImages": [
                {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": asked_at} for image in images
            ],
            "CurrentWeight": variant["weight"],
            "DesiredWeight": variant["weight"],
            **_current(variant, running[number, variant["name"]]),
        }

    def summaries(fleet: Params, shadow: bool) -> list[Params]:
        asked_at = fleet.get("started_at", document.created_at)
        return [
            summary(each, fleet["id"], asked_at) for each in fleet["variants"] if bool(each.get("shadow")) == shadow
        ]

    answer: Params = {"ProductionVariants": summaries(present, False)}
    if shadows := summaries(present, True):
        answer["ShadowProductionVariants"] = shadows
    if document.status == "Creating":
        for variant in answer["ProductionVariants"] + shadows:
            variant["VariantStatus"] = [{"Status": "Creating", "StartTime": document.created_at}]
    if capture := present.get("capture"):
        answer["DataCaptureConfig"] = _capture_summary(capture)
    if asynchronous := present.get("asynchronous"):
        answer["AsyncInferenceConfig"] = asynchronous
    if coming := document.body.get("_next"):
        answer["PendingDeploymentSummary"] = _pending(coming, summaries)
    return answer


def _current(variant: dict[str, Any], running: int) -> Params:
    """The capacity of a variant; instances are not what a serverless one has."""
    if config := variant.get("serverless"):
        return {"CurrentInstanceCount": 0, "CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    return {"CurrentInstanceCount": running, "DesiredInstanceCount": variant["count"]}


def _summary_of_components(variant: dict[str, Any]) -> Params:
    found = {
        "VariantName": variant["name"],
        "CurrentWeight": variant["weight"],
        "DesiredWeight": variant["weight"],
        "CurrentInstanceCount": variant["count"],
        "DesiredInstanceCount": variant["count"],
        "ManagedInstanceScaling": variant["scaling"],
        "RoutingConfig": variant["routing"],
    }
    return {member: value for member, value in found.items() if value is not None}


def _pending(coming: Params, summaries: Callable[[Params, bool], list[Params]]) -> Params:
    """What an update under way will make of the variants."""
    since = coming["shifted_at"] or coming["started_at"]
    types = {each["name"]: each["instance_type"] for each in coming["variants"]}

    def variants(shadow: bool) -> list[Params]:
        stage = [{"Status": deployments.stage(coming), "StartTime": since}]
        return [
            {**each, "InstanceType": types[each["VariantName"]], "VariantStatus": stage}
            for each in summaries(coming, shadow)
        ]

    pending = {"EndpointConfigName": coming["config"], "StartTime": coming["started_at"]}
    shadows = variants(True)
    return {
        **pending,
        "ProductionVariants": variants(False),
        **({"ShadowProductionVariants": shadows} if shadows else {}),
    }


def _capture_summary(capture: Params) -> Params:
    enabled = bool(capture.get("EnableCapture"))
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId") or "",
    }


def _check_deployment(deployment: Params | None, variants: list[dict[str, Any]]) -> None:
    for problem in deployments.problems(deployment or {}, variants):
        raise ValidationException(problem)


def _update(call: Call, document: Document, params: Params) -> Document:
    if params.get("RetainDeploymentConfig") and params.get("DeploymentConfig"):
        raise ValidationException("RetainDeploymentConfig and DeploymentConfig cannot both be given.")
    numbers = [document.body["_fleet"]["id"], *(each["fleet"] for each in document.body["_instances"])]
    members = _fleet(call, max(numbers) + 1, params["EndpointConfigName"])
    variants = members["variants"]
    if _is_serverless(variants) and not _is_serverless(document.body["_fleet"]["variants"]):
        raise ValidationException("An instance-based endpoint cannot be updated to a serverless endpoint.")

    _check_components(call, document, variants)
    if params.get("RetainAllVariantProperties"):
        excluded = {each["VariantPropertyType"] for each in params.get("ExcludeRetainedVariantProperties") or ()}
        variants = [_retain(variant, document.body["_fleet"]["variants"], excluded) for variant in variants]
        _check_weights(variants)
    retained = document.body.get("LastDeploymentConfig") if params.get("RetainDeploymentConfig") else None
    deployment = retained or params.get("DeploymentConfig")
    _check_deployment(deployment, variants)
    coming = deployments.begin({**members, "variants": variants, "deployment": deployment}, call.now)
    body = {member: value for member, value in document.body.items() if member != "FailureReason"}
    return replace(document, status="Updating", body={**body, "_next": coming})


def _check_components(call: Call, document: Document, variants: list[dict[str, Any]]) -> None:
    """Make sure that the inference components of an endpoint have a place in its next configuration."""
    there = {each["name"] for each in variants if each.get("components")}
    for component in components_of(call.tx, document) if component_variants(document) else ():
        if component.body["VariantName"] not in there:
            raise ValidationException(
                f'Inference component "{component.arn}" is on variant {component.body["VariantName"]}, whose instances '
                "the new endpoint configuration does not have for inference components. Delete it first."
            )


def _retain(variant: dict[str, Any], present: list[dict[str, Any]], excluded: set[str]) -> dict[str, Any]:
    for old in present:
        if old["name"] == variant["name"]:
            serverless = variant.get("serverless") or old.get("serverless")
            count = old["count"] if old["count"] or variant.get("asynchronous") else variant["count"]
            kept = {} if "DesiredInstanceCount" in excluded or serverless else {"count": count}
            if "DesiredWeight" not in excluded:
                kept["weight"] = old["weight"]
            return {**variant, **kept}
    return variant


def _update_weights(call: Call, document: Document, params: Params) -> Document:
    wanted = {each["VariantName"]: each for each in params["DesiredWeightsAndCapacities"]}
    present = document.body["_fleet"]
    unknown = wanted.keys() - {variant["name"] for variant in present["variants"]}
    if unknown:
        names, config = ", ".join(sorted(unknown)), present["config"]
        raise ValidationException(
            f'The variant name(s) "{names}" is/are not present within endpoint configuration "{config}".'
        )
    variants = []
    for variant in present["variants"]:
        change = wanted.get(variant["name"], {})
        weight, count = change.get("DesiredWeight"), change.get("DesiredInstanceCount")
        if count == 0 and not variant.get("components") and not may_be_empty(document):
            raise ValidationException(f"DesiredInstanceCount must be at least 1: {ONLY_ASYNCHRONOUS}")
        if count and variant.get("serverless"):
            raise ValidationException(f"Variant {variant['name']} is serverless: it has no DesiredInstanceCount.")
        capacity = change.get("ServerlessUpdateConfig")
        changed = serverless_variants.reconfigured(variant, capacity) if capacity else variant
        variants.append(
            {
                **changed,
                "weight": variant["weight"] if weight is None else weight,
                "count": changed["count"] if count is None else count,
            }
        )
    _check_weights(variants)
    return deployments.rescaled(document, variants)


def _is_serverless(variants: list[dict[str, Any]]) -> bool:
    return any(each.get("serverless") for each in variants)


def _check_weights(variants: list[dict[str, Any]]) -> None:
    if sum(variant["weight"] for variant in variants if not variant.get("shadow")) <= 0:
        raise ValidationException("The sum of the variants' weights must be greater than 0.")


def may_be_empty(document: Document) -> bool:
    """Whether the variants of an endpoint may have no instance: what it is asked waits then."""
    return bool(document.body["_fleet"].get("asynchronous"))


def with_count(document: Document, variant: str, count: int) -> Document:
    """An endpoint in service of which a variant is to have so many instances from now on."""
    variants = document.body["_fleet"]["variants"]
    return deployments.rescaled(
        document, [{**each, "count": count} if each["name"] == variant else each for each in variants]
    )


def with_provisioned(document: Document, variant: str, count: int) -> Document:
    """An endpoint in service of which a serverless variant is to have so much provisioned concurrency from now on."""
    change = {"ProvisionedConcurrency": count}
    variants = document.body["_fleet"]["variants"]
    return deployments.rescaled(
        document,
        [serverless_variants.reconfigured(each, change) if each["name"] == variant else each for each in variants],
    )


def _delete(call: Call, document: Document) -> Document:
    return replace(document, status="Deleting")


_UPDATES = ("UpdateEndpoint", "UpdateEndpointWeightsAndCapacities")
_IN_PROGRESS = Wording(ValidationException, 'Cannot update in-progress {title} "{arn}".')
_FAILED = Wording(ValidationException, 'Cannot update {title} "{arn}": it is Failed and can only be deleted.')

_LIFECYCLE = Lifecycle(
    {
        "Creating": frozenset({"InService", "Failed", "Deleting"}),
        "InService": frozenset({"Updating", "Deleting"}),
        "Updating": frozenset({"InService", deployments.ROLLING_BACK, "Deleting"}),
        deployments.ROLLING_BACK: frozenset({"InService", "Deleting"}),
        "Failed": frozenset({"Deleting"}),
        "Deleting": frozenset(),
    },
    (
        Refusal(_UPDATES, frozenset({"Failed"}), _FAILED),
        Refusal(_UPDATES, frozenset({"Creating", "Updating", deployments.ROLLING_BACK, "Deleting"}), _IN_PROGRESS),
        Refusal(("DeleteEndpoint",), frozenset({"Deleting"}), _IN_PROGRESS),
    ),
)

ENDPOINT = Kind(
    noun="Endpoint",
    search="Endpoint",
    starts_as="Creating",
    lifecycle=_LIFECYCLE,
    initial=_initial,
    answer=_answer,
    refers={"EndpointConfigName": ENDPOINT_CONFIG},
    changes={"UpdateEndpoint": _update, "UpdateEndpointWeightsAndCapacities": _update_weights},
    on_delete=_delete,
    occupied=Wording(
        ValidationException, 'Cannot delete {title} "{arn}": it hosts inference components. Delete them first.'
    ),
    without_effect={
        "DeploymentConfig.RollingUpdatePolicy.RollbackMaximumBatchSize": "what was ended is started again at once",
    },
)
