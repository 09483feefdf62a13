"""Edge devices: fleets, and the devices that are registered in them.

No agent of a device reports here, so that what a heartbeat would tell (models, agent versions, connections) is missing.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateDeviceFleet.html,
…/API_RegisterDevices.html, …/API_GetDeviceFleetReport.html; of the wording `device.go` and `device_fleet.go` in
https://github.com/hashicorp/terraform-provider-aws/tree/main/internal/service/sagemaker
"""

from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import (
    NAME_IN_USE,
    Call,
    Kind,
    Wording,
    created,
    reading,
    updated,
    view_of,
    writing,
)
from sagesmith.store import Document, Query
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceInUse, ValidationException

_FLEET_TO_DELETE_MISSING = Wording(ValidationException, "DeviceFleet with name {name} does not exist.")
_FLEET_OF_DEVICE_MISSING = Wording(ValidationException, "No device fleet with name {name} exists.")
_DEVICE_TO_DEREGISTER_MISSING = Wording(ValidationException, "Device with name {name} does not exist.")


def _locate_fleet(kind: Kind, call: Call, params: Params) -> Document:
    """DeleteDeviceFleet words it otherwise if there is none."""
    wording = _FLEET_TO_DELETE_MISSING if call.context.operation == "DeleteDeviceFleet" else kind.missing
    return _fleet(call, params, wording)


def _fleet(call: Call, params: Params, missing: Wording = _FLEET_OF_DEVICE_MISSING) -> Document:
    name = params["DeviceFleetName"]
    fleet = DEVICE_FLEET.seek(call.tx, call.context, name)
    if fleet is None:
        raise DEVICE_FLEET.error(missing, DEVICE_FLEET.arn(call.context, name), name)
    return fleet


def _role_alias(fleet: Document) -> Params:
    """The alias that AWS IoT would have for the fleet's role."""
    if not fleet.body.get("EnableIotRoleAlias"):
        return {}
    _, _, _, region, account, _ = fleet.arn.split(":", 5)
    return {"IotRoleAlias": f"arn:aws:iot:{region}:{account}:rolealias/SageMakerEdge-{fleet.name}"}


DEVICE_FLEET = Kind(
    noun="DeviceFleet",
    locate=_locate_fleet,
    answer=_role_alias,
    without_effect={
        "EnableIotRoleAlias": "there is no AWS IoT that would have the alias: DescribeDeviceFleet shows its ARN alone",
        "OutputConfig": "no device takes samples, and nothing is packaged for devices",
        "RoleArn": "no device asks for credentials",
    },
    missing=Wording(ValidationException, "No devicefleet with name {name} exists."),
    duplicate=NAME_IN_USE,
    occupied=Wording(ResourceInUse, "DeviceFleet {name} cannot be deleted because {other}(s) are associated with it."),
)


def _locate_device(kind: Kind, call: Call, params: Params) -> Document:
    return kind.find(call.tx, call.context, _fleet(call, params).name, params["DeviceName"])


def _heard_of_after(device: Document, time: float) -> bool:
    return bool(device.body.get("LatestHeartbeat", 0.0) > time)


DEVICE = Kind(
    noun="Device",
    identity=("DeviceFleetName", "DeviceName"),
    arn_form="device-fleet/{}/device/{}",
    parent=DEVICE_FLEET,
    locate=_locate_device,
    filters={"ModelName": "Models[].ModelName", "LatestHeartbeatAfter": _heard_of_after},
    missing=Wording(ValidationException, "No device with name {name} exists."),
    duplicate=Wording(ValidationException, "Device with name {name} already exists."),
)


def operations(home: Home) -> dict[str, Handler]:
    """Devices come, change and go several at once: all of them or none."""
    return {
        "RegisterDevices": writing(home, _register),
        "UpdateDevices": writing(home, _update),
        "DeregisterDevices": writing(home, _deregister),
        "GetDeviceFleetReport": reading(home, _report),
    }


def _register(call: Call, params: Params) -> Params:
    fleet = _fleet(call, params)
    for device in params["Devices"]:
        created(call, DEVICE, {**device, "DeviceFleetName": fleet.name, "Tags": params.get("Tags")})
    return {}


def _update(call: Call, params: Params) -> Params:
    for device in params["Devices"]:
        found = _locate_device(DEVICE, call, {**params, **device})
        call.tx.update(updated(DEVICE, found, device))
    return {}


def _deregister(call: Call, params: Params) -> Params:
    fleet = _fleet(call, params)
    for name in params["DeviceNames"]:
        device = DEVICE.seek(call.tx, call.context, fleet.name, name)
        if device is None:
            raise DEVICE.error(_DEVICE_TO_DEREGISTER_MISSING, fleet.arn, name)
        call.tx.delete(DEVICE.id, device.region, device.key)
    return {}


def _report(call: Call, params: Params) -> Params:
    fleet = DEVICE_FLEET.find(call.tx, call.context, params["DeviceFleetName"])
    shown: dict[str, Any] = view_of(DEVICE_FLEET).describe(fleet)
    registered = call.tx.count(Query(DEVICE.id, fleet.region, parent=fleet.key))
    return {
        **{member: shown[member] for member in _OF_A_FLEET if member in shown},
        "ReportGenerated": call.now,
        "DeviceStats": {"ConnectedDeviceCount": 0, "RegisteredDeviceCount": registered},
        "AgentVersions": [],
        "ModelStats": [],
    }


_OF_A_FLEET = ("DeviceFleetArn", "DeviceFleetName", "OutputConfig", "Description")
