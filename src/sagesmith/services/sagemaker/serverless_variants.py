"""Serverless variants as they are asked for: what they may be, and what an endpoint keeps of them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html ("Feature exclusions") and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantServerlessConfig.html
"""

from collections.abc import Iterator
from typing import Any

from sagesmith.compute.base import Resources
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

STARTUP_SECONDS = 180.0
"""How long a model may take until it answers.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-invoke.html
"""
INSTANCE_TYPE = "ml.serverless"
"""What a model server is told that it runs on."""
_MB_A_CPU = 1769
"""AWS: vCPUs are in proportion to memory. By so much they are on Lambda, which serverless endpoints run on.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""
_OF_INSTANCES = (
    "InstanceType",
    "InitialInstanceCount",
    "AcceleratorType",
    "InstancePools",
    "ManagedInstanceScaling",
    "VolumeSizeInGB",
    "CoreDumpConfig",
)

Variant = dict[str, Any]


def members(config: Params) -> Variant:
    """What an endpoint's variant has of a ServerlessConfig: it is awake once, to show that its model can serve."""
    return {
        "instance_type": INSTANCE_TYPE,
        "count": config.get("ProvisionedConcurrency") or 0,
        "serverless": dict(config),
        "awake": 1,
    }


def reconfigured(variant: Variant, change: Params) -> Variant:
    """A serverless variant after a ServerlessUpdateConfig.

    Raises:
        ValidationException: it is none, or would have more provisioned than it may have at all.
    """
    if not variant.get("serverless"):
        raise ValidationException(f"Variant {variant['name']} is not serverless: it takes no ServerlessUpdateConfig.")
    config = {**variant["serverless"], **change}
    provisioned, most = config.get("ProvisionedConcurrency") or 0, config["MaxConcurrency"]
    if provisioned > most:
        raise ValidationException(
            f"ProvisionedConcurrency {provisioned} must be less than or equal to MaxConcurrency {most}."
        )
    return {**variant, "serverless": config, "count": provisioned}


def resources_of(variant: Variant) -> Resources:
    """What a model server of a serverless variant may use."""
    memory_mb = variant["serverless"]["MemorySizeInMB"]
    return Resources(max(1, round(memory_mb / _MB_A_CPU)), memory_mb << 20)


def problems(config: Params) -> Iterator[str]:
    """What of an endpoint configuration does not go with serverless variants."""
    production, shadows = config["ProductionVariants"], config.get("ShadowProductionVariants") or ()
    chosen = [each for each in (*production, *shadows) if each.get("ServerlessConfig")]
    if not chosen:
        return
    for variant in chosen:
        if found := [member for member in _OF_INSTANCES if variant.get(member)]:
            yield f"{', '.join(found)} cannot be given with ServerlessConfig (variant {variant['VariantName']})."
    if shadows:
        yield "Shadow variants are not supported for serverless endpoints."
    if len(production) > 1:
        yield "Multiple production variants are not supported for serverless endpoints."
    if (config.get("DataCaptureConfig") or {}).get("EnableCapture", bool(config.get("DataCaptureConfig"))):
        yield "Data capture is not supported for serverless endpoints."
    for member, feature in (
        ("AsyncInferenceConfig", "Asynchronous inference"),
        ("ExplainerConfig", "Online explainability"),
        ("VpcConfig", "VPC configuration"),
        ("EnableNetworkIsolation", "Network isolation"),
    ):
        if config.get(member):
            yield f"{feature} is not supported for serverless endpoints."


def require_servable(model: Params) -> None:
    """Make sure that a serverless endpoint can be made of a model.

    Raises:
        ValidationException: the model has what they do not support.
    """
    containers = model.get("Containers") or [model.get("PrimaryContainer") or {}]
    for has, feature in (
        (model.get("VpcConfig"), "A VPC configuration"),
        (model.get("EnableNetworkIsolation"), "Network isolation"),
        (len(containers) > 1, "An inference pipeline"),
        (any(each.get("Mode") == "MultiModel" for each in containers), "A multi-model container"),
    ):
        if has:
            raise ValidationException(
                f"{feature} is not supported for serverless endpoints (model {model['ModelName']})."
            )
