"""Workforces: the people of an account who label data and review predictions. There is one private one a region.

There is no worker portal: nobody signs in, so that what says who may is kept and shown alone.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateWorkforce.html, …/API_UpdateWorkforce.html,
…/API_DeleteWorkforce.html; of the wording https://github.com/hashicorp/terraform-provider-aws/pull/20472
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind, Wording, new_id, updated
from sagesmith.services.sagemaker.engine.kind import holding
from sagesmith.store import AlreadyExists, Document, Query
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ConflictException, ResourceInUse, ValidationException

_THE_ONE = "private-workforce"
"""A document that only one workforce of a region can have made, so that of two at once the second is refused."""

MAX_CIDRS = 10
_VPC_MEMBERS = ("VpcId", "SecurityGroupIds", "Subnets")


def _check(params: Params) -> None:
    if bool(params.get("CognitoConfig")) == bool(params.get("OidcConfig")):
        raise ValidationException("Exactly one of CognitoConfig and OidcConfig must be specified.")
    _check_access(params)
    _check_portal(params)


def _check_access(params: Params) -> None:
    """What Create and Update have in common."""
    if len((params.get("SourceIpConfig") or {}).get("Cidrs", ())) > MAX_CIDRS:
        raise ValidationException(f"A workforce can have at most {MAX_CIDRS} CIDR values in its SourceIpConfig.")
    vpc = params.get("WorkforceVpcConfig")
    if vpc and not all(vpc.get(member) for member in _VPC_MEMBERS):
        raise ValidationException(f"WorkforceVpcConfig must specify all of {', '.join(_VPC_MEMBERS)}, or none.")


def _check_portal(workforce: Mapping[str, Any]) -> None:
    """Workers reach a portal by their addresses or from a VPC.

    Raises:
        ValidationException: a workforce would be restricted by both.
    """
    restricted = (workforce.get("SourceIpConfig") or {}).get("Cidrs")
    if restricted and workforce.get("WorkforceVpcConfig"):
        raise ValidationException(
            "SourceIpConfig is not supported for a workforce whose worker portal is in a VPC: specify CIDR values or a "
            "WorkforceVpcConfig."
        )


def _without_secret(oidc: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in oidc.items() if member != "ClientSecret"}


def _initial(call: Call, params: Params) -> Params:
    try:
        call.tx.create(Document(_THE_ONE, call.context.region, _THE_ONE, "", "", {}))
    except AlreadyExists as error:
        raise ValidationException(
            f"Cannot create more than one workforce for account {call.context.account_id}. If you are trying to update "
            "existing workforce, please use UpdateWorkforce API"
        ) from error
    members: Params = {"SubDomain": f"{new_id()}.labeling.{call.context.region}.sagemaker.aws"}
    if oidc := params.get("OidcConfig"):
        members["OidcConfig"] = _without_secret(oidc)
    if params.get("WorkforceVpcConfig") == {}:
        members["WorkforceVpcConfig"] = None
    return members


def _update(call: Call, document: Document, params: Params) -> Document:
    _check_access(params)
    oidc = params.get("OidcConfig")
    if oidc and "OidcConfig" not in document.body:
        raise ValidationException(
            "OidcConfig cannot be specified for a workforce that was created using CognitoConfig."
        )
    if oidc and _has_workteams(call, document):
        raise ConflictException(
            f"The OidcConfig of workforce {document.name} cannot be updated while work teams are associated with it."
        )
    body = dict(updated(WORKFORCE, document, params).body)
    if oidc:
        body["OidcConfig"] = _without_secret(oidc)
    if body.get("WorkforceVpcConfig") == {}:
        del body["WorkforceVpcConfig"]
    _check_portal(body)
    return replace(document, body=body)


def _has_workteams(call: Call, workforce: Document) -> bool:
    """Whether there is a work team of a workforce."""
    needed = {holding(WORKFORCE, workforce.key): ""}
    return bool(call.tx.list(Query("workteam", workforce.region, facets=needed, limit=1)).documents)


def _delete(call: Call, document: Document) -> None:
    call.tx.delete(_THE_ONE, document.region, _THE_ONE)


def the_workforce(call: Call) -> Document | None:
    """The region's private workforce, None if there is none."""
    return next(iter(call.tx.list(Query("workforce", call.context.region, limit=1)).documents), None)


WORKFORCE = Kind(
    noun="Workforce",
    check=_check,
    initial=_initial,
    rests_as="Active",
    ascending=True,
    defaults={"IpAddressType": "ipv4"},
    without_effect={
        "OidcConfig.ClientSecret": "nobody signs in: it is not even kept",
        "SourceIpConfig": "there is no worker portal that workers could reach",
        "WorkforceVpcConfig": "there is no worker portal that workers could reach",
        "IpAddressType": "there is no worker portal that workers could reach",
    },
    changes={"UpdateWorkforce": _update},
    on_delete=_delete,
    missing=Wording(ValidationException, "No workforce found with name {name}."),
    duplicate=Wording(ValidationException, 'Cannot create already existing workforce "{arn}".'),
    occupied=Wording(
        ResourceInUse, "Workforce {name} cannot be deleted because one or more work teams are associated with it."
    ),
)
