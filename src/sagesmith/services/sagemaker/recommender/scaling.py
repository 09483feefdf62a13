"""How to scale an endpoint whose load test was measured: GetScalingConfigurationRecommendation. Pure functions.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-autoscaling.html
"""

import math
import os

from sagesmith.compute.instances import size_of
from sagesmith.services.sagemaker.recommender.load_tests import LoadTest, priced
from sagesmith.wire.context import Params

DEFAULT_TARGET_PERCENT = 50
COOLDOWN_SECONDS = 300
"""Application Auto Scaling's default for variants."""
_PER_INSTANCE = "SageMakerVariantInvocationsPerInstance"


def per_instance(test: LoadTest, target_percent: int) -> int:
    """Invocations a minute with which an instance's cores are as busy as they are to be, at least one: CPU time grows
    with invocations, and no instance is to get more than it was seen to answer."""
    most, used = test.result["per_minute"], test.result.get("CpuUtilization", 0.0)
    wanted = float(target_percent * _cores(test))
    return max(1, int(most * min(1.0, wanted / used))) if used else max(1, int(most * target_percent / 100))


def configuration(test: LoadTest, target_percent: int, objective: Params) -> Params:
    """A DynamicScalingConfiguration: for invocations, and for the CPU.

    Args:
        objective: the ScalingPolicyObjective; without its MaxInvocationsPerMinute there is no MaxCapacity to tell.
    """
    invocations = per_instance(test, target_percent)
    policies = [
        _policy({"Predefined": {"PredefinedMetricType": _PER_INSTANCE}}, float(invocations)),
        _policy(
            {
                "Customized": {
                    "MetricName": "CPUUtilization",
                    "Namespace": "/aws/sagemaker/Endpoints",
                    "Statistic": "Average",
                }
            },
            float(target_percent * _cores(test)),
        ),
    ]
    least = max(1, math.ceil(objective.get("MinInvocationsPerMinute", 0) / invocations))
    shown: Params = {"MinCapacity": least}
    if (most := objective.get("MaxInvocationsPerMinute")) is not None:
        shown["MaxCapacity"] = max(least, math.ceil(most / invocations))
    cooldowns = {"ScaleInCooldown": COOLDOWN_SECONDS, "ScaleOutCooldown": COOLDOWN_SECONDS}
    return {**shown, **cooldowns, "ScalingPolicies": policies}


def metric(test: LoadTest, target_percent: int) -> Params:
    """A ScalingPolicyMetric."""
    latency = priced(test.result)["ModelLatency"]
    return {"InvocationsPerInstance": per_instance(test, target_percent), "ModelLatency": latency}


def _policy(specification: Params, target: float) -> Params:
    return {"TargetTracking": {"MetricSpecification": specification, "TargetValue": target}}


def _cores(test: LoadTest) -> int:
    """How many cores the load test's endpoint had."""
    size, here = size_of(test.instance_type), os.cpu_count() or 1
    return here if size is None else min(size.vcpus, here)
