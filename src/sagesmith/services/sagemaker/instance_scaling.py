"""Managed instance scaling: a variant has as many instances as its inference components need, within its bounds.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantManagedInstanceScaling.html
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sagesmith.services.sagemaker.capacity import with_host
from sagesmith.wire.context import Params

_DEFAULT_LEAST = 1


def is_managed(variant: Params) -> bool:
    """Whether it is on, given a variant of an endpoint configuration."""
    return _is_enabled(variant.get("ManagedInstanceScaling"))


def initial(variant: Params) -> int:
    """With how many instances a variant of an endpoint configuration begins."""
    scaling = variant.get("ManagedInstanceScaling") or {}
    return int(variant.get("InitialInstanceCount") or scaling.get("MinInstanceCount", _DEFAULT_LEAST))


def problems(variant: Params) -> Iterator[str]:
    """What a variant of an endpoint configuration says of it that cannot be."""
    if not is_managed(variant):
        return
    scaling = variant["ManagedInstanceScaling"]
    least, most = scaling.get("MinInstanceCount", _DEFAULT_LEAST), scaling.get("MaxInstanceCount")
    if least == 0 and variant.get("ModelName"):
        yield "Min instance count needs to be greater than 0 for enabled managed instance scaling"
    if most is not None and most < least:
        yield "MaxInstanceCount must be greater than or equal to MinInstanceCount in ManagedInstanceScaling."
    count = variant.get("InitialInstanceCount")
    if count is not None and not least <= count <= (most or count):
        yield "InitialInstanceCount must be between MinInstanceCount and MaxInstanceCount of ManagedInstanceScaling."
    if not variant.get("InstanceType") and not variant.get("InstancePools"):
        yield "InstanceType is required for a variant with ManagedInstanceScaling."


def grown(variant: Mapping[str, Any], hosts: list[int], held: Collection[int]) -> list[int] | None:
    """The instances of an endpoint's variant and one more, none of `held`; None if there may be no more."""
    scaling = variant.get("scaling") or {}
    if not _is_enabled(scaling) or len(hosts) >= scaling.get("MaxInstanceCount", len(hosts) + 1):
        return None
    return with_host(hosts, held)


def released(variant: Mapping[str, Any], hosts: list[int], used: Collection[int]) -> list[int]:
    """The instances of an endpoint's variant less those that hold no copy and are not to stay."""
    scaling = variant.get("scaling") or {}
    if not _is_enabled(scaling):
        return hosts
    idle = [host for host in hosts if host not in used]
    staying = max(0, scaling.get("MinInstanceCount", _DEFAULT_LEAST) - (len(hosts) - len(idle)))
    going = set(idle[staying:])
    return [host for host in hosts if host not in going]


def _is_enabled(scaling: Params | None) -> bool:
    return (scaling or {}).get("Status") == "ENABLED"
