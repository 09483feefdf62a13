"""Feature groups and what is written down about their features."""

from typing import Any

import pytest

from sagesmith.services.sagemaker import feature_groups
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import ROLE, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:feature-group"
ONLINE = {"EnableOnlineStore": True}
IN_MEMORY = {**ONLINE, "StorageType": "InMemory"}
OFFLINE = {"S3StorageConfig": {"S3Uri": "s3://features/"}}
FEATURES = [
    {"FeatureName": "id", "FeatureType": "Integral"},
    {"FeatureName": "time", "FeatureType": "String"},
    {"FeatureName": "amount", "FeatureType": "Fractional"},
]


def group(**changes: Any) -> Params:
    """The input of CreateFeatureGroup."""
    return {
        "FeatureGroupName": "Orders",
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": FEATURES,
        "OnlineStoreConfig": ONLINE,
        **changes,
    }


def create(world: World, **changes: Any) -> str:
    return str(checked(world, "CreateFeatureGroup", **group(**changes))["FeatureGroupArn"])


def describe(world: World, name: str = "orders") -> Params:
    return checked(world, "DescribeFeatureGroup", FeatureGroupName=name)


def refusal(world: World, operation: str, **params: Any) -> str:
    """The words of a ValidationException."""
    error = refused(world, operation, **params)
    assert error.code == "ValidationException"
    return error.message.removeprefix("Validation Error: ")


def test_a_group_is_described_by_its_name_or_arn_with_all_its_features(world: World) -> None:
    assert create(world) == f"{ARN}/orders"
    described = describe(world)
    assert described == describe(world, f"{ARN}/orders")
    assert (described["FeatureGroupName"], described["FeatureGroupStatus"]) == ("Orders", "Created")
    assert (described["FeatureDefinitions"], described["NextToken"]) == (FEATURES, "")
    assert described["ThroughputConfig"] == {"ThroughputMode": "OnDemand"}


def test_an_offline_store_is_told_where_it_will_lie_and_nothing_that_is_not_there(world: World) -> None:
    create(world, OfflineStoreConfig=OFFLINE, RoleArn=ROLE)
    described = describe(world)
    offline = described["OfflineStoreConfig"]
    made = int(described["CreationTime"])
    resolved = offline["S3StorageConfig"]["ResolvedOutputS3Uri"]
    prefix = "s3://features/123456789012/sagemaker/us-east-1/offline-store/Orders-"
    assert resolved in {f"{prefix}{second}/data" for second in (made - 1, made)}
    assert offline["DisableGlueTableCreation"] is False
    assert "DataCatalogConfig" not in offline
    assert "OfflineStoreStatus" not in described
    assert checked(world, "ListFeatureGroups", OfflineStoreStatusEquals="Active")["FeatureGroupSummaries"] == []


def test_a_group_that_is_there_or_is_not_is_worded_as_aws_words_it(world: World) -> None:
    create(world)
    error = refused(world, "CreateFeatureGroup", **group(FeatureGroupName="orders"))
    assert (error.code, error.message) == (
        "ResourceInUse",
        "Resource Already Exists: FeatureGroup with name orders already exists. Choose a different name.\n"
        "Info: Feature Group 'orders' already exists.",
    )
    for operation in ("DescribeFeatureGroup", "UpdateFeatureGroup", "DeleteFeatureGroup"):
        error = refused(world, operation, FeatureGroupName="none")
        assert (error.code, error.message) == (
            "ResourceNotFound",
            "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name none.",
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"OnlineStoreConfig": {"EnableOnlineStore": False}}, "at least one of OnlineStoreConfig"),
        ({"OfflineStoreConfig": OFFLINE}, "RoleArn is required"),
        (
            {
                "OfflineStoreConfig": {**OFFLINE, "TableFormat": "Iceberg", "DisableGlueTableCreation": True},
                "RoleArn": ROLE,
            },
            "Iceberg",
        ),
        ({"RecordIdentifierFeatureName": "key"}, "RecordIdentifierFeatureName key must be the name of one"),
        ({"EventTimeFeatureName": "at"}, "EventTimeFeatureName at must be the name of one"),
        ({"EventTimeFeatureName": "id"}, "the event time feature id must be of type String or Fractional"),
        (
            {"ThroughputConfig": {"ThroughputMode": "OnDemand", "ProvisionedReadCapacityUnits": 1}},
            "not for ThroughputMode OnDemand",
        ),
        (
            {"ThroughputConfig": {"ThroughputMode": "Provisioned"}, "OnlineStoreConfig": IN_MEMORY},
            "Provisioned is not for an InMemory",
        ),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(world: World, changes: Params, words: str) -> None:
    assert words in refusal(world, "CreateFeatureGroup", **group(**changes))
    assert checked(world, "ListFeatureGroups")["FeatureGroupSummaries"] == []


@pytest.mark.parametrize(
    ("feature", "online", "words"),
    [
        ({"FeatureName": "Write_Time", "FeatureType": "String"}, ONLINE, "Write_Time is a reserved feature name"),
        ({"FeatureName": "ID", "FeatureType": "String"}, ONLINE, "is used more than once"),
        (
            {"FeatureName": "tags", "FeatureType": "String", "CollectionType": "Set"},
            ONLINE,
            "only feature groups with an InMemory online store",
        ),
        ({"FeatureName": "v", "FeatureType": "Fractional", "CollectionType": "Vector"}, IN_MEMORY, "belong together"),
        (
            {
                "FeatureName": "v",
                "FeatureType": "Integral",
                "CollectionType": "Vector",
                "CollectionConfig": {"VectorConfig": {"Dimension": 3}},
            },
            IN_MEMORY,
            "must be Fractional",
        ),
    ],
)
def test_a_feature_that_makes_no_sense_is_refused_at_creation_and_when_added(
    world: World, feature: Params, online: Params, words: str
) -> None:
    bad = group(FeatureDefinitions=[*FEATURES, feature], OnlineStoreConfig=online)
    assert words in refusal(world, "CreateFeatureGroup", **bad)
    create(world, OnlineStoreConfig=online)
    assert words in refusal(world, "UpdateFeatureGroup", FeatureGroupName="orders", FeatureAdditions=[feature])
    assert describe(world)["FeatureDefinitions"] == FEATURES


def test_an_identifier_cannot_be_a_collection(world: World) -> None:
    features = [{**FEATURES[0], "CollectionType": "List"}, *FEATURES[1:]]
    message = refusal(world, "CreateFeatureGroup", **group(FeatureDefinitions=features, OnlineStoreConfig=IN_MEMORY))
    assert message == "RecordIdentifierFeatureName id cannot be of a collection type."


def test_added_features_follow_those_that_are_there_and_can_be_described(world: World) -> None:
    create(world)
    more = {"FeatureName": "customer", "FeatureType": "String"}
    answer = checked(world, "UpdateFeatureGroup", FeatureGroupName="Orders", FeatureAdditions=[more])
    assert answer == {"FeatureGroupArn": f"{ARN}/orders"}
    described = describe(world)
    assert described["FeatureDefinitions"] == [*FEATURES, more]
    assert described["LastUpdateStatus"] == {"Status": "Successful"}
    assert described["LastModifiedTime"] > described["CreationTime"]
    metadata = checked(world, "DescribeFeatureMetadata", FeatureGroupName="orders", FeatureName="customer")
    assert metadata["FeatureType"] == "String"


def test_a_group_has_at_most_2500_features(world: World) -> None:
    many = [{"FeatureName": f"f{number}", "FeatureType": "String"} for number in range(60)]
    create(world, FeatureDefinitions=[*FEATURES, *many])
    with world.store.write() as tx:
        stored = tx.get("feature-group", "us-east-1", "orders")
        assert stored is not None
        stored.body["FeatureDefinitions"] = [*FEATURES, *many] * 39
        tx.update(stored)
    few = [{"FeatureName": f"g{number}", "FeatureType": "String"} for number in range(100)]
    error = refused(world, "UpdateFeatureGroup", FeatureGroupName="orders", FeatureAdditions=few)
    assert (error.code, "up to 2500 features" in error.message) == ("ResourceLimitExceeded", True)


def test_an_update_changes_one_thing_at_a_time(world: World) -> None:
    create(world)
    more = [{"FeatureName": "customer", "FeatureType": "String"}]
    ttl = {"TtlDuration": {"Unit": "Days", "Value": 1}}
    words = refusal(
        world, "UpdateFeatureGroup", FeatureGroupName="orders", FeatureAdditions=more, OnlineStoreConfig=ttl
    )
    assert words.startswith("exactly one of")
    assert refusal(world, "UpdateFeatureGroup", FeatureGroupName="orders").startswith("exactly one of")
    assert describe(world)["FeatureDefinitions"] == FEATURES


def test_the_online_store_is_given_and_relieved_of_a_time_to_live(world: World) -> None:
    create(world)
    ttl = {"Unit": "Days", "Value": 1}
    update = {"FeatureGroupName": "orders"}
    checked(world, "UpdateFeatureGroup", **update, OnlineStoreConfig={"TtlDuration": ttl})
    assert describe(world)["OnlineStoreConfig"] == {**ONLINE, "TtlDuration": ttl}
    checked(world, "UpdateFeatureGroup", **update, OnlineStoreConfig={"TtlDuration": {}})
    assert describe(world)["OnlineStoreConfig"] == ONLINE


def test_the_online_store_moves_to_the_second_version_and_not_back(world: World) -> None:
    create(world)
    update = {"FeatureGroupName": "orders"}
    checked(world, "UpdateFeatureGroup", **update, OnlineStoreConfig={"StorageType": "Standard_V2"})
    words = refusal(world, "UpdateFeatureGroup", **update, OnlineStoreConfig={"StorageType": "Standard"})
    assert words == "an online store cannot be changed from Standard_V2 to Standard."


def test_a_group_without_an_online_store_has_none_to_change(world: World) -> None:
    create(world, OnlineStoreConfig={}, OfflineStoreConfig=OFFLINE, RoleArn=ROLE)
    ttl = {"TtlDuration": {"Unit": "Days", "Value": 1}}
    words = refusal(world, "UpdateFeatureGroup", FeatureGroupName="orders", OnlineStoreConfig=ttl)
    assert words == "the feature group has no online store."


def test_throughput_is_provisioned_and_given_back(world: World) -> None:
    create(world)
    update = {"FeatureGroupName": "orders"}
    provisioned = {"ThroughputMode": "Provisioned", "ProvisionedReadCapacityUnits": 2}
    checked(world, "UpdateFeatureGroup", **update, ThroughputConfig=provisioned)
    checked(world, "UpdateFeatureGroup", **update, ThroughputConfig={"ProvisionedWriteCapacityUnits": 3})
    assert describe(world)["ThroughputConfig"] == {**provisioned, "ProvisionedWriteCapacityUnits": 3}
    checked(world, "UpdateFeatureGroup", **update, ThroughputConfig={"ThroughputMode": "OnDemand"})
    assert describe(world)["ThroughputConfig"] == {"ThroughputMode": "OnDemand"}


def test_throughput_is_given_back_once_in_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    provisioned, on_demand = {"ThroughputMode": "Provisioned"}, {"ThroughputMode": "OnDemand"}
    create(world, ThroughputConfig=provisioned)

    def switch(config: Params) -> None:
        checked(world, "UpdateFeatureGroup", FeatureGroupName="orders", ThroughputConfig=config)

    switch(on_demand)
    switch(on_demand)
    switch(provisioned)
    error = refused(world, "UpdateFeatureGroup", FeatureGroupName="orders", ThroughputConfig=on_demand)
    assert error.code == "ResourceLimitExceeded"
    assert "ThroughputMode OnDemand are limited to once in 24 hours. Last update at 20" in error.message
    assert describe(world)["ThroughputConfig"] == provisioned
    monkeypatch.setattr(feature_groups, "ON_DEMAND_PERIOD_SECONDS", 0)
    switch(on_demand)


def test_groups_are_listed_by_name_status_and_time(world: World) -> None:
    create(world)
    create(world, FeatureGroupName="Customers")
    listed = checked(world, "ListFeatureGroups", SortBy="Name", SortOrder="Ascending")["FeatureGroupSummaries"]
    assert [each["FeatureGroupName"] for each in listed] == ["Customers", "Orders"]
    described = describe(world)
    assert listed[1] == {member: described[member] for member in listed[1]}

    def names(**filters: Any) -> list[str]:
        found = checked(world, "ListFeatureGroups", **filters)["FeatureGroupSummaries"]
        return sorted(each["FeatureGroupName"] for each in found)

    assert names(NameContains="Ord") == ["Orders"]
    assert names(FeatureGroupStatusEquals="Created") == ["Customers", "Orders"]
    assert names(FeatureGroupStatusEquals="Deleting") == []
    assert names(CreationTimeAfter=described["CreationTime"] + 60) == []
    assert names(CreationTimeBefore=described["CreationTime"] - 60) == []


def test_a_feature_is_described_with_what_is_written_down_about_it(world: World) -> None:
    create(world)
    feature = {"FeatureGroupName": f"{ARN}/orders", "FeatureName": "amount"}
    described = checked(world, "DescribeFeatureMetadata", **feature)
    assert described["FeatureGroupArn"] == f"{ARN}/orders"
    assert (described["FeatureGroupName"], described["FeatureName"]) == ("Orders", "amount")
    assert "Description" not in described
    pairs = [{"Key": "unit", "Value": "EUR"}, {"Key": "owner", "Value": "ann"}]
    assert world.call("UpdateFeatureMetadata", **feature, Description="net", ParameterAdditions=pairs) == {}
    changed = [{"Key": "unit", "Value": "USD"}]
    world.call("UpdateFeatureMetadata", **feature, ParameterAdditions=changed, ParameterRemovals=["owner"])
    described = checked(world, "DescribeFeatureMetadata", **feature)
    assert (described["Description"], described["Parameters"]) == ("net", changed)
    assert described["LastModifiedTime"] > described["CreationTime"]
    other = checked(world, "DescribeFeatureMetadata", FeatureGroupName="Orders", FeatureName="id")
    assert "Parameters" not in other


def test_a_feature_has_at_most_25_parameters(world: World) -> None:
    create(world)
    feature = {"FeatureGroupName": "orders", "FeatureName": "amount"}
    pairs = [{"Key": str(number), "Value": "v"} for number in range(25)]
    world.call("UpdateFeatureMetadata", **feature, ParameterAdditions=pairs)
    more = [{"Key": "more", "Value": "v"}]
    words = refusal(world, "UpdateFeatureMetadata", **feature, ParameterAdditions=more)
    assert words == "a feature can have up to 25 parameters, not 26."


@pytest.mark.parametrize("operation", ["DescribeFeatureMetadata", "UpdateFeatureMetadata"])
@pytest.mark.parametrize(("group_name", "feature"), [("orders", "none"), ("none", "amount")])
def test_a_feature_that_is_not_there_is_not_found(world: World, operation: str, group_name: str, feature: str) -> None:
    create(world)
    error = refused(world, operation, FeatureGroupName=group_name, FeatureName=feature)
    assert (error.code, f"can't find a feature with name {feature}" in error.message) == ("ResourceNotFound", True)


def test_features_go_with_their_group(world: World) -> None:
    create(world)
    assert world.call("DeleteFeatureGroup", FeatureGroupName="Orders") == {}
    assert refused(world, "DescribeFeatureGroup", FeatureGroupName="orders").code == "ResourceNotFound"
    create(world, FeatureDefinitions=[*FEATURES[:2], {"FeatureName": "amount", "FeatureType": "String"}])
    again = checked(world, "DescribeFeatureMetadata", FeatureGroupName="orders", FeatureName="amount")
    assert again["FeatureType"] == "String"


def test_groups_and_features_are_found_by_search(world: World) -> None:
    create(world, Description="what was bought")
    world.call(
        "UpdateFeatureMetadata",
        FeatureGroupName="orders",
        FeatureName="amount",
        ParameterAdditions=[{"Key": "unit", "Value": "EUR"}],
    )

    def found(resource: str, name: str, value: str) -> list[Params]:
        sought = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}
        return [*checked(world, "Search", Resource=resource, SearchExpression=sought)["Results"]]

    (record,) = found("FeatureGroup", "FeatureGroupName", "Orders")
    assert record["FeatureGroup"]["Description"] == "what was bought"
    features = found("FeatureMetadata", "FeatureGroupName", "Orders")
    assert sorted(each["FeatureMetadata"]["FeatureName"] for each in features) == ["amount", "id", "time"]
    (record,) = found("FeatureMetadata", "Parameters.unit", "EUR")
    assert record["FeatureMetadata"]["FeatureName"] == "amount"
