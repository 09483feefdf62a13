"""A kind that is a mere record: its operations follow from its declaration."""

from typing import Any

import pytest

from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:code-repository"
GIT = {"RepositoryUrl": "https://example.com/r.git", "Branch": "main"}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:git"


def create(world: World, name: str, **changes: Any) -> str:
    created = world.call("CreateCodeRepository", CodeRepositoryName=name, GitConfig=GIT, **changes)
    return str(created["CodeRepositoryArn"])


def names(world: World, **query: Any) -> list[str]:
    listed = world.call("ListCodeRepositories", **query)["CodeRepositorySummaryList"]
    return [each["CodeRepositoryName"] for each in listed]


def test_a_repository_is_described_and_listed_with_its_git_configuration(world: World) -> None:
    assert create(world, "Repo") == f"{ARN}/repo"
    described = world.call("DescribeCodeRepository", CodeRepositoryName="Repo")
    assert described["GitConfig"] == GIT
    assert world.call("ListCodeRepositories")["CodeRepositorySummaryList"] == [described]


def test_only_the_secret_of_a_repository_changes(world: World) -> None:
    create(world, "repo")
    before = world.call("DescribeCodeRepository", CodeRepositoryName="repo")
    answer = world.call("UpdateCodeRepository", CodeRepositoryName="repo", GitConfig={"SecretArn": SECRET})
    assert answer == {"CodeRepositoryArn": f"{ARN}/repo"}
    after = world.call("DescribeCodeRepository", CodeRepositoryName="repo")
    assert after["GitConfig"] == {**GIT, "SecretArn": SECRET}
    assert after["CreationTime"] == before["CreationTime"] < after["LastModifiedTime"]


def test_repositories_are_listed_by_name_unless_asked_otherwise(world: World) -> None:
    for name in ("b", "c", "a"):
        create(world, name)
    world.call("UpdateCodeRepository", CodeRepositoryName="b", GitConfig={"SecretArn": SECRET})
    assert names(world) == ["a", "b", "c"]
    assert names(world, SortBy="CreationTime", SortOrder="Descending") == ["a", "c", "b"]
    assert names(world, SortBy="LastModifiedTime") == ["c", "a", "b"]


def test_a_deleted_repository_is_gone_and_its_name_free(world: World) -> None:
    create(world, "repo")
    world.call("DeleteCodeRepository", CodeRepositoryName="repo")
    for operation in ("DescribeCodeRepository", "UpdateCodeRepository", "DeleteCodeRepository"):
        with pytest.raises(AwsError, match=f'Cannot find CodeRepository: "{ARN}/repo"') as raised:
            world.call(operation, CodeRepositoryName="repo")
        assert raised.value.code == "ValidationException"
    create(world, "repo")


def test_a_repository_has_tags_and_a_region(world: World) -> None:
    arn = create(world, "repo", Tags=[{"Key": "team", "Value": "a"}])
    assert world.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    assert world.call("ListCodeRepositories", region="eu-west-1")["CodeRepositorySummaryList"] == []
