"""Work teams: groups of a workforce that tasks are given to. Teams of vendors, from AWS Marketplace, there are none.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateWorkteam.html, …/API_MemberDefinition.html,
…/API_DescribeWorkforce.html ("WorkforceName is automatically set to default when a workforce is created"); of the
wording https://github.com/hashicorp/terraform-provider-aws
"""

from collections.abc import Sequence
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call, Kind, Wording, created, paged, reading, updated
from sagesmith.services.sagemaker.workforces import WORKFORCE, the_workforce
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceInUse, ValidationException

DEFAULT_WORKFORCE = "default"
_NO_PORTAL = "there is no worker portal that would show a task"


def _members(definitions: Sequence[Params]) -> tuple[str, list[Any]]:
    """Of which configuration of a workforce the members are, and what each says.

    Raises:
        ValidationException: a member of both or of neither, or members of several configurations.
    """
    for definition in definitions:
        if ("CognitoMemberDefinition" in definition) == ("OidcMemberDefinition" in definition):
            raise ValidationException(
                "Each MemberDefinition must specify exactly one of CognitoMemberDefinition and OidcMemberDefinition."
            )
    kinds = {next(iter(definition)) for definition in definitions}
    if len(kinds) > 1:
        raise ValidationException(
            "MemberDefinitions cannot specify both CognitoMemberDefinition and OidcMemberDefinition."
        )
    (kind,) = kinds
    said = [definition[kind] for definition in definitions]
    if kind == "CognitoMemberDefinition" and len({(each["UserPool"], each["ClientId"]) for each in said}) > 1:
        raise ValidationException("All CognitoMemberDefinitions must have the same UserPool and ClientId.")
    return kind.replace("MemberDefinition", "Config"), said


def _check(params: Params) -> None:
    _members(params["MemberDefinitions"])


def _check_of(workforce: Document, definitions: Sequence[Params]) -> None:
    """Make sure that the members are of a workforce."""
    config, members = _members(definitions)
    theirs = workforce.body.get(config)
    if theirs is None:
        raise ValidationException(f"Workforce {workforce.name} has no {config}, which the MemberDefinitions are for.")
    if config == "CognitoConfig" and any(members[0][each] != theirs[each] for each in ("UserPool", "ClientId")):
        raise ValidationException(
            f"The UserPool and ClientId of the MemberDefinitions must be those of workforce {workforce.name}."
        )


def _workforce(call: Call, params: Params) -> Document:
    """The workforce of a new team. The first team of Cognito users makes one, if it names none."""
    if name := params.get("WorkforceName"):
        return WORKFORCE.find(call.tx, call.context, name)
    if (present := the_workforce(call)) is not None:
        return present
    config, members = _members(params["MemberDefinitions"])
    if config != "CognitoConfig":
        raise WORKFORCE.not_found(call.context, DEFAULT_WORKFORCE)
    cognito = {member: members[0][member] for member in ("UserPool", "ClientId")}
    return created(call, WORKFORCE, {"WorkforceName": DEFAULT_WORKFORCE, config: cognito})


def _initial(call: Call, params: Params) -> Params:
    workforce = _workforce(call, params)
    _check_of(workforce, params["MemberDefinitions"])
    return {"WorkforceArn": workforce.arn, "SubDomain": workforce.body["SubDomain"]}


def _update(call: Call, document: Document, params: Params) -> Document:
    if definitions := params.get("MemberDefinitions"):
        _check_of(WORKFORCE.find(call.tx, call.context, document.body["WorkforceArn"]), definitions)
    return updated(WORKTEAM, document, params)


WORKTEAM = Kind(
    noun="Workteam",
    called="work team",
    at_most=25,
    arn_form="workteam/private-crowd/{}",
    check=_check,
    initial=_initial,
    holds={"WorkforceArn": WORKFORCE},
    ascending=True,
    without_effect={
        "NotificationConfiguration": "there is no SNS, and there are no tasks to tell of",
        "WorkerAccessConfiguration": _NO_PORTAL,
    },
    changes={"UpdateWorkteam": _update},
    deleted={"Success": True},
    missing=Wording(ValidationException, 'The work team "{arn}" does not exist.'),
    duplicate=Wording(ResourceInUse, 'The work team "{arn}" already exists.'),
    occupied=Wording(ResourceInUse, 'The work team "{arn}" cannot be deleted because a {other} uses it.'),
)


def operations(home: Home) -> dict[str, Handler]:
    """Teams that one subscribed to."""
    return {
        "DescribeSubscribedWorkteam": reading(home, _describe_subscribed),
        "ListSubscribedWorkteams": reading(home, _list_subscribed),
    }


def _describe_subscribed(call: Call, params: Params) -> Params:
    arn = params["WorkteamArn"]
    raise WORKTEAM.error(WORKTEAM.missing, arn, arn)


def _list_subscribed(call: Call, params: Params) -> Params:
    teams: list[Params] = []
    page, token = paged(teams, params, lambda team: str(team["WorkteamArn"]))
    return {"SubscribedWorkteams": page, "NextToken": token}
