"""Policies of clusters, and the compute that their teams may use."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagesmith.services.sagemaker.cluster_policies import (
    CLUSTER_SCHEDULER_CONFIG,
    COMPUTE_QUOTA,
    PAST_COMPUTE_QUOTA,
    PAST_SCHEDULER_CONFIG,
)
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.answers import checked, listed, refused
from tests.unit.services.sagemaker.world import REGION, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
CLUSTER = f"{ARN}:cluster/abcdefghijkl"
OTHER_CLUSTER = f"{ARN}:cluster/mnopqrstuvwx"
CLASSES = {"PriorityClasses": [{"Name": "training", "Weight": 90}, {"Name": "batch", "Weight": 10}]}
RESOURCES = {"ComputeQuotaResources": [{"InstanceType": "ml.g5.xlarge", "Count": 2}]}


def policy(world: World, cluster: str = CLUSTER, name: str = "Policy", **members: Any) -> str:
    given = {"Name": name, "ClusterArn": cluster, "SchedulerConfig": CLASSES, **members}
    return str(checked(world, "CreateClusterSchedulerConfig", **given)["ClusterSchedulerConfigId"])


def described_policy(world: World, policy_id: str, version: int | None = None) -> Params:
    return checked(
        world,
        "DescribeClusterSchedulerConfig",
        ClusterSchedulerConfigId=policy_id,
        ClusterSchedulerConfigVersion=version,
    )


def update_policy(world: World, policy_id: str, target: int, **members: Any) -> Params:
    given = {"ClusterSchedulerConfigId": policy_id, "TargetVersion": target, **members}
    return checked(world, "UpdateClusterSchedulerConfig", **given)


def quota_input(team: str = "vision", **members: Any) -> Params:
    return {
        "Name": f"{team}-quota",
        "ClusterArn": CLUSTER,
        "ComputeQuotaConfig": RESOURCES,
        "ComputeQuotaTarget": {"TeamName": team},
        **members,
    }


def quota(world: World, team: str = "vision", **members: Any) -> str:
    return str(checked(world, "CreateComputeQuota", **quota_input(team, **members))["ComputeQuotaId"])


def described_quota(world: World, quota_id: str, version: int | None = None) -> Params:
    return checked(world, "DescribeComputeQuota", ComputeQuotaId=quota_id, ComputeQuotaVersion=version)


def update_quota(world: World, quota_id: str, target: int, **members: Any) -> Params:
    return checked(world, "UpdateComputeQuota", ComputeQuotaId=quota_id, TargetVersion=target, **members)


def stored(world: World, kind: str) -> int:
    with world.store.read() as tx:
        return sum(count for name, _, count in tx.counts() if name == kind)


def test_a_policy_is_described_with_what_aws_fills_in(world: World) -> None:
    made = policy(world, Description="first things first")
    described = described_policy(world, made)
    assert described["ClusterSchedulerConfigArn"] == f"{ARN}:cluster-scheduler-config/{made}"
    assert (described["Name"], described["ClusterArn"]) == ("Policy", CLUSTER)
    assert (described["Status"], described["ClusterSchedulerConfigVersion"]) == ("Created", 1)
    assert described["SchedulerConfig"] == {**CLASSES, "FairShare": "Enabled"}
    assert described["CreatedBy"]["IamIdentity"]["Arn"].endswith("assumed-role/R/s")


def test_an_update_of_a_policy_makes_its_next_version(world: World) -> None:
    made = policy(world)
    first = described_policy(world, made)
    answer = update_policy(world, made, 1, Description="new", SchedulerConfig={"FairShare": "Disabled"})
    assert answer == {
        "ClusterSchedulerConfigArn": f"{ARN}:cluster-scheduler-config/{made}",
        "ClusterSchedulerConfigVersion": 2,
    }
    second = described_policy(world, made)
    assert (second["Status"], second["ClusterSchedulerConfigVersion"]) == ("Updated", 2)
    assert (second["SchedulerConfig"], second["Description"]) == ({"FairShare": "Disabled"}, "new")
    update_policy(world, made, 2, Description="newer")
    assert described_policy(world, made)["SchedulerConfig"] == {"FairShare": "Disabled"}
    assert described_policy(world, made, 1) == first
    assert described_policy(world, made, 2) == second
    assert described_policy(world, made, 3) == described_policy(world, made)


def test_a_version_that_is_not_there_is_not_found(world: World) -> None:
    made = policy(world)
    error = refused(
        world, "DescribeClusterSchedulerConfig", ClusterSchedulerConfigId=made, ClusterSchedulerConfigVersion=2
    )
    arn = f"{ARN}:cluster-scheduler-config/{made}"
    assert (error.code, error.message) == ("ResourceNotFound", f"ClusterSchedulerConfig '{arn}' has no version 2.")


def test_an_update_for_another_version_is_a_conflict_and_changes_nothing(world: World) -> None:
    made = policy(world)
    update_policy(world, made, 1, Description="new")
    for target in (1, 3):
        error = refused(
            world,
            "UpdateClusterSchedulerConfig",
            ClusterSchedulerConfigId=made,
            TargetVersion=target,
            Description="lost",
        )
        words = f"TargetVersion {target} does not match the current version 2 of ClusterSchedulerConfig Policy."
        assert (error.code, error.status, error.message) == ("ConflictException", 409, words)
    assert described_policy(world, made)["Description"] == "new"


def test_a_cluster_has_one_policy(world: World) -> None:
    made = policy(world)
    given = {"Name": "another", "ClusterArn": CLUSTER, "SchedulerConfig": {}}
    error = refused(world, "CreateClusterSchedulerConfig", **given)
    words = f"ClusterSchedulerConfig already exists for cluster {CLUSTER}."
    assert (error.code, error.message) == ("ConflictException", words)
    policy(world, OTHER_CLUSTER)
    checked(world, "DeleteClusterSchedulerConfig", ClusterSchedulerConfigId=made)
    assert policy(world) != made


def test_priority_classes_of_one_name_are_refused(world: World) -> None:
    twice = {"PriorityClasses": [{"Name": "a", "Weight": 1}, {"Name": "a", "Weight": 2}]}
    error = refused(world, "CreateClusterSchedulerConfig", Name="n", ClusterArn=CLUSTER, SchedulerConfig=twice)
    assert (error.code, error.message) == ("ValidationException", "The names of PriorityClasses must be unique.")
    made = policy(world)
    update = {"ClusterSchedulerConfigId": made, "TargetVersion": 1, "SchedulerConfig": twice}
    assert refused(world, "UpdateClusterSchedulerConfig", **update).code == "ValidationException"
    assert described_policy(world, made)["ClusterSchedulerConfigVersion"] == 1


def test_policies_are_listed_by_cluster_name_and_status(world: World) -> None:
    here, there = policy(world, name="here"), policy(world, OTHER_CLUSTER, name="there")
    update_policy(world, there, 1, Description="d")

    def found(**query: Any) -> list[str]:
        items = "ClusterSchedulerConfigSummaries"
        return listed(world, "ListClusterSchedulerConfigs", items, "ClusterSchedulerConfigId", **query)

    assert found(SortBy="Name", SortOrder="Ascending") == [here, there]
    assert found(ClusterArn=CLUSTER) == [here]
    assert found(NameContains="the") == [there]
    assert found(Status="Updated") == [there]
    assert found(Status="Deleting") == []


def test_a_quota_is_described_with_what_aws_fills_in(world: World) -> None:
    sharing = {"ResourceSharingConfig": {"Strategy": "LendAndBorrow"}}
    made = quota(world, ComputeQuotaConfig={**RESOURCES, **sharing})
    described = described_quota(world, made)
    assert described["ComputeQuotaArn"] == f"{ARN}:compute-quota/{made}"
    assert (described["Status"], described["ComputeQuotaVersion"]) == ("Created", 1)
    assert described["ActivationState"] == "Enabled"
    assert described["ComputeQuotaTarget"] == {"TeamName": "vision", "FairShareWeight": 0}
    assert described["ComputeQuotaConfig"] == {
        **RESOURCES,
        "PreemptTeamTasks": "LowerPriority",
        "ResourceSharingConfig": {"Strategy": "LendAndBorrow", "BorrowLimit": 50},
    }


def test_who_does_not_borrow_has_no_limit_of_it(world: World) -> None:
    lending = {"ResourceSharingConfig": {"Strategy": "Lend"}}
    described = described_quota(world, quota(world, ComputeQuotaConfig=lending))
    assert described["ComputeQuotaConfig"]["ResourceSharingConfig"] == {"Strategy": "Lend"}


def test_an_update_of_a_quota_makes_its_next_version(world: World) -> None:
    made = quota(world)
    first = described_quota(world, made)
    assert update_quota(world, made, 1, ActivationState="Disabled", Description="paused") == {
        "ComputeQuotaArn": f"{ARN}:compute-quota/{made}",
        "ComputeQuotaVersion": 2,
    }
    second = described_quota(world, made)
    assert (second["Status"], second["ActivationState"], second["Description"]) == ("Updated", "Disabled", "paused")
    assert second["ComputeQuotaConfig"] == first["ComputeQuotaConfig"]
    assert described_quota(world, made, 1) == first
    error = refused(world, "UpdateComputeQuota", ComputeQuotaId=made, TargetVersion=1)
    words = "TargetVersion 1 does not match the current version 2 of ComputeQuota vision-quota."
    assert (error.code, error.message) == ("ConflictException", words)


def test_a_team_and_a_name_have_one_quota_of_a_cluster(world: World) -> None:
    made = quota(world)
    error = refused(world, "CreateComputeQuota", **quota_input(Name="other"))
    words = f"ComputeQuota with TeamName vision already exists for cluster {CLUSTER}."
    assert (error.code, error.message) == ("ConflictException", words)
    error = refused(world, "CreateComputeQuota", **quota_input("speech", Name="Vision-Quota"))
    words = f"ComputeQuota with Name Vision-Quota already exists for cluster {CLUSTER}."
    assert (error.code, error.message) == ("ConflictException", words)
    quota(world, ClusterArn=OTHER_CLUSTER)
    quota(world, "speech")
    checked(world, "DeleteComputeQuota", ComputeQuotaId=made)
    quota(world)


def test_a_quota_that_moves_to_another_team_leaves_the_first_one_free(world: World) -> None:
    made = quota(world)
    quota(world, "speech")
    error = refused(
        world, "UpdateComputeQuota", ComputeQuotaId=made, TargetVersion=1, ComputeQuotaTarget={"TeamName": "speech"}
    )
    words = f"ComputeQuota with TeamName speech already exists for cluster {CLUSTER}."
    assert (error.code, error.message) == ("ConflictException", words)
    assert described_quota(world, made)["ComputeQuotaVersion"] == 1
    update_quota(world, made, 1, ComputeQuotaTarget={"TeamName": "text", "FairShareWeight": 7})
    assert described_quota(world, made)["ComputeQuotaTarget"] == {"TeamName": "text", "FairShareWeight": 7}
    quota(world, Name="another")
    update_quota(world, made, 2, ComputeQuotaTarget={"TeamName": "text"})
    assert described_quota(world, made)["ComputeQuotaTarget"] == {"TeamName": "text", "FairShareWeight": 0}


def test_quotas_are_listed_by_cluster_name_and_status(world: World) -> None:
    vision, speech = quota(world), quota(world, "speech", ClusterArn=OTHER_CLUSTER)
    update_quota(world, vision, 1)

    def found(**query: Any) -> list[str]:
        return listed(world, "ListComputeQuotas", "ComputeQuotaSummaries", "ComputeQuotaId", **query)

    assert found(SortBy="Name", SortOrder="Ascending") == [speech, vision]
    assert found(ClusterArn=OTHER_CLUSTER) == [speech]
    assert found(NameContains="vis") == [vision]
    assert found(Status="Created") == [speech]
    assert found(CreatedBefore=1.0) == []
    (shown,) = checked(world, "ListComputeQuotas", ClusterArn=CLUSTER)["ComputeQuotaSummaries"]
    described = described_quota(world, vision)
    assert shown == {member: described[member] for member in shown}
    assert shown["ComputeQuotaTarget"]["TeamName"] == "vision"


@pytest.mark.parametrize("noun", ["ClusterSchedulerConfig", "ComputeQuota"])
def test_what_is_not_there_is_not_found(world: World, noun: str) -> None:
    missing = {f"{noun}Id": "abcdefghijkl"}
    for operation, params in (("Describe", {}), ("Delete", {}), ("Update", {"TargetVersion": 1})):
        error = refused(world, f"{operation}{noun}", **missing, **params)
        assert error.code == "ResourceNotFound"
        assert error.message.endswith("/abcdefghijkl' does not exist.")


def test_nothing_of_what_is_deleted_stays(world: World) -> None:
    made = policy(world)
    update_policy(world, made, 1, Description="d")
    allotted = quota(world)
    update_quota(world, allotted, 1)
    kinds = (CLUSTER_SCHEDULER_CONFIG, PAST_SCHEDULER_CONFIG, COMPUTE_QUOTA, PAST_COMPUTE_QUOTA)
    assert [stored(world, kind.id) for kind in kinds] == [1, 1, 1, 1]
    checked(world, "DeleteClusterSchedulerConfig", ClusterSchedulerConfigId=made)
    checked(world, "DeleteComputeQuota", ComputeQuotaId=allotted)
    with world.store.read() as tx:
        assert [each for each in tx.counts() if each[2]] == []


def test_one_policy_for_a_cluster_of_this_name_in_every_region(world: World) -> None:
    elsewhere = "eu-west-1"
    assert elsewhere != REGION
    policy(world)
    policy(world, region=elsewhere)
    quota(world)
    quota(world, region=elsewhere)
    items = "ComputeQuotaSummaries"
    assert listed(world, "ListComputeQuotas", items, "Name", region=elsewhere) == ["vision-quota"]


def test_of_many_updates_for_one_version_one_is_made(world: World) -> None:
    made = quota(world)

    def update(number: int) -> str:
        try:
            update_quota(world, made, 1, Description=str(number))
        except AwsError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(update, range(8)))
    assert sorted(outcomes) == ["ConflictException"] * 7 + ["made"]
    described = described_quota(world, made)
    assert (described["ComputeQuotaVersion"], described["Description"]) == (2, str(outcomes.index("made")))
