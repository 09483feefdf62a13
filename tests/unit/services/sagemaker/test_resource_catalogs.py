"""The catalog of a region's feature groups."""

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked
from tests.unit.services.sagemaker.world import World

NAME = "DefaultFeatureGroupCatalog"


def create_group(world: World, name: str) -> None:
    features = [{"FeatureName": name, "FeatureType": "String"} for name in ("id", "time")]
    checked(
        world,
        "CreateFeatureGroup",
        FeatureGroupName=name,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="time",
        FeatureDefinitions=features,
        OnlineStoreConfig={"EnableOnlineStore": True},
    )


def catalogs(world: World, **query: object) -> list[Params]:
    return list(checked(world, "ListResourceCatalogs", **query)["ResourceCatalogs"])


def test_the_catalog_comes_with_the_first_feature_group_of_a_region(world: World) -> None:
    assert catalogs(world) == []
    create_group(world, "a")
    (one,) = catalogs(world)
    create_group(world, "b")
    assert catalogs(world) == [one]
    assert one["ResourceCatalogName"] == NAME
    assert one["ResourceCatalogArn"] == f"arn:aws:sagemaker:us-east-1:123456789012:sagemaker-catalog/{NAME}"
    assert catalogs(world, region="eu-west-1") == []


def test_filters_exclude_the_catalog(world: World) -> None:
    create_group(world, "a")
    (one,) = catalogs(world, NameContains="FeatureGroup")
    assert catalogs(world, NameContains="Model") == []
    assert catalogs(world, CreationTimeAfter=one["CreationTime"]) == []
    assert catalogs(world, CreationTimeBefore=one["CreationTime"]) == []
    assert catalogs(world, CreationTimeBefore=one["CreationTime"] + 1, SortBy="CreationTime") == [one]
