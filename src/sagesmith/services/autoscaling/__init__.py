"""Application Auto Scaling of endpoints' variants: targets, step scaling and target tracking, and their activities.

Scheduled actions and predictive scaling are not built.
Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/Welcome.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html
"""

from sagesmith.services.autoscaling import policies, targets
from sagesmith.services.autoscaling.scaling import TargetWatch
from sagesmith.services.base import Home, StoreOperation, on_store
from sagesmith.services.reconcile import Reconciler
from sagesmith.wire.context import Handler

_OPERATIONS: dict[str, StoreOperation] = {
    "DeleteScalingPolicy": policies.delete_scaling_policy,
    "DeregisterScalableTarget": targets.deregister_scalable_target,
    "DescribeScalableTargets": targets.describe_scalable_targets,
    "DescribeScalingActivities": targets.describe_scaling_activities,
    "DescribeScalingPolicies": policies.describe_scaling_policies,
    "ListTagsForResource": targets.list_tags_for_resource,
    "PutScalingPolicy": policies.put_scaling_policy,
    "RegisterScalableTarget": targets.register_scalable_target,
    "TagResource": targets.tag_resource,
    "UntagResource": targets.untag_resource,
}


def reconcilers() -> list[Reconciler]:
    """What makes targets follow their policies."""
    return [TargetWatch()]


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    return on_store(home, _OPERATIONS)
