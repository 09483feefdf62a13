"""Device fleets, and the devices that are registered in them."""

from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, listed, refused
from tests.unit.services.sagemaker.world import ROLE, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:device-fleet"
OUTPUT = {"S3OutputLocation": "s3://samples/"}


def fleet(world: World, name: str = "Cameras", **members: Any) -> None:
    checked(world, "CreateDeviceFleet", DeviceFleetName=name, OutputConfig=OUTPUT, **members)


def register(world: World, *names: str, of: str = "Cameras", **members: Any) -> None:
    devices = [{"DeviceName": name, "Description": f"the {name}"} for name in names]
    checked(world, "RegisterDevices", DeviceFleetName=of, Devices=devices, **members)


def device(world: World, name: str, of: str = "Cameras") -> Params:
    return checked(world, "DescribeDevice", DeviceFleetName=of, DeviceName=name)


def devices(world: World, **query: Any) -> list[str]:
    return sorted(listed(world, "ListDevices", "DeviceSummaries", "DeviceName", **query))


def report(world: World) -> Params:
    return checked(world, "GetDeviceFleetReport", DeviceFleetName="cameras")


def test_a_fleet_is_described_and_changed(world: World) -> None:
    fleet(world, RoleArn=ROLE, Description="all of them")
    described = checked(world, "DescribeDeviceFleet", DeviceFleetName="cameras")
    assert described["DeviceFleetArn"] == f"{ARN}/cameras"
    assert {member: described[member] for member in ("DeviceFleetName", "RoleArn", "Description", "OutputConfig")} == {
        "DeviceFleetName": "Cameras",
        "RoleArn": ROLE,
        "Description": "all of them",
        "OutputConfig": OUTPUT,
    }
    other = {"S3OutputLocation": "s3://others/", "KmsKeyId": "key"}
    checked(world, "UpdateDeviceFleet", DeviceFleetName="cameras", OutputConfig=other)
    changed = checked(world, "DescribeDeviceFleet", DeviceFleetName="cameras")
    assert (changed["OutputConfig"], changed["Description"]) == (other, "all of them")
    assert changed["LastModifiedTime"] > changed["CreationTime"]


def test_the_alias_of_a_fleets_role_is_shown_as_long_as_it_is_wanted(world: World) -> None:
    fleet(world, RoleArn=ROLE)
    assert "IotRoleAlias" not in checked(world, "DescribeDeviceFleet", DeviceFleetName="Cameras")
    update = {"DeviceFleetName": "Cameras", "OutputConfig": OUTPUT}
    checked(world, "UpdateDeviceFleet", **update, EnableIotRoleAlias=True)
    described = checked(world, "DescribeDeviceFleet", DeviceFleetName="Cameras")
    assert described["IotRoleAlias"] == "arn:aws:iot:us-east-1:123456789012:rolealias/SageMakerEdge-Cameras"
    checked(world, "UpdateDeviceFleet", **update, EnableIotRoleAlias=False)
    assert "IotRoleAlias" not in checked(world, "DescribeDeviceFleet", DeviceFleetName="Cameras")


def test_fleets_are_listed_by_name_and_time(world: World) -> None:
    for name in ("b", "a", "ab"):
        fleet(world, name)
    names = [
        listed(world, "ListDeviceFleets", "DeviceFleetSummaries", "DeviceFleetName", **query)
        for query in (
            {"SortBy": "NAME", "SortOrder": "Ascending"},
            {"SortBy": "CREATION_TIME", "SortOrder": "Ascending"},
            {"NameContains": "a", "SortBy": "NAME", "SortOrder": "Descending"},
            {"CreationTimeBefore": 1.0},
        )
    ]
    assert names == [["a", "ab", "b"], ["b", "a", "ab"], ["ab", "a"], []]


def test_a_taken_name_is_in_use(world: World) -> None:
    fleet(world)
    error = refused(world, "CreateDeviceFleet", DeviceFleetName="CAMERAS", OutputConfig=OUTPUT)
    assert (error.code, error.message) == ("ResourceInUse", f"DeviceFleet already exists: {ARN}/cameras")


@pytest.mark.parametrize(
    ("operation", "params", "words"),
    [
        ("DescribeDeviceFleet", {}, "No devicefleet with name none exists."),
        ("UpdateDeviceFleet", {"OutputConfig": OUTPUT}, "No devicefleet with name none exists."),
        ("GetDeviceFleetReport", {}, "No devicefleet with name none exists."),
        ("DeleteDeviceFleet", {}, "DeviceFleet with name none does not exist."),
        ("DescribeDevice", {"DeviceName": "d"}, "No device fleet with name none exists."),
        ("RegisterDevices", {"Devices": [{"DeviceName": "d"}]}, "No device fleet with name none exists."),
        ("UpdateDevices", {"Devices": [{"DeviceName": "d"}]}, "No device fleet with name none exists."),
        ("DeregisterDevices", {"DeviceNames": ["d"]}, "No device fleet with name none exists."),
    ],
)
def test_each_operation_has_its_words_for_a_fleet_that_is_not_there(
    world: World, operation: str, params: Params, words: str
) -> None:
    error = refused(world, operation, DeviceFleetName="none", **params)
    assert (error.code, error.message) == ("ValidationException", words)


@pytest.mark.parametrize(
    ("operation", "params", "words"),
    [
        ("DescribeDevice", {"DeviceName": "d"}, "No device with name d exists."),
        ("UpdateDevices", {"Devices": [{"DeviceName": "d"}]}, "No device with name d exists."),
        ("DeregisterDevices", {"DeviceNames": ["d"]}, "Device with name d does not exist."),
    ],
)
def test_each_operation_has_its_words_for_a_device_that_is_not_there(
    world: World, operation: str, params: Params, words: str
) -> None:
    fleet(world)
    error = refused(world, operation, DeviceFleetName="Cameras", **params)
    assert (error.code, error.message) == ("ValidationException", words)


def test_a_device_belongs_to_its_fleet(world: World) -> None:
    fleet(world)
    fleet(world, "Robots")
    register(world, "Door", "Gate")
    register(world, "Door", of="robots")
    described = device(world, "door")
    assert described["DeviceArn"] == f"{ARN}/cameras/device/door"
    assert (described["DeviceName"], described["DeviceFleetName"]) == ("Door", "Cameras")
    assert described["Description"] == "the Door"
    assert described["RegistrationTime"] > 0
    assert device(world, "door", of="Robots")["DeviceFleetName"] == "Robots"
    assert devices(world) == ["Door", "Door", "Gate"]
    assert devices(world, DeviceFleetName="cameras") == ["Door", "Gate"]
    assert devices(world, DeviceFleetName="none") == []


def test_nobody_has_heard_of_a_device(world: World) -> None:
    fleet(world)
    register(world, "Door")
    assert not {"LatestHeartbeat", "AgentVersion", "Models", "MaxModels"} & device(world, "Door").keys()
    assert devices(world, LatestHeartbeatAfter=0.0) == []
    assert devices(world, ModelName="m") == []


def test_devices_are_registered_all_or_none(world: World) -> None:
    fleet(world)
    register(world, "Door")
    twice = [{"DeviceName": "Gate"}, {"DeviceName": "DOOR"}]
    error = refused(world, "RegisterDevices", DeviceFleetName="Cameras", Devices=twice)
    assert (error.code, error.message) == ("ValidationException", "Device with name DOOR already exists.")
    assert devices(world) == ["Door"]
    error = refused(
        world, "RegisterDevices", DeviceFleetName="Cameras", Devices=[{"DeviceName": "a"}, {"DeviceName": "A"}]
    )
    assert error.message == "Device with name A already exists."
    assert devices(world) == ["Door"]


def test_devices_are_updated_all_or_none(world: World) -> None:
    fleet(world)
    register(world, "Door")
    checked(
        world, "UpdateDevices", DeviceFleetName="Cameras", Devices=[{"DeviceName": "door", "IotThingName": "thing"}]
    )
    described = device(world, "Door")
    assert (described["DeviceName"], described["IotThingName"], described["Description"]) == (
        "Door",
        "thing",
        "the Door",
    )
    changes = [{"DeviceName": "Door", "Description": "new"}, {"DeviceName": "Gate"}]
    refused(world, "UpdateDevices", DeviceFleetName="Cameras", Devices=changes)
    assert device(world, "Door")["Description"] == "the Door"


def test_devices_are_deregistered_all_or_none(world: World) -> None:
    fleet(world)
    register(world, "Door", "Gate")
    refused(world, "DeregisterDevices", DeviceFleetName="Cameras", DeviceNames=["Door", "None"])
    assert devices(world) == ["Door", "Gate"]
    checked(world, "DeregisterDevices", DeviceFleetName="Cameras", DeviceNames=["Door"])
    assert devices(world) == ["Gate"]
    register(world, "Door")
    assert devices(world) == ["Door", "Gate"]


def test_tags_of_a_registration_are_those_of_each_device(world: World) -> None:
    fleet(world)
    tags = [{"Key": "site", "Value": "north"}]
    register(world, "Door", "Gate", Tags=tags)
    for name in ("door", "gate"):
        assert checked(world, "ListTags", ResourceArn=f"{ARN}/cameras/device/{name}")["Tags"] == tags
    assert checked(world, "ListTags", ResourceArn=f"{ARN}/cameras")["Tags"] == []
    checked(world, "DeregisterDevices", DeviceFleetName="Cameras", DeviceNames=["Door"])
    register(world, "Door")
    assert checked(world, "ListTags", ResourceArn=f"{ARN}/cameras/device/door")["Tags"] == []


def test_a_fleet_with_devices_cannot_be_deleted(world: World) -> None:
    fleet(world)
    register(world, "Door")
    error = refused(world, "DeleteDeviceFleet", DeviceFleetName="Cameras")
    assert error.code == "ResourceInUse"
    assert error.message == "DeviceFleet Cameras cannot be deleted because Device(s) are associated with it."
    checked(world, "DeregisterDevices", DeviceFleetName="Cameras", DeviceNames=["Door"])
    checked(world, "DeleteDeviceFleet", DeviceFleetName="Cameras")
    assert listed(world, "ListDeviceFleets", "DeviceFleetSummaries", "DeviceFleetName") == []


def test_a_report_counts_the_devices_and_tells_nothing_that_no_device_told(world: World) -> None:
    fleet(world, Description="all of them")
    fleet(world, "Robots")
    register(world, "Door", "Gate")
    register(world, "Arm", of="Robots")
    told = report(world)
    assert told["DeviceStats"] == {"ConnectedDeviceCount": 0, "RegisteredDeviceCount": 2}
    assert (told["AgentVersions"], told["ModelStats"]) == ([], [])
    assert (told["DeviceFleetName"], told["DeviceFleetArn"]) == ("Cameras", f"{ARN}/cameras")
    assert (told["OutputConfig"], told["Description"]) == (OUTPUT, "all of them")
    assert told["ReportGenerated"] > 0
