"""Edge deployment plans: which models are to come to which devices of a fleet, stage by stage.

A plan and its stages are records: what starts a stage is not built, so that each is ready to deploy, inactive, and may
be deleted at any time. Nor is what packages models: an EdgePackagingJobName need not name a job.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEdgeDeploymentPlan.html,
…/API_CreateEdgeDeploymentStage.html, …/API_DeleteEdgeDeploymentPlan.html, …/API_EdgeDeploymentConfig.html,
…/API_DeviceSelectionConfig.html, …/API_ListStageDevices.html
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.devices import DEVICE, DEVICE_FLEET
from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, Call, Kind, contains, paged, reading
from sagesmith.store import Document, Query
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ValidationException

_STAGES_AT_ONCE = 50
_DEVICES_AT_ONCE = 1000
_READY = "READYTODEPLOY"
_SELECTED_BY = {"PERCENTAGE": "Percentage", "SELECTION": "DeviceNames", "NAMECONTAINS": "DeviceNameContains"}
_NO_DEVICES = {"EdgeDeploymentSuccess": 0, "EdgeDeploymentPending": 0, "EdgeDeploymentFailed": 0}
_DEPLOYMENT = {"FailureHandlingPolicy": "ROLLBACK_ON_FAILURE"}

Stage = dict[str, Any]


def _check_stages(stages: Sequence[Stage]) -> None:
    """Names differ, and each stage says which devices it is for in the way that its subset type says."""
    names = [stage["StageName"].lower() for stage in stages]
    for stage in stages:
        name, selection = stage["StageName"], stage["DeviceSelectionConfig"]
        if names.count(name.lower()) > 1:
            raise ValidationException(f"Stage with name {name} already exists in the edge deployment plan.")
        subset = selection["DeviceSubsetType"]
        given = {member for member in _SELECTED_BY.values() if selection.get(member)}
        if given != {_SELECTED_BY[subset]}:
            raise ValidationException(
                f"Stage {name}: exactly {_SELECTED_BY[subset]} must be specified for DeviceSubsetType {subset}."
            )
        if (selection.get("Percentage") or 0) < 0:
            raise ValidationException(f"Stage {name}: Percentage must be between 1 and 100.")


def _check(params: Params) -> None:
    handles = [config["ModelHandle"] for config in params["ModelConfigs"]]
    if len({*handles}) < len(handles):
        raise ValidationException("Each of ModelConfigs must have a ModelHandle of its own.")
    _check_stages(params.get("Stages") or ())


def _stages_page(call: Call, document: Document, params: Params) -> Params:
    """DescribeEdgeDeploymentPlan pages the stages of a plan."""
    numbered = list(enumerate(document.body.get("Stages") or ()))
    page, token = paged(numbered, params, lambda stage: stage[0], _STAGES_AT_ONCE)
    return {"Stages": [_shown(stage) for _, stage in page], "NextToken": token}


def _shown(stage: Stage) -> Stage:
    status = {"StageStatus": _READY, **{f"{counter}InStage": count for counter, count in _NO_DEVICES.items()}}
    return {"DeploymentConfig": _DEPLOYMENT, **stage, "DeploymentStatus": status}


def _add_stages(call: Call, document: Document, params: Params) -> Document:
    stages = [*(document.body.get("Stages") or ()), *params["Stages"]]
    _check_stages(stages)
    return _with_stages(document, stages)


def _remove_stage(call: Call, document: Document, params: Params) -> Document:
    removed = _stage(document, params["StageName"])
    return _with_stages(document, (stage for stage in document.body["Stages"] if stage is not removed))


def _with_stages(document: Document, stages: Iterable[Stage]) -> Document:
    return replace(document, body={**document.body, "Stages": list(stages)})


def _stage(plan: Document, name: str) -> Stage:
    stages: list[Stage] = plan.body.get("Stages") or []
    for stage in stages:
        if stage["StageName"].lower() == name.lower():
            return stage
    raise ValidationException(f"Stage with name {name} does not exist in edge deployment plan {plan.name}.")


EDGE_DEPLOYMENT_PLAN = Kind(
    noun="EdgeDeploymentPlan",
    resource_type="edge-deployment",
    called="edge deployment plan",
    check=_check,
    refers={"DeviceFleetName": DEVICE_FLEET},
    holds={"DeviceFleetName": DEVICE_FLEET},
    answer=lambda document: _NO_DEVICES,
    lookup=_stages_page,
    filters={"DeviceFleetNameContains": contains("DeviceFleetName")},
    sorts={"DEVICE_FLEET_NAME": "name"},
    changes={"CreateEdgeDeploymentStage": _add_stages, "DeleteEdgeDeploymentStage": _remove_stage},
    missing=DOES_NOT_EXIST,
)


def operations(home: Home) -> dict[str, Handler]:
    """The devices that a stage is for are looked up when somebody asks: they may change until it is started."""
    return {"ListStageDevices": reading(home, _list_devices)}


def _list_devices(call: Call, params: Params) -> Params:
    plan = EDGE_DEPLOYMENT_PLAN.find(call.tx, call.context, params["EdgeDeploymentPlanName"])
    stage = _stage(plan, params["StageName"])
    # Nothing is deployed in any stage, so that ExcludeDevicesDeployedInOtherStage excludes none.
    devices, token = paged(_selected(call, plan, stage["DeviceSelectionConfig"]), params, lambda device: device.key)
    return {
        "DeviceDeploymentSummaries": [
            {
                **{member: device.body[member] for member in _OF_A_DEVICE if member in device.body},
                "DeviceArn": device.arn,
                "EdgeDeploymentPlanArn": plan.arn,
                "EdgeDeploymentPlanName": plan.name,
                "StageName": stage["StageName"],
                "DeviceDeploymentStatus": _READY,
            }
            for device in devices
        ],
        "NextToken": token,
    }


_OF_A_DEVICE = ("DeviceFleetName", "DeviceName", "Description")


def _selected(call: Call, plan: Document, selection: Stage) -> Iterator[Document]:
    """The devices that a stage is for: of a percentage the first by name, rounded up."""
    fleet = DEVICE_FLEET.find(call.tx, call.context, plan.body["DeviceFleetName"])
    if names := selection.get("DeviceNames"):
        found = {name.lower(): DEVICE.seek(call.tx, call.context, fleet.name, name) for name in names}
        return iter([device for device in found.values() if device is not None])
    query = Query(
        DEVICE.id,
        fleet.region,
        parent=fleet.key,
        name_contains=selection.get("DeviceNameContains"),
        sort="name",
        descending=False,
        limit=_DEVICES_AT_ONCE,
    )
    share = selection.get("Percentage")
    return islice(call.tx.every(query), math.ceil(call.tx.count(query) * share / 100) if share else None)
