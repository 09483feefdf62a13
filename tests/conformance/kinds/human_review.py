"""Workforces, work teams, human task UIs, flow definitions."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _one_provider(params: Params) -> Params:
    """People sign in through Cognito or through a provider of one's own, from some addresses or from a VPC."""
    if "OidcConfig" in params:
        params.pop("CognitoConfig", None)
    return _one_portal(params)


def _one_portal(params: Params) -> Params:
    """A portal in a VPC is not restricted by addresses."""
    if params.get("WorkforceVpcConfig"):
        params["SourceIpConfig"] = {"Cidrs": []}
    return params


def _same_provider(params: Params) -> Params:
    """The provider's configuration changes only where there is one: it is shown by tests of workforces."""
    params.pop("OidcConfig", None)
    return _one_portal(params)


WORKFORCE = Facts(
    "Workforce",
    always=frozenset(
        {"CognitoConfig", *(f"WorkforceVpcConfig.{member}" for member in ("VpcId", "SecurityGroupIds", "Subnets"))}
    ),
    mend=_one_provider,
    mend_update=_same_provider,
    most=1,
)

_POOL = {"UserPool": "us-east-1_pool", "ClientId": "client", "UserGroup": "group"}

WORKTEAM = Facts(
    "Workteam",
    values={"MemberDefinitions": [{"CognitoMemberDefinition": _POOL}]},
    without={"WorkforceName": "the first team makes the workforce that its members are of"},
)

_CONDITIONS = "HumanLoopActivationConfig.HumanLoopActivationConditionsConfig"

FLOW_DEFINITION = Facts(
    "FlowDefinition",
    needs={
        "HumanLoopConfig.WorkteamArn": "Workteam",
        "HumanLoopConfig.HumanTaskUiArn": "HumanTaskUi",
    },
    always=frozenset({"HumanLoopRequestSource"}),
    values={f"{_CONDITIONS}.HumanLoopActivationConditions": '{"Conditions": []}'},
)
