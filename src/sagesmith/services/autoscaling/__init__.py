"""Application Auto Scaling of endpoints' variants and of inference components: targets, their policies and activities.

A policy is one of step scaling or of target tracking; besides there are scheduled actions.

Predictive scaling is not built.
Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/Welcome.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html
"""

from sagesmith.services.autoscaling import policies, scheduled, targets
from sagesmith.services.autoscaling.scaling import TargetWatch
from sagesmith.services.base import Home, StoreOperation, on_store
from sagesmith.services.reconcile import Reconciler
from sagesmith.wire.context import Handler

_OPERATIONS: dict[str, StoreOperation] = {
    "DeleteScalingPolicy": policies.delete_scaling_policy,
    "DeleteScheduledAction": scheduled.delete_scheduled_action,
    "DeregisterScalableTarget": targets.deregister_scalable_target,
    "DescribeScalableTargets": targets.describe_scalable_targets,
    "DescribeScalingActivities": targets.describe_scaling_activities,
    "DescribeScalingPolicies": policies.describe_scaling_policies,
    "DescribeScheduledActions": scheduled.describe_scheduled_actions,
    "ListTagsForResource": targets.list_tags_for_resource,
    "PutScalingPolicy": policies.put_scaling_policy,
    "PutScheduledAction": scheduled.put_scheduled_action,
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
