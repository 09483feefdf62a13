"""Pipelines, their versions and aliases, and the executions that there are none of."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import ROLE, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline"
TOKEN = "t" * 32


def text(message: str = "no") -> str:
    """A definition of one step."""
    step = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    return json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [step]})


def create(world: World, name: str = "Churn", **changes: Any) -> Params:
    given = {"ClientRequestToken": f"{name:t<32}", "RoleArn": ROLE, "PipelineDefinition": text(), **changes}
    return checked(world, "CreatePipeline", PipelineName=name, **given)


def describe(world: World, name: str = "churn", **which: Any) -> Params:
    return checked(world, "DescribePipeline", PipelineName=name, **which)


def update(world: World, message: str, **changes: Any) -> Params:
    return checked(world, "UpdatePipeline", PipelineName="churn", PipelineDefinition=text(message), **changes)


def versions(world: World, **filters: Any) -> list[Params]:
    return [*checked(world, "ListPipelineVersions", PipelineName="churn", **filters)["PipelineVersionSummaries"]]


def realias(world: World, number: int, add: list[str] | None = None, remove: list[str] | None = None) -> Params:
    operations = {"Add": add or [], "Remove": remove or []}
    version = {"PipelineArn": f"{ARN}/churn", "PipelineVersionId": number}
    return checked(world, "UpdatePipelineVersion", **version, PipelineVersionAliasOperations=operations)


def test_a_pipeline_is_described_by_its_name_or_arn(world: World) -> None:
    parallel = {"MaxParallelExecutionSteps": 2}
    made = create(world, PipelineDescription="who leaves", ParallelismConfiguration=parallel)
    assert made == {"PipelineArn": f"{ARN}/churn"}
    described = describe(world)
    assert described == describe(world, f"{ARN}/churn")
    assert (described["PipelineName"], described["PipelineDisplayName"]) == ("Churn", "Churn")
    assert (described["PipelineStatus"], described["PipelineDefinition"]) == ("Active", text())
    assert (described["PipelineDescription"], described["ParallelismConfiguration"]) == ("who leaves", parallel)
    assert described["PipelineVersionAliases"] == []
    assert described["CreatedBy"] == described["LastModifiedBy"]
    assert "LastRunTime" not in described


def test_a_pipeline_that_is_there_or_is_not_is_worded_as_aws_words_it(world: World) -> None:
    create(world)
    again = {"ClientRequestToken": TOKEN, "RoleArn": ROLE, "PipelineDefinition": text()}
    error = refused(world, "CreatePipeline", PipelineName="churn", **again)
    assert (error.code, error.message) == (
        "ValidationException",
        "Pipeline names must be unique within an AWS account and region. Pipeline with name (churn) already exists.",
    )
    for operation, more in (
        ("DescribePipeline", {}),
        ("UpdatePipeline", {}),
        ("DeletePipeline", {"ClientRequestToken": TOKEN}),
        ("ListPipelineVersions", {}),
        ("ListPipelineExecutions", {}),
    ):
        error = refused(world, operation, PipelineName="none", **more)
        assert (error.code, error.message) == ("ResourceNotFound", f"Pipeline '{ARN}/none' does not exist.")


def test_a_pipeline_needs_one_definition(world: World) -> None:
    given = {"PipelineName": "p", "ClientRequestToken": TOKEN, "RoleArn": ROLE}
    location = {"Bucket": "bucket", "ObjectKey": "definition.json"}
    error = refused(world, "CreatePipeline", **given)
    assert (error.code, error.message) == (
        "ValidationException",
        "Either Pipeline Definition or Pipeline Definition S3 location should be provided",
    )
    both = {"PipelineDefinition": text(), "PipelineDefinitionS3Location": location}
    create(world)
    for operation, named in (("CreatePipeline", given), ("UpdatePipeline", {"PipelineName": "churn"})):
        error = refused(world, operation, **named, **both)
        assert error.message == "Both Pipeline Definition and Pipeline Definition S3 Location shouldn't be present"


def test_the_same_token_makes_one_pipeline(world: World) -> None:
    assert create(world) == create(world)
    error = refused(
        world,
        "CreatePipeline",
        PipelineName="other",
        ClientRequestToken="Churn".ljust(32, "t"),
        RoleArn=ROLE,
        PipelineDefinition=text(),
    )
    assert error.code == "ConflictException"


def test_every_change_of_the_definition_makes_a_version_and_others_make_none(world: World) -> None:
    create(world)
    assert update(world, "second") == {"PipelineArn": f"{ARN}/churn", "PipelineVersionId": 2}
    assert update(world, "second", PipelineDescription="new")["PipelineVersionId"] == 2
    described = describe(world)
    assert (described["PipelineDescription"], described["PipelineDefinition"]) == ("new", text("second"))
    assert described["LastModifiedTime"] > described["CreationTime"]
    assert update(world, "no")["PipelineVersionId"] == 3
    assert [version["PipelineVersionId"] for version in versions(world)] == [3, 2, 1]
    assert [version["PipelineVersionId"] for version in versions(world, SortOrder="Ascending")] == [1, 2, 3]
    assert {version["PipelineArn"] for version in versions(world)} == {f"{ARN}/churn"}
    assert describe(world, PipelineVersionId=2)["PipelineDefinition"] == text("second")
    assert describe(world, PipelineVersionId=1)["PipelineDefinition"] == describe(world)["PipelineDefinition"]


def test_updates_at_once_make_a_version_each(world: World) -> None:
    create(world)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: update(world, f"change {number}"), range(24)))
    assert sorted(answer["PipelineVersionId"] for answer in answers) == [*range(2, 26)]
    assert len(versions(world, MaxResults=100)) == 25


def test_of_two_versions_that_ask_for_an_alias_at_once_one_gets_it(world: World) -> None:
    create(world)
    update(world, "second")

    def ask(number: int) -> str:
        try:
            realias(world, number, add=["live"])
        except AwsError as error:
            return error.code
        return "assigned"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(ask, (1, 2))) == ["ConflictException", "assigned"]
    assert sorted(version["PipelineVersionAliases"] for version in versions(world)) == [[], ["live"]]


def test_versions_are_listed_in_pages_and_by_time(world: World) -> None:
    create(world)
    for number in range(4):
        update(world, f"version {number}")
    page = checked(world, "ListPipelineVersions", PipelineName="churn", MaxResults=3)
    assert [version["PipelineVersionId"] for version in page["PipelineVersionSummaries"]] == [5, 4, 3]
    (second, first) = versions(world, MaxResults=3, NextToken=page["NextToken"])
    assert (second["PipelineVersionId"], first["PipelineVersionId"]) == (2, 1)
    assert versions(world, CreatedAfter=first["CreationTime"] + 60) == []
    assert versions(world, CreatedBefore=first["CreationTime"] - 60) == []
    assert len(versions(world, CreatedAfter=first["CreationTime"] - 60)) == 5


def test_a_definition_that_is_none_changes_nothing(world: World) -> None:
    create(world)
    error = refused(world, "UpdatePipeline", PipelineName="churn", PipelineDefinition="{")
    assert error.message.startswith("Unable to parse pipeline definition. Invalid JSON")
    assert describe(world)["PipelineDefinition"] == text()
    assert len(versions(world)) == 1
    given = {"ClientRequestToken": TOKEN, "RoleArn": ROLE, "PipelineDefinition": "[]"}
    refused(world, "CreatePipeline", PipelineName="p", **given)
    assert len(checked(world, "ListPipelines")["PipelineSummaries"]) == 1


def test_a_version_is_described_by_what_is_said_of_it(world: World) -> None:
    create(world)
    update(world, "second")
    version = {"PipelineArn": f"{ARN}/churn", "PipelineVersionId": 1}
    said = {"PipelineVersionDisplayName": "the-first", "PipelineVersionDescription": "as it began"}
    assert checked(world, "UpdatePipelineVersion", **version, **said) == version
    described = describe(world, PipelineVersionId=1)
    assert {member: described[member] for member in said} == said
    assert not said.keys() & describe(world).keys()
    assert {member: versions(world)[1][member] for member in said} == said
    assert describe(world)["LastModifiedTime"] == described["LastModifiedTime"]


def test_an_alias_names_one_version_and_is_moved_by_taking_it_away_first(world: World) -> None:
    create(world, PipelineVersionAliases=["live", "v1"])
    update(world, "second", PipelineVersionAliases=["test"])
    assert describe(world, PipelineVersionAlias="live")["PipelineDefinition"] == text()
    assert describe(world, PipelineVersionAlias="test")["PipelineVersionAliases"] == ["test"]
    error = refused(
        world, "UpdatePipeline", PipelineName="churn", PipelineDefinition=text("3"), PipelineVersionAliases=["live"]
    )
    assert (error.code, error.message) == (
        "ConflictException",
        f"Alias live is assigned to version 1 of pipeline '{ARN}/churn'. Remove it from that version first.",
    )
    assert len(versions(world)) == 2
    operations = {"Add": ["live"]}
    version = {"PipelineArn": f"{ARN}/churn", "PipelineVersionId": 2}
    error = refused(world, "UpdatePipelineVersion", **version, PipelineVersionAliasOperations=operations)
    assert error.code == "ConflictException"
    realias(world, 1, remove=["live"])
    realias(world, 2, add=["live", "test"])
    assert describe(world, PipelineVersionAlias="live")["PipelineDefinition"] == text("second")
    assert [version["PipelineVersionAliases"] for version in versions(world)] == [["test", "live"], ["v1"]]


@pytest.mark.parametrize(
    ("add", "remove", "words"),
    [
        (["12"], [], "Alias 12 can't consist of numbers only."),
        (["a", "a"], [], "Alias a is there more than once."),
        (["live"], ["live"], "Alias live can't be both added and removed."),
        ([], ["test"], "Alias test is not assigned to the version."),
        ([f"a{number}" for number in range(10)], [], "A pipeline version can have up to 10 aliases, not 11."),
    ],
)
def test_aliases_that_make_no_sense_are_refused(world: World, add: list[str], remove: list[str], words: str) -> None:
    create(world, PipelineVersionAliases=["live"])
    version = {"PipelineArn": f"{ARN}/churn", "PipelineVersionId": 1}
    operations = {"Add": add, "Remove": remove}
    error = refused(world, "UpdatePipelineVersion", **version, PipelineVersionAliasOperations=operations)
    assert (error.code, error.message) == ("ValidationException", words)
    assert describe(world)["PipelineVersionAliases"] == ["live"]


def test_aliases_come_with_a_new_definition_only(world: World) -> None:
    create(world)
    same = {"PipelineDefinition": text(), "PipelineVersionAliases": ["live"]}
    error = refused(world, "UpdatePipeline", PipelineName="churn", **same)
    assert error.message == "Aliases can be specified only when the update changes the pipeline definition."
    given = {"ClientRequestToken": TOKEN, "RoleArn": ROLE, "PipelineDefinition": text()}
    error = refused(world, "CreatePipeline", PipelineName="p", **given, PipelineVersionAliases=["1"])
    assert error.message == "Alias 1 can't consist of numbers only."


def test_a_version_that_is_not_there_is_not_found(world: World) -> None:
    create(world)
    version = {"PipelineArn": f"{ARN}/churn", "PipelineVersionId": 2}
    errors = [
        refused(world, "DescribePipeline", PipelineName="churn", PipelineVersionId=2),
        refused(world, "UpdatePipelineVersion", **version),
    ]
    for error in errors:
        assert (error.code, error.message) == (
            "ResourceNotFound",
            f"Pipeline version 2 does not exist: '{ARN}/churn/version/2'.",
        )
    for operation in ("DescribePipeline", "ListPipelineExecutions"):
        error = refused(world, operation, PipelineName="churn", PipelineVersionAlias="live")
        assert (error.code, error.message) == (
            "ResourceNotFound",
            f"No version of pipeline '{ARN}/churn' has the alias live.",
        )
    error = refused(world, "UpdatePipelineVersion", PipelineArn=f"{ARN}/none", PipelineVersionId=1)
    assert error.message == f"Pipeline '{ARN}/none' does not exist."


def test_a_version_is_asked_for_by_its_number_or_an_alias(world: World) -> None:
    create(world, PipelineVersionAliases=["live"])
    both = {"PipelineVersionId": 1, "PipelineVersionAlias": "live"}
    error = refused(world, "DescribePipeline", PipelineName="churn", **both)
    assert error.message == "You can't specify both PipelineVersionId and PipelineVersionAlias."


def test_pipelines_are_listed_by_prefix_time_and_manager(world: World) -> None:
    create(world, "churn-1")
    create(world, "re-churn", PipelineDisplayName="again")

    def names(**filters: Any) -> list[str]:
        found = checked(world, "ListPipelines", **filters)["PipelineSummaries"]
        return [each["PipelineName"] for each in found]

    assert names() == ["re-churn", "churn-1"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["churn-1", "re-churn"]
    assert names(PipelineNamePrefix="churn") == ["churn-1"]
    assert names(ManagedBy="CUSTOMER") == ["re-churn", "churn-1"]
    assert names(ManagedBy="AWS") == []
    created = describe(world, "churn-1")["CreationTime"]
    assert names(CreatedAfter=created + 60) == []
    assert names(CreatedBefore=created - 60) == []
    summary = checked(world, "ListPipelines")["PipelineSummaries"][0]
    assert (summary["PipelineDisplayName"], summary["RoleArn"]) == ("again", ROLE)


def test_versions_go_with_their_pipeline(world: World) -> None:
    create(world, PipelineVersionAliases=["live"])
    update(world, "second")
    deleted = checked(world, "DeletePipeline", PipelineName="Churn", ClientRequestToken=TOKEN)
    assert deleted == {"PipelineArn": f"{ARN}/churn"}
    assert refused(world, "DescribePipeline", PipelineName="churn").code == "ResourceNotFound"
    create(world, ClientRequestToken="n" * 32)
    assert [version["PipelineVersionId"] for version in versions(world)] == [1]
    assert describe(world)["PipelineVersionAliases"] == []


def test_a_pipeline_has_tags_and_no_executions(world: World) -> None:
    create(world, PipelineVersionAliases=["live"], Tags=[{"Key": "team", "Value": "red"}])
    assert world.call("ListTags", ResourceArn=f"{ARN}/churn")["Tags"] == [{"Key": "team", "Value": "red"}]
    for which in ({}, {"PipelineVersionAlias": "live"}):
        executions = checked(world, "ListPipelineExecutions", PipelineName="churn", **which)
        assert executions["PipelineExecutionSummaries"] == []


def test_pipelines_and_versions_are_found_by_search(world: World) -> None:
    create(world)
    update(world, "second", PipelineVersionAliases=["live"])

    def found(resource: str, name: str, value: str) -> list[Params]:
        sought = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}
        return [
            each[resource] for each in checked(world, "Search", Resource=resource, SearchExpression=sought)["Results"]
        ]

    (pipeline,) = found("Pipeline", "PipelineName", "Churn")
    assert (pipeline["PipelineArn"], pipeline["PipelineStatus"]) == (f"{ARN}/churn", "Active")
    (version,) = found("PipelineVersion", "PipelineVersionAliases", "live")
    assert (version["PipelineVersionId"], version["PipelineArn"]) == (2, f"{ARN}/churn")
    assert {"CreatedBy", "CreationTime", "LastModifiedTime"} <= version.keys()
    assert "PipelineDefinition" not in version
