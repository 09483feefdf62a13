"""What a List selects, and in which order."""

import time

import pytest

from sagesmith.services.sagemaker.engine import Kind, contains
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, declare, listed, refused
from tests.unit.services.sagemaker.small_kinds import create_pipeline, pipelines
from tests.unit.services.sagemaker.world import ROLE, World


def test_a_prefix_selects_less_than_a_part(world: World) -> None:
    declare(world, pipelines())
    for name in ("train-a", "retrain-b", "train-c"):
        create_pipeline(world, name, name)
    names = listed(world, "ListPipelines", "PipelineSummaries", "PipelineName", PipelineNamePrefix="train")
    assert names == ["train-c", "train-a"]


def test_pages_of_what_only_a_look_at_each_document_tells_follow_each_other(world: World) -> None:
    notebooks = Kind(
        noun="NotebookInstance",
        filters={
            "DefaultCodeRepositoryContains": contains("DefaultCodeRepository"),
            "AdditionalCodeRepositoryEquals": "AdditionalCodeRepositories[]",
            "NotebookInstanceLifecycleConfigNameContains": contains("LifecycleConfigName"),
        },
    )
    declare(world, notebooks)
    for number in range(30):
        repository = "odd" if number % 2 else "even"
        given: Params = {
            "InstanceType": "ml.t3.medium",
            "RoleArn": ROLE,
            "AdditionalCodeRepositories": ["x", repository],
        }
        world.call(
            "CreateNotebookInstance", NotebookInstanceName=f"n{number:02}", DefaultCodeRepository=repository, **given
        )
    query: Params = {"DefaultCodeRepositoryContains": "dd", "SortBy": "Name", "SortOrder": "Ascending"}
    pages, token = [], None
    while True:
        answer = world.call("ListNotebookInstances", **query, MaxResults=7, NextToken=token)
        pages.append([each["NotebookInstanceName"] for each in answer["NotebookInstances"]])
        token = answer["NextToken"]
        if token is None:
            break
    assert [len(page) for page in pages] == [7, 7, 1]
    assert [name for page in pages for name in page] == [f"n{number:02}" for number in range(1, 30, 2)]
    (first, *_) = listed(
        world,
        "ListNotebookInstances",
        "NotebookInstances",
        "NotebookInstanceName",
        AdditionalCodeRepositoryEquals="even",
        DefaultCodeRepositoryContains="even",
        NameContains="n2",
    )
    assert first == "n28"


@pytest.mark.parametrize(
    ("sort_by", "order", "expected"),
    [
        ("NAME", "Ascending", ["a", "b", "c"]),
        ("NAME", "Descending", ["c", "b", "a"]),
        ("CREATION_TIME", "Ascending", ["b", "c", "a"]),
        ("LAST_MODIFIED_TIME", "Descending", ["b", "a", "c"]),
        (None, None, ["a", "c", "b"]),
    ],
)
def test_orders_have_several_spellings(
    world: World, sort_by: str | None, order: str | None, expected: list[str]
) -> None:
    declare(world, Kind(noun="DeviceFleet"))
    output = {"S3OutputLocation": "s3://a"}
    for name in ("b", "c", "a"):
        checked(world, "CreateDeviceFleet", DeviceFleetName=name, OutputConfig=output)
    checked(world, "UpdateDeviceFleet", DeviceFleetName="b", OutputConfig=output)
    query: Params = {"SortBy": sort_by, "SortOrder": order}
    assert listed(world, "ListDeviceFleets", "DeviceFleetSummaries", "DeviceFleetName", **query) == expected


@pytest.mark.parametrize("operation", ["ListDeviceFleets", "ListDevices", "ListEdgeDeploymentPlans"])
def test_a_page_of_fewer_than_none_is_refused(world: World, operation: str) -> None:
    error = refused(world, operation, MaxResults=-1)
    assert error.code == "ValidationException"
    assert "Value '-1' at 'maxResults'" in error.message
    checked(world, operation, MaxResults=0)


def test_an_order_that_the_store_does_not_have_must_be_declared(world: World) -> None:
    with pytest.raises(LookupError, match="AccountIdOwner"):
        declare(world, Kind(noun="Hub"))


def test_a_time_may_be_called_otherwise(world: World) -> None:
    declare(world, pipelines())
    create_pipeline(world, "p", "t")
    now = time.time()
    assert len(checked(world, "ListPipelines", CreatedAfter=now - 60)["PipelineSummaries"]) == 1
    assert checked(world, "ListPipelines", CreatedBefore=now - 60)["PipelineSummaries"] == []
