"""An endpoint as routers are to know it: made of its document and of where its model servers listen."""

from collections.abc import Iterator

from sagesmith.routes import AsyncRoute, CaptureRoute, EndpointRoute, ServerlessRoute, VariantRoute
from sagesmith.services.sagemaker import deployments, models
from sagesmith.services.sagemaker.component_specs import component_variants
from sagesmith.store import Document
from sagesmith.wire.context import Params

Addresses = dict[tuple[int, str], list[str]]
"""By the number of a fleet and a variant's name."""

DEFAULT_CONCURRENCY = 4
"""Asynchronous requests that a model server gets at once where the configuration does not say: one is predicted while
the others' inputs come and their answers go."""

_DEFAULT_CSV, _DEFAULT_JSON = ["text/csv"], ["application/json"]


def route_of(document: Document, addresses: Addresses) -> EndpointRoute:
    """The route of an endpoint that is made or serves."""
    if document.status == "Creating":
        return EndpointRoute(document.name, "Creating")
    present, coming = document.body["_fleet"], document.body.get("_next")
    part = 0.0 if coming is None else deployments.share(coming)
    fleets = [(each, share) for each, share in ((present, 1.0 - part), (coming, part)) if each and share > 0]
    variants = [route for each, share in fleets for route in _production(each, addresses, share)]
    # Copies go to the shadow of the fleet that has most of the requests.
    most = max(fleets, key=lambda each: each[1])[0]
    asynchronous = _asynchronous(document, most.get("asynchronous"))
    shadows = list(_shadows(most, addresses))
    components: dict[str, VariantRoute] | None = {} if component_variants(document) else None
    return EndpointRoute(document.name, "InService", variants, shadows, asynchronous, _serverless(present), components)


def component_route(endpoint: Document, component: Document, addresses: list[str], *, idle: bool) -> VariantRoute:
    """The route of an inference component, which is one of its endpoint's.

    Args:
        addresses: of the copies that answer.
        idle: whether it is to have none, so that nobody waits for one.
    """
    (variant,) = component.body["_fleet"]["variants"]
    capture = _capture(endpoint.body["_fleet"].get("capture"))
    return VariantRoute(variant["name"], 1.0, addresses, 1.0, capture, component=component.name, idle=idle)


def _production(fleet: Params, addresses: Addresses, share: float) -> Iterator[VariantRoute]:
    """A fleet's variants, with a weight in each that is its own part of the fleet's share of the requests."""
    variants = [each for each in fleet["variants"] if not each.get("shadow")]
    whole = 1.0 if share == 1.0 else sum(each["weight"] for each in variants)
    for each in variants:
        yield _variant(fleet, each, addresses, each["weight"] * share / whole, share)


def _shadows(fleet: Params, addresses: Addresses) -> Iterator[VariantRoute]:
    """A fleet's shadow variants; their weights are in proportion to those of production."""
    whole = sum(each["weight"] for each in fleet["variants"] if not each.get("shadow"))
    for each in fleet["variants"]:
        if each.get("shadow"):
            yield _variant(fleet, each, addresses, min(1.0, each["weight"] / whole), 1.0)


def _variant(fleet: Params, variant: Params, addresses: Addresses, weight: float, share: float) -> VariantRoute:
    listening = addresses.get((fleet["id"], variant["name"]), [])
    multi_model = not variant.get("components") and models.is_multi_model(variant["container"])
    return VariantRoute(
        variant["name"],
        weight,
        listening,
        share,
        _capture(fleet.get("capture")),
        multi_model,
        containers=[each["ContainerHostname"] for each in variant.get("containers") or ()],
        direct=bool(variant.get("direct")),
    )


def _asynchronous(document: Document, config: Params | None) -> AsyncRoute | None:
    if not config:
        return None
    output = config["OutputConfig"]
    notification = output.get("NotificationConfig") or {}
    return AsyncRoute(
        document.created_at,
        (config.get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance") or DEFAULT_CONCURRENCY,
        output.get("S3OutputPath") or "",
        output.get("S3FailurePath") or "",
        output.get("KmsKeyId") or None,
        {member: topic for member in ("SuccessTopic", "ErrorTopic") if (topic := notification.get(member))},
        list(notification.get("IncludeInferenceResponseIn") or ()),
    )


def _serverless(fleet: Params) -> ServerlessRoute | None:
    for each in fleet["variants"]:
        if config := each.get("serverless"):
            failed = each.get("failed") or {"at": 0.0, "reason": ""}
            limit = config["MaxConcurrency"]
            return ServerlessRoute(each["name"], limit, each["count"], failed["at"], failed["reason"])
    return None


def _capture(config: Params | None) -> CaptureRoute | None:
    if not config or not config.get("EnableCapture"):
        return None
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    types = config.get("CaptureContentTypeHeader") or {}
    return CaptureRoute(
        config["InitialSamplingPercentage"],
        config["DestinationS3Uri"],
        bool(modes & {"Input", "InputAndOutput"}),
        bool(modes & {"Output", "InputAndOutput"}),
        [each.lower() for each in types.get("CsvContentTypes") or _DEFAULT_CSV],
        [each.lower() for each in types.get("JsonContentTypes") or _DEFAULT_JSON],
        config.get("KmsKeyId") or None,
    )
