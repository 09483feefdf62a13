"""Edge deployment plans, and their stages."""

from typing import Any

import pytest

from sagesmith.services.sagemaker.not_built import NOT_BUILT
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, listed, refused
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:edge-deployment"
MODELS = [{"ModelHandle": "defects", "EdgePackagingJobName": "job"}]
SUMMARIES = "EdgeDeploymentPlanSummaries"


def fleet(world: World, name: str, *devices: str) -> None:
    checked(world, "CreateDeviceFleet", DeviceFleetName=name, OutputConfig={"S3OutputLocation": "s3://b/"})
    registered = [{"DeviceName": device} for device in devices]
    checked(world, "RegisterDevices", DeviceFleetName=name, Devices=registered)


def stage(name: str, subset: str = "PERCENTAGE", **selection: Any) -> Params:
    chosen = selection or {"Percentage": 50}
    return {"StageName": name, "DeviceSelectionConfig": {"DeviceSubsetType": subset, **chosen}}


def plan(world: World, name: str = "Plan", of: str = "f", **members: Any) -> str:
    given = {"EdgeDeploymentPlanName": name, "ModelConfigs": MODELS, "DeviceFleetName": of, **members}
    return str(checked(world, "CreateEdgeDeploymentPlan", **given)["EdgeDeploymentPlanArn"])


def describe(world: World, **page: Any) -> Params:
    return checked(world, "DescribeEdgeDeploymentPlan", EdgeDeploymentPlanName="plan", **page)


def stages(world: World) -> list[str]:
    return [each["StageName"] for each in describe(world)["Stages"]]


def stage_devices(world: World, name: str, **query: Any) -> list[str]:
    query = {"EdgeDeploymentPlanName": "plan", "StageName": name, **query}
    return listed(world, "ListStageDevices", "DeviceDeploymentSummaries", "DeviceName", **query)


def test_a_plan_is_described_with_stages_that_are_ready_and_have_deployed_nothing(world: World) -> None:
    fleet(world, "f", "d")
    kept = {**stage("second"), "DeploymentConfig": {"FailureHandlingPolicy": "DO_NOTHING"}}
    assert plan(world, Stages=[stage("first"), kept]) == f"{ARN}/plan"
    described = describe(world)
    assert (described["EdgeDeploymentPlanName"], described["DeviceFleetName"]) == ("Plan", "f")
    assert described["ModelConfigs"] == MODELS
    counters = ("EdgeDeploymentSuccess", "EdgeDeploymentPending", "EdgeDeploymentFailed")
    assert [described[counter] for counter in counters] == [0, 0, 0]
    first, second = described["Stages"]
    assert first["DeploymentConfig"] == {"FailureHandlingPolicy": "ROLLBACK_ON_FAILURE"}
    assert second["DeploymentConfig"] == kept["DeploymentConfig"]
    assert first["DeploymentStatus"] == {
        "StageStatus": "READYTODEPLOY",
        **{f"{counter}InStage": 0 for counter in counters},
    }


def test_stages_are_described_in_pages(world: World) -> None:
    fleet(world, "f")
    plan(world, Stages=[stage(name) for name in "cab"])
    page = describe(world, MaxResults=2)
    assert [each["StageName"] for each in page["Stages"]] == ["c", "a"]
    rest = describe(world, MaxResults=2, NextToken=page["NextToken"])
    assert [each["StageName"] for each in rest["Stages"]] == ["b"]
    assert "NextToken" not in rest


def test_a_page_of_fewer_stages_than_none_is_refused(world: World) -> None:
    fleet(world, "f")
    plan(world, Stages=[stage("s")])
    error = refused(world, "DescribeEdgeDeploymentPlan", EdgeDeploymentPlanName="plan", MaxResults=-1)
    assert (error.code, "maxResults" in error.message) == ("ValidationException", True)


def test_stages_come_and_go(world: World) -> None:
    fleet(world, "f")
    plan(world)
    assert stages(world) == []
    added = [stage("a"), stage("b")]
    checked(world, "CreateEdgeDeploymentStage", EdgeDeploymentPlanName="Plan", Stages=added)
    checked(world, "CreateEdgeDeploymentStage", EdgeDeploymentPlanName="Plan", Stages=[stage("c")])
    checked(world, "DeleteEdgeDeploymentStage", EdgeDeploymentPlanName="Plan", StageName="B")
    assert stages(world) == ["a", "c"]
    described = describe(world)
    assert described["LastModifiedTime"] > described["CreationTime"]


def test_stages_of_one_name_are_refused(world: World) -> None:
    fleet(world, "f")
    words = "Stage with name A already exists in the edge deployment plan."
    given = {"EdgeDeploymentPlanName": "Plan", "ModelConfigs": MODELS, "DeviceFleetName": "f"}
    error = refused(world, "CreateEdgeDeploymentPlan", **given, Stages=[stage("A"), stage("A")])
    assert (error.code, error.message) == ("ValidationException", words)
    plan(world, Stages=[stage("A")])
    error = refused(world, "CreateEdgeDeploymentStage", EdgeDeploymentPlanName="Plan", Stages=[stage("A")])
    assert (error.code, error.message) == ("ValidationException", words)
    assert stages(world) == ["A"]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"subset": "PERCENTAGE", "DeviceNames": ["d"]}, "exactly Percentage must be specified"),
        ({"subset": "SELECTION", "DeviceNames": ["d"], "Percentage": 5}, "exactly DeviceNames must be specified"),
        ({"subset": "NAMECONTAINS", "Percentage": 5}, "exactly DeviceNameContains must be specified"),
        ({"subset": "PERCENTAGE", "Percentage": -1}, "Percentage must be between 1 and 100."),
    ],
)
def test_a_stage_selects_devices_in_the_way_that_it_says(world: World, selection: Params, words: str) -> None:
    fleet(world, "f")
    plan(world)
    added = [stage("s", **selection)]
    error = refused(world, "CreateEdgeDeploymentStage", EdgeDeploymentPlanName="Plan", Stages=added)
    assert error.code == "ValidationException"
    assert words in error.message
    assert stages(world) == []


def test_models_of_one_handle_are_refused(world: World) -> None:
    fleet(world, "f")
    given = {"EdgeDeploymentPlanName": "Plan", "ModelConfigs": MODELS * 2, "DeviceFleetName": "f"}
    error = refused(world, "CreateEdgeDeploymentPlan", **given)
    assert (error.code, error.message) == (
        "ValidationException",
        "Each of ModelConfigs must have a ModelHandle of its own.",
    )


def test_a_plan_needs_its_fleet_which_stays_as_long_as_the_plan(world: World) -> None:
    given = {"EdgeDeploymentPlanName": "Plan", "ModelConfigs": MODELS, "DeviceFleetName": "f"}
    error = refused(world, "CreateEdgeDeploymentPlan", **given)
    assert (error.code, error.message) == ("ValidationException", "No devicefleet with name f exists.")
    fleet(world, "f")
    plan(world, Stages=[stage("s")])
    error = refused(world, "DeleteDeviceFleet", DeviceFleetName="f")
    assert error.code == "ResourceInUse"
    assert error.message == "DeviceFleet f cannot be deleted because EdgeDeploymentPlan(s) are associated with it."
    checked(world, "DeleteEdgeDeploymentPlan", EdgeDeploymentPlanName="plan")
    checked(world, "DeleteDeviceFleet", DeviceFleetName="f")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DescribeEdgeDeploymentPlan", {}),
        ("DeleteEdgeDeploymentPlan", {}),
        ("CreateEdgeDeploymentStage", {"Stages": []}),
        ("DeleteEdgeDeploymentStage", {"StageName": "s"}),
        ("ListStageDevices", {"StageName": "s"}),
    ],
)
def test_a_plan_that_is_not_there_is_not_found(world: World, operation: str, params: Params) -> None:
    error = refused(world, operation, EdgeDeploymentPlanName="None", **params)
    assert (error.code, error.message) == ("ResourceNotFound", f"EdgeDeploymentPlan '{ARN}/none' does not exist.")


@pytest.mark.parametrize("operation", ["DeleteEdgeDeploymentStage", "ListStageDevices"])
def test_a_stage_that_is_not_there_is_refused(world: World, operation: str) -> None:
    fleet(world, "f")
    plan(world)
    error = refused(world, operation, EdgeDeploymentPlanName="Plan", StageName="s")
    words = "Stage with name s does not exist in edge deployment plan Plan."
    assert (error.code, error.message) == ("ValidationException", words)


def test_a_taken_name_is_refused(world: World) -> None:
    fleet(world, "f")
    plan(world)
    error = refused(
        world, "CreateEdgeDeploymentPlan", EdgeDeploymentPlanName="PLAN", ModelConfigs=MODELS, DeviceFleetName="f"
    )
    words = f'Cannot create already existing edge deployment plan "{ARN}/plan".'
    assert (error.code, error.message) == ("ValidationException", words)


def test_plans_are_listed_by_their_names_and_those_of_their_fleets(world: World) -> None:
    for name in ("north", "south"):
        fleet(world, f"{name}-fleet")
        plan(world, f"{name}-plan", f"{name}-fleet")
    query = {"SortBy": "NAME", "SortOrder": "Ascending"}
    names = [
        listed(world, "ListEdgeDeploymentPlans", SUMMARIES, "EdgeDeploymentPlanName", **query, **more)
        for more in (
            {},
            {"NameContains": "north"},
            {"DeviceFleetNameContains": "south"},
            {"DeviceFleetNameContains": "plan"},
        )
    ]
    assert names == [["north-plan", "south-plan"], ["north-plan"], ["south-plan"], []]
    assert listed(world, "ListEdgeDeploymentPlans", SUMMARIES, "EdgeDeploymentPending") == [0, 0]


def test_the_devices_of_a_stage_are_those_that_it_selects_of_its_fleet(world: World) -> None:
    fleet(world, "f", "cam-3", "cam-1", "cam-2", "arm")
    fleet(world, "other", "cam-9")
    selections = {
        "half": stage("half"),
        "some": stage("some", Percentage=1),
        "all": stage("all", Percentage=100),
        "named": stage("named", "SELECTION", DeviceNames=["CAM-3", "arm", "gone"]),
        "cameras": stage("cameras", "NAMECONTAINS", DeviceNameContains="cam"),
    }
    plan(world, Stages=list(selections.values()))
    assert {name: stage_devices(world, name) for name in selections} == {
        "half": ["arm", "cam-1"],
        "some": ["arm"],
        "all": ["arm", "cam-1", "cam-2", "cam-3"],
        "named": ["arm", "cam-3"],
        "cameras": ["cam-1", "cam-2", "cam-3"],
    }
    assert stage_devices(world, "all", ExcludeDevicesDeployedInOtherStage=True) == stage_devices(world, "all")


def test_the_devices_of_a_stage_come_in_pages(world: World) -> None:
    fleet(world, "f", "a", "b", "c")
    plan(world, Stages=[stage("all", Percentage=100)])
    query = {"EdgeDeploymentPlanName": "plan", "StageName": "ALL", "MaxResults": 2}
    page = checked(world, "ListStageDevices", **query)
    assert page["DeviceDeploymentSummaries"][0] == {
        "EdgeDeploymentPlanArn": f"{ARN}/plan",
        "EdgeDeploymentPlanName": "Plan",
        "StageName": "all",
        "DeviceFleetName": "f",
        "DeviceName": "a",
        "DeviceArn": "arn:aws:sagemaker:us-east-1:123456789012:device-fleet/f/device/a",
        "DeviceDeploymentStatus": "READYTODEPLOY",
    }
    rest = checked(world, "ListStageDevices", **query, NextToken=page["NextToken"])
    assert [each["DeviceName"] for each in rest["DeviceDeploymentSummaries"]] == ["c"]


def test_nothing_starts_a_stage() -> None:
    assert {"StartEdgeDeploymentStage", "StopEdgeDeploymentStage"} <= NOT_BUILT.keys()
