"""Endpoint configurations: which models an endpoint serves, on how many instances, for what share of the requests."""

from typing import Any

from sagesmith.services.sagemaker import instance_scaling, serverless_variants
from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt
from sagesmith.services.sagemaker.models import MODEL
from sagesmith.wire.context import Params
from sagesmith.wire.errors import NotImplementedException, ValidationException
from sagesmith.wire.validation import validation_message, violation

_CAPACITY = ("InstanceType", "InitialInstanceCount")
_CAPACITY_ELSEWHERE = ("ServerlessConfig", "InstancePools", "ManagedInstanceScaling")
SERVERLESS_MEMORY = range(1024, 6144 + 1, 1024)
"""In MB; the model of the API has the ends alone.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantServerlessConfig.html
"""


def _variants(params: Params) -> list[Params]:
    return [*params["ProductionVariants"], *(params.get("ShadowProductionVariants") or ())]


def _check(params: Params) -> None:
    names = [variant["VariantName"] for variant in _variants(params)]
    for name in names:
        if names.count(name) > 1:
            raise ValidationException(f"Variant names must be unique within an endpoint configuration: {name}.")
    for index, variant in enumerate(params["ProductionVariants"], 1):
        for member in _CAPACITY:
            if not variant.get(member) and not any(variant.get(each) for each in _CAPACITY_ELSEWHERE):
                raise ValidationException(f"ProductionVariants.{index}: {member} is required for an instance variant.")
    _check_components(params)
    _check_routing(params)
    _check_shadows(params)
    _check_explainer(params)
    _check_traffic(params)
    _check_serverless(params)
    _check_asynchronous(params)
    if params.get("ShadowProductionVariants") and len(_variants(params)) > 2:
        raise ValidationException(
            "With ShadowProductionVariants there can be only one variant in ProductionVariants and one in "
            "ShadowProductionVariants."
        )
    if sum(variant.get("InitialVariantWeight", 1.0) for variant in params["ProductionVariants"]) <= 0:
        raise ValidationException("The sum of the variants' weights must be greater than 0.")


def _check_components(params: Params) -> None:
    """What variants without a ModelName, whose instances hold inference components, must and may have."""
    for variant in _variants(params):
        if not variant.get("ModelName") and not params.get("ExecutionRoleArn"):
            raise ValidationException(
                "ExecutionRoleArn is required when a variant has no ModelName, because it hosts inference components."
            )
        if not variant.get("ModelName") and variant.get("ServerlessConfig"):
            raise ValidationException("ModelName is required for a variant with ServerlessConfig.")
        for problem in instance_scaling.problems(variant):
            raise ValidationException(problem)


def _check_routing(params: Params) -> None:
    for variant in _variants(params):
        routing = variant.get("RoutingConfig") or {}
        by_prefix, prefix = routing.get("RoutingStrategy") == "PREFIX_AWARE", routing.get("PrefixAwareRoutingConfig")
        if prefix and not by_prefix:
            raise ValidationException("PrefixAwareRoutingConfig can be given only if RoutingStrategy is PREFIX_AWARE.")
        if by_prefix and not (prefix or {}).get("PrefixLength"):
            raise ValidationException("PrefixLength is required when RoutingStrategy is PREFIX_AWARE.")


def _check_shadows(params: Params) -> None:
    shadows = params.get("ShadowProductionVariants")
    if shadows and (len(shadows) > 1 or len(params["ProductionVariants"]) > 1):
        raise ValidationException(
            "With ShadowProductionVariants, there can be only one variant in ProductionVariants and one variant in "
            "ShadowProductionVariants."
        )


def _check_explainer(params: Params) -> None:
    clarify = (params.get("ExplainerConfig") or {}).get("ClarifyExplainerConfig")
    if not clarify:
        return
    baseline = clarify["ShapConfig"]["ShapBaselineConfig"]
    if bool(baseline.get("ShapBaseline")) == bool(baseline.get("ShapBaselineUri")):
        raise ValidationException("Exactly one of ShapBaseline and ShapBaselineUri must be specified.")
    types = (clarify.get("InferenceConfig") or {}).get("FeatureTypes")
    if types and "text" not in types:
        raise ValidationException("FeatureTypes must have at least one 'text'.")


def _check_traffic(params: Params) -> None:
    if not params.get("CrossRegionTrafficConfig"):
        return
    if params.get("AsyncInferenceConfig") or any(each.get("ServerlessConfig") for each in _variants(params)):
        raise ValidationException(
            "CrossRegionTrafficConfig cannot be given with serverless variants or with AsyncInferenceConfig."
        )


def _check_serverless(params: Params) -> None:
    problems = []
    for variants in ("ProductionVariants", "ShadowProductionVariants"):
        for index, variant in enumerate(params.get(variants) or (), 1):
            config = variant.get("ServerlessConfig")
            if not config:
                continue
            path = f"{variants[0].lower()}{variants[1:]}.{index}.member.serverlessConfig"
            if (memory := config["MemorySizeInMB"]) not in SERVERLESS_MEMORY:
                allowed = f"Member must satisfy enum value set: {[*SERVERLESS_MEMORY]}"
                problems.append(violation(memory, f"{path}.memorySizeInMB", allowed))
            if (provisioned := config.get("ProvisionedConcurrency", 0)) > (most := config["MaxConcurrency"]):
                fewer = f"Member must have value less than or equal to {most}"
                problems.append(violation(provisioned, f"{path}.provisionedConcurrency", fewer))
    if problems:
        raise ValidationException(validation_message(problems))


def _check_asynchronous(params: Params) -> None:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests.html and serverless-endpoints.html."""
    if not params.get("AsyncInferenceConfig"):
        return
    if params.get("ShadowProductionVariants"):
        raise ValidationException("ShadowProductionVariants cannot be given with AsyncInferenceConfig.")
    if any(each.get("ServerlessConfig") for each in _variants(params)):
        raise ValidationException("AsyncInferenceConfig cannot be given with serverless variants.")


def require_servable(config: Params) -> None:
    """Make sure that an endpoint can be made of a configuration.

    Raises:
        ValidationException: it asks for what serverless endpoints do not support.
        NotImplementedException: it asks for what is not built yet.
    """
    for problem in serverless_variants.problems(config):
        raise ValidationException(problem)
    ENDPOINT_CONFIG.refuse_unserved(config)
    if config.get("AsyncInferenceConfig") and config.get("DataCaptureConfig"):
        raise NotImplementedException("Data capture is not built yet for asynchronous inference.")
    for variant in _variants(config):
        if variant.get("ModelName") and instance_scaling.is_managed(variant):
            raise NotImplementedException("Managed instance scaling of a variant with a ModelName is not built yet.")
    if not all(variant.get("ModelName") for variant in config.get("ShadowProductionVariants") or ()):
        raise NotImplementedException("Shadow variants of inference components are not built yet.")
    if config.get("AsyncInferenceConfig") and not all(each.get("ModelName") for each in config["ProductionVariants"]):
        raise NotImplementedException("Inference components are not built yet for asynchronous inference.")


def _with_weights(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"InitialVariantWeight": 1.0, **variant} for variant in variants]


def _initial(call: Call, params: Params) -> Params:
    members: Params = {
        member: _with_weights(params[member])
        for member in ("ProductionVariants", "ShadowProductionVariants")
        if params.get(member)
    }
    if capture := params.get("DataCaptureConfig"):
        members["DataCaptureConfig"] = {"EnableCapture": True, **capture}
    return members


_BOTH = ("ProductionVariants", "ShadowProductionVariants")
_UNBUILT_OF_VARIANTS: tuple[tuple[str, str, frozenset[str] | None], ...] = (
    ("InstancePools", "Instance pools are", None),
    ("ManagedInstanceScaling.ScaleInPolicy.Strategy", "Consolidation is", frozenset({"CONSOLIDATION"})),
    ("AcceleratorType", "Elastic Inference is", None),
    ("CoreDumpConfig", "Core dumps are", None),
    ("CapacityReservationConfig", "Capacity reservations are", None),
    ("AcceleratorPartitionLayouts", "Accelerator partitions are", None),
    ("RoutingConfig.RoutingStrategy", "This routing strategy is", frozenset({"PREFIX_AWARE", "KV_AWARE"})),
    ("RoutingConfig.PrefixAwareRoutingConfig", "Routing by prefixes is", None),
)
_WITHOUT_EFFECT_OF_VARIANTS = {
    "InstanceType": "every variant runs on this machine; the container is told the type",
    "VariantInstanceProvisionTimeoutInSeconds": "no instance is waited for",
    "ModelDataDownloadTimeoutInSeconds": "model data may take as long as they need",
    "EnableSSMAccess": "there is no Systems Manager; containers are on this machine",
    "RoutingConfig.RoutingStrategy": "requests go to the instance with the fewest outstanding, with RANDOM too",
    "InferenceAmiVersion": "there are no machine images",
    "ManagedInstanceScaling.ScaleInPolicy": "instances that hold no copies are given back at once",
}

ENDPOINT_CONFIG = Kind(
    noun="EndpointConfig",
    called="endpoint configuration",
    check=_check,
    defaults={"EnableNetworkIsolation": False},
    initial=_initial,
    refers={"ProductionVariants[].ModelName": MODEL, "ShadowProductionVariants[].ModelName": MODEL},
    unserved=(
        *(
            Unbuilt(f"{variants}[].{member}", words, values)
            for variants in _BOTH
            for member, words, values in _UNBUILT_OF_VARIANTS
        ),
        Unbuilt("ExplainerConfig", "Online explainability is"),
        Unbuilt("MetricsConfig.EnableEnhancedMetrics", "Enhanced metrics are"),
        Unbuilt("MetricsConfig.EnableDetailedObservability", "Detailed observability is"),
        Unbuilt("CrossRegionTrafficConfig", "Cross-region traffic is"),
    ),
    without_effect={
        **{f"{variants}[].{member}": why for variants in _BOTH for member, why in _WITHOUT_EFFECT_OF_VARIANTS.items()},
        "KmsKeyId": "disks are not encrypted by Sagesmith",
        "VpcConfig": "containers have the network of this machine, or none with EnableNetworkIsolation",
        "MetricsConfig.MetricPublishFrequencyInSeconds": "metrics are not published",
    },
)
