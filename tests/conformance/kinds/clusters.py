"""Policies and compute quotas of clusters."""

from tests.conformance.facts import Facts

CLUSTER_SCHEDULER_CONFIG = Facts(
    "ClusterSchedulerConfig", unique="ClusterArn", called={"TargetVersion": "ClusterSchedulerConfigVersion"}
)

_BY_NAME = "of one cluster it is the same order; the store has no column of clusters, and quotas are sorted by name"

COMPUTE_QUOTA = Facts(
    "ComputeQuota",
    unique="ClusterArn",
    called={"TargetVersion": "ComputeQuotaVersion"},
    exceptions={f"ListComputeQuotas by ClusterArn {order}: order": _BY_NAME for order in ("Ascending", "Descending")},
)
