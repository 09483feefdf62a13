"""Device fleets and edge deployment plans."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params

_SELECTED_BY = {
    "PERCENTAGE": {"Percentage": 50},
    "SELECTION": {"DeviceNames": ["d"]},
    "NAMECONTAINS": {"DeviceNameContains": "d"},
}


def _consistent(params: Params) -> Params:
    """Names differ within a plan, and a stage selects devices in one way."""
    for number, config in enumerate(params["ModelConfigs"]):
        config["ModelHandle"] = f"model-{number}"
    for number, stage in enumerate(params.get("Stages", ())):
        subset = stage["DeviceSelectionConfig"]["DeviceSubsetType"]
        stage["StageName"] = f"stage-{number}"
        stage["DeviceSelectionConfig"] = {"DeviceSubsetType": subset, **_SELECTED_BY[subset]}
    return params


_ARNS = (
    "DescribeDeviceFleet.DeviceFleetArn: pattern",
    "ListDeviceFleets.DeviceFleetSummaries[].DeviceFleetArn: pattern",
)
_OF_IAM = "the model's pattern is one of IAM; AWS answers arn:aws:sagemaker:…:device-fleet/… as of every other kind"

DEVICE_FLEET = Facts(
    "DeviceFleet",
    exceptions={
        **dict.fromkeys(_ARNS, _OF_IAM),
        "DescribeDeviceFleet: missing is not ResourceNotFound": "AWS answers ValidationException: No devicefleet with "
        "name, which the Terraform provider looks for",
        "DescribeDeviceFleet.IotRoleAlias: pattern": "the model's pattern is one of IAM; AWS answers "
        "arn:aws:iot:…:rolealias/…",
    },
)

_PLAN_ARNS = (
    "CreateEdgeDeploymentPlan.EdgeDeploymentPlanArn: pattern",
    "DescribeEdgeDeploymentPlan.EdgeDeploymentPlanArn: pattern",
    "ListEdgeDeploymentPlans.EdgeDeploymentPlanSummaries[].EdgeDeploymentPlanArn: pattern",
)

EDGE_DEPLOYMENT_PLAN = Facts(
    "EdgeDeploymentPlan",
    mend=_consistent,
    filters={"DeviceFleetNameContains": "DeviceFleetName"},
    exceptions=dict.fromkeys(_PLAN_ARNS, "the model's pattern has no digits in regions, all of which have one"),
)
