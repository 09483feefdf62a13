"""AI workload configurations."""

from tests.unit.services.sagemaker.answers import checked, listed, refused
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:ai-workload-config"
TAGS = [{"Key": "team", "Value": "a"}]
SOURCE = {"S3DataSource": {"S3Uri": "s3://prompts/"}}
DATASET = {"InputDataConfig": [{"ChannelName": "prompts", "DataSource": SOURCE}]}
WORKLOAD = {"WorkloadSpec": {"Inline": "concurrency: 8"}}


def create(world: World, name: str = "Load") -> str:
    made = checked(
        world,
        "CreateAIWorkloadConfig",
        AIWorkloadConfigName=name,
        DatasetConfig=DATASET,
        AIWorkloadConfigs=WORKLOAD,
        Tags=TAGS,
    )
    return str(made["AIWorkloadConfigArn"])


def test_a_configuration_is_described_with_its_tags_as_they_are(world: World) -> None:
    assert create(world) == f"{ARN}/load"
    described = checked(world, "DescribeAIWorkloadConfig", AIWorkloadConfigName="load")
    assert (described["AIWorkloadConfigName"], described["AIWorkloadConfigArn"]) == ("Load", f"{ARN}/load")
    assert (described["DatasetConfig"], described["AIWorkloadConfigs"]) == (DATASET, WORKLOAD)
    assert described["Tags"] == TAGS
    checked(world, "DeleteTags", ResourceArn=f"{ARN}/load", TagKeys=["team"])
    assert checked(world, "DescribeAIWorkloadConfig", AIWorkloadConfigName="load")["Tags"] == []


def test_a_taken_name_is_in_use(world: World) -> None:
    create(world)
    error = refused(world, "CreateAIWorkloadConfig", AIWorkloadConfigName="LOAD")
    assert (error.code, error.message) == ("ResourceInUse", f"AIWorkloadConfig already exists: {ARN}/load")


def test_a_configuration_is_listed_until_it_is_deleted(world: World) -> None:
    create(world, "a")
    create(world, "b")
    name = "AIWorkloadConfigName"
    query = {"SortBy": "Name", "SortOrder": "Ascending"}
    assert listed(world, "ListAIWorkloadConfigs", "AIWorkloadConfigs", name, **query) == ["a", "b"]
    assert listed(world, "ListAIWorkloadConfigs", "AIWorkloadConfigs", name, NameContains="b") == ["b"]
    deleted = checked(world, "DeleteAIWorkloadConfig", AIWorkloadConfigName="a")
    assert deleted == {"AIWorkloadConfigArn": f"{ARN}/a"}
    assert listed(world, "ListAIWorkloadConfigs", "AIWorkloadConfigs", name) == ["b"]
    for operation in ("DescribeAIWorkloadConfig", "DeleteAIWorkloadConfig"):
        error = refused(world, operation, AIWorkloadConfigName="a")
        assert (error.code, error.message) == ("ResourceNotFound", f"AIWorkloadConfig '{ARN}/a' does not exist.")
