"""What can be scaled, by its dimension: how it is found, how it is changed, and by which metrics it is tracked.

Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-autoscale.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sagesmith.services.sagemaker import component_specs, inference_components
from sagesmith.services.sagemaker.endpoints import (
    ENDPOINT,
    ONLY_ASYNCHRONOUS,
    may_be_empty,
    with_count,
    with_provisioned,
)
from sagesmith.services.sagemaker.inference_components import INFERENCE_COMPONENT
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params

VARIANT = "sagemaker:variant:DesiredInstanceCount"
PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency"
COMPONENT = "sagemaker:inference-component:DesiredCopyCount"


@dataclass(frozen=True, slots=True)
class Scalable:
    """What a target is a target of, as it is now.

    Attributes:
        document: what is stored of it, whose reconciler brings a change.
        count: how many instances or copies it is to have.
        with_count: the document with another count, if it is InService.
        never_empty: why it must have one at least; empty if it need not.
        most: how many it can have, whatever its target's bounds are; None if nothing but them says so.
    """

    document: Document
    count: int
    with_count: Callable[[int], Document]
    never_empty: str = ""
    most: int | None = None

    def within(self, body: Params) -> tuple[int, int]:
        """The least and the most that it may have by the document of its target."""
        least, most = int(body["MinCapacity"]), int(body["MaxCapacity"])
        return (least, most) if self.most is None else (min(least, self.most), min(most, self.most))


@dataclass(frozen=True, slots=True)
class Tracked:
    """A predefined metric, which is shared among what is scaled.

    Attributes:
        high_periods: for how many periods it is above the target before there is more; each has `period_seconds`.
    """

    name: str
    statistic: str = "Sum"
    period_seconds: int = 60
    high_periods: int = 3


@dataclass(frozen=True, slots=True)
class Dimension:
    """One scalable dimension.

    Attributes:
        called: what activities call the count.
        noun: what messages call the resource.
        find: the resource of an id in a region, None if there is none.
        metrics: by the API's names for predefined ones.
        dimensions: those of its metrics, for a resource id.
    """

    called: str
    noun: str
    find: Callable[[Transaction, str, str], Scalable | None]
    metrics: Mapping[str, Tracked]
    dimensions: Callable[[str], Mapping[str, str]]


def _variant(tx: Transaction, region: str, resource_id: str) -> Scalable | None:
    found = _named(tx, region, resource_id)
    if found is None or found[1].get("serverless"):
        return None
    endpoint, variant = found
    name = variant["name"]
    hosts = any(each["name"] == name for each in component_specs.component_variants(endpoint))
    never_empty = "" if hosts or may_be_empty(endpoint) else ONLY_ASYNCHRONOUS
    return Scalable(endpoint, variant["count"], lambda count: with_count(endpoint, name, count), never_empty)


def _provisioned(tx: Transaction, region: str, resource_id: str) -> Scalable | None:
    found = _named(tx, region, resource_id)
    if found is None or not found[1].get("serverless") or not found[1]["count"]:
        return None
    endpoint, variant = found
    most = variant["serverless"]["MaxConcurrency"]
    return Scalable(
        endpoint,
        variant["count"],
        lambda count: with_provisioned(endpoint, variant["name"], count),
        "a serverless variant's provisioned concurrency can be none only by a configuration without it",
        most,
    )


def _named(tx: Transaction, region: str, resource_id: str) -> tuple[Document, dict[str, Any]] | None:
    """The endpoint and the variant of `endpoint/NAME/variant/NAME`."""
    parts = resource_id.split("/")
    if len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant":
        return None
    endpoint = tx.get(ENDPOINT.id, region, ENDPOINT.key(parts[1]))
    if endpoint is None:
        return None
    found = [each for each in endpoint.body["_fleet"]["variants"] if each["name"] == parts[3]]
    return (endpoint, found[0]) if found else None


def _component(tx: Transaction, region: str, resource_id: str) -> Scalable | None:
    """Of `inference-component/NAME`."""
    parts = resource_id.split("/")
    if len(parts) != 2 or parts[0] != "inference-component":
        return None
    found = tx.get(INFERENCE_COMPONENT.id, region, INFERENCE_COMPONENT.key(parts[1]))
    if found is None:
        return None
    return Scalable(
        found, inference_components.desired(found), lambda count: inference_components.with_copies(found, count)
    )


def _of_variant(resource_id: str) -> Mapping[str, str]:
    _, endpoint, _, variant = resource_id.split("/")
    return {"EndpointName": endpoint, "VariantName": variant}


def _of_component(resource_id: str) -> Mapping[str, str]:
    return {"InferenceComponentName": resource_id.split("/")[1]}


DIMENSIONS: Mapping[str, Dimension] = {
    VARIANT: Dimension(
        "instance count",
        "variant",
        _variant,
        {"SageMakerVariantInvocationsPerInstance": Tracked("InvocationsPerInstance")},
        _of_variant,
    ),
    PROVISIONED: Dimension(
        "provisioned concurrency",
        "serverless variant with provisioned concurrency",
        _provisioned,
        {
            "SageMakerVariantProvisionedConcurrencyUtilization": Tracked(
                "ServerlessProvisionedConcurrencyUtilization", "Average"
            )
        },
        _of_variant,
    ),
    COMPONENT: Dimension(
        "copy count",
        "inference component",
        _component,
        {
            "SageMakerInferenceComponentInvocationsPerCopy": Tracked("InvocationsPerCopy"),
            "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Tracked(
                "ConcurrentRequestsPerCopy", "Maximum", 10
            ),
        },
        _of_component,
    ),
}
