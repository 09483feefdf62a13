"""Workforces and work teams."""

from typing import Any

import pytest

from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import ACCOUNT, REGION, World

COGNITO = {"UserPool": "us-east-1_abc", "ClientId": "client"}
OIDC = {
    "ClientId": "client",
    "ClientSecret": "secret",
    **dict.fromkeys(
        ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint", "LogoutEndpoint", "JwksUri"),
        "https://idp.example/x",
    ),
}
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"


def cognito_member(**changes: str) -> dict[str, Any]:
    return {"CognitoMemberDefinition": {**COGNITO, "UserGroup": "labelers", **changes}}


OIDC_MEMBER = {"OidcMemberDefinition": {"Groups": ["labelers"]}}


def team(name: str = "t", *members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "WorkteamName": name,
        "Description": "d",
        "MemberDefinitions": list(members) or [cognito_member()],
        **changes,
    }


def workforce(world: World) -> dict[str, Any]:
    found: dict[str, Any] = checked(world, "DescribeWorkforce", WorkforceName="w")["Workforce"]
    return found


def test_a_workforce_is_described_in_a_structure_of_its_own(world: World) -> None:
    answer = checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO)
    assert answer == {"WorkforceArn": f"{ARN}:workforce/w"}
    described = workforce(world)
    assert (described["Status"], described["IpAddressType"]) == ("Active", "ipv4")
    assert described["CognitoConfig"] == COGNITO
    assert described["SubDomain"].endswith(f".labeling.{REGION}.sagemaker.aws")
    assert described["CreateDate"] == described["LastUpdatedDate"]


def test_the_secret_of_an_identity_provider_is_not_shown(world: World) -> None:
    checked(world, "CreateWorkforce", WorkforceName="w", OidcConfig=OIDC)
    assert workforce(world)["OidcConfig"] == {key: value for key, value in OIDC.items() if key != "ClientSecret"}
    answer = checked(world, "UpdateWorkforce", WorkforceName="w", OidcConfig={**OIDC, "ClientId": "another"})
    assert answer["Workforce"]["OidcConfig"]["ClientId"] == "another"
    assert "ClientSecret" not in answer["Workforce"]["OidcConfig"]
    assert "secret" not in str(world.stored("workforce", "w").body)


def test_there_is_one_workforce_a_region_until_it_is_deleted(world: World) -> None:
    checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO)
    for name in ("w", "another"):
        error = refused(world, "CreateWorkforce", WorkforceName=name, CognitoConfig=COGNITO)
        assert (error.code, error.message) == (
            "ValidationException",
            f"Cannot create more than one workforce for account {ACCOUNT}. If you are trying to update existing "
            "workforce, please use UpdateWorkforce API",
        )
    checked(world, "DeleteWorkforce", WorkforceName="w")
    checked(world, "CreateWorkforce", WorkforceName="another", CognitoConfig=COGNITO)
    (only,) = checked(world, "ListWorkforces")["Workforces"]
    assert only["WorkforceName"] == "another"
    assert checked(world, "ListWorkforces", NameContains="w")["Workforces"] == []


def test_a_workforce_is_of_cognito_or_of_another_provider(world: World) -> None:
    for given in ({}, {"CognitoConfig": COGNITO, "OidcConfig": OIDC}):
        error = refused(world, "CreateWorkforce", WorkforceName="w", **given)
        assert error.message == "Exactly one of CognitoConfig and OidcConfig must be specified."
    checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO)
    assert (
        "created using CognitoConfig" in refused(world, "UpdateWorkforce", WorkforceName="w", OidcConfig=OIDC).message
    )


def test_where_workers_may_come_from_is_replaced_and_given_up(world: World) -> None:
    vpc = {"VpcId": "vpc-1", "SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO, WorkforceVpcConfig=vpc)
    assert workforce(world)["WorkforceVpcConfig"] == vpc
    addresses = {"Cidrs": ["10.0.0.0/8"]}
    error = refused(world, "UpdateWorkforce", WorkforceName="w", SourceIpConfig=addresses)
    assert "not supported for a workforce whose worker portal is in a VPC" in error.message
    checked(world, "UpdateWorkforce", WorkforceName="w", WorkforceVpcConfig={}, SourceIpConfig=addresses)
    assert "WorkforceVpcConfig" not in workforce(world)
    assert workforce(world)["SourceIpConfig"] == addresses
    checked(world, "UpdateWorkforce", WorkforceName="w", WorkforceVpcConfig=vpc, SourceIpConfig={"Cidrs": []})
    assert workforce(world)["SourceIpConfig"] == {"Cidrs": []}
    many = {"Cidrs": ["10.0.0.0/8"] * 11}
    assert "at most 10" in refused(world, "UpdateWorkforce", WorkforceName="w", SourceIpConfig=many).message
    half = {"VpcId": "vpc-1"}
    assert "all of VpcId" in refused(world, "UpdateWorkforce", WorkforceName="w", WorkforceVpcConfig=half).message


def test_a_workforce_that_is_in_no_vpc_shows_none(world: World) -> None:
    checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO, WorkforceVpcConfig={})
    assert "WorkforceVpcConfig" not in workforce(world)
    checked(world, "ListWorkforces")


def test_a_workforce_that_is_not_there_is_called_so(world: World) -> None:
    for operation in ("DescribeWorkforce", "UpdateWorkforce", "DeleteWorkforce"):
        error = refused(world, operation, WorkforceName="w")
        assert (error.code, error.message) == ("ValidationException", "No workforce found with name w.")


def test_a_team_lives_and_its_workforce_with_it(world: World) -> None:
    checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO)
    answer = checked(world, "CreateWorkteam", **team(WorkforceName="w"))
    assert answer == {"WorkteamArn": f"{ARN}:workteam/private-crowd/t"}
    described = checked(world, "DescribeWorkteam", WorkteamName="t")["Workteam"]
    assert described["WorkforceArn"] == f"{ARN}:workforce/w"
    assert described["SubDomain"] == workforce(world)["SubDomain"]
    answer = checked(world, "UpdateWorkteam", WorkteamName="t", Description="changed")
    assert (answer["Workteam"]["Description"], answer["Workteam"]["MemberDefinitions"]) == (
        "changed",
        [cognito_member()],
    )
    error = refused(world, "DeleteWorkforce", WorkforceName="w")
    assert (error.code, error.message) == (
        "ResourceInUse",
        "Workforce w cannot be deleted because one or more work teams are associated with it.",
    )
    assert checked(world, "DeleteWorkteam", WorkteamName="t") == {"Success": True}
    checked(world, "DeleteWorkforce", WorkforceName="w")


def test_the_first_team_of_cognito_users_makes_the_default_workforce(world: World) -> None:
    checked(world, "CreateWorkteam", **team())
    made = checked(world, "DescribeWorkforce", WorkforceName="default")["Workforce"]
    assert (made["CognitoConfig"], made["Status"]) == (COGNITO, "Active")
    checked(world, "CreateWorkteam", **team("second"))
    assert len(checked(world, "ListWorkforces")["Workforces"]) == 1


def test_a_team_of_another_provider_needs_a_workforce(world: World) -> None:
    assert refused(world, "CreateWorkteam", **team("t", OIDC_MEMBER)).message == "No workforce found with name default."
    assert refused(world, "CreateWorkteam", **team(WorkforceName="w")).message == "No workforce found with name w."
    assert checked(world, "ListWorkteams")["Workteams"] == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([{}], "exactly one of"),
        ([{**cognito_member(), **OIDC_MEMBER}], "exactly one of"),
        ([cognito_member(), OIDC_MEMBER], "cannot specify both"),
        ([cognito_member(), cognito_member(ClientId="another")], "same UserPool and ClientId"),
        ([cognito_member(UserPool="us-east-1_other")], "must be those of workforce w"),
        ([OIDC_MEMBER], "has no OidcConfig"),
    ],
)
def test_members_are_of_one_pool_and_that_is_the_workforces(
    world: World, members: list[dict[str, Any]], said: str
) -> None:
    checked(world, "CreateWorkforce", WorkforceName="w", CognitoConfig=COGNITO)
    error = refused(world, "CreateWorkteam", **team("t", *members))
    assert (error.code, said in error.message) == ("ValidationException", True), error.message
    checked(world, "CreateWorkteam", **team())
    error = refused(world, "UpdateWorkteam", WorkteamName="t", MemberDefinitions=members)
    assert (error.code, said in error.message) == ("ValidationException", True), error.message


def test_an_identity_provider_with_teams_cannot_be_exchanged(world: World) -> None:
    checked(world, "CreateWorkforce", WorkforceName="w", OidcConfig=OIDC)
    checked(world, "CreateWorkteam", **team("t", OIDC_MEMBER))
    error = refused(world, "UpdateWorkforce", WorkforceName="w", OidcConfig=OIDC)
    assert (error.code, error.status) == ("ConflictException", 409)
    checked(world, "DeleteWorkteam", WorkteamName="t")
    checked(world, "UpdateWorkforce", WorkforceName="w", OidcConfig=OIDC)


def test_teams_are_listed_from_the_oldest_and_by_a_part_of_the_name(world: World) -> None:
    for name in ("one", "two", "three"):
        checked(world, "CreateWorkteam", **team(name))

    def names(**params: Any) -> list[str]:
        return [each["WorkteamName"] for each in checked(world, "ListWorkteams", **params)["Workteams"]]

    assert names() == ["one", "two", "three"]
    assert names(SortBy="Name", SortOrder="Descending") == ["two", "three", "one"]
    assert names(NameContains="t") == ["two", "three"]


def test_a_team_that_is_not_there_or_is_there_already_is_called_so(world: World) -> None:
    for operation in ("DescribeWorkteam", "UpdateWorkteam", "DeleteWorkteam"):
        error = refused(world, operation, WorkteamName="t")
        assert (error.code, error.message) == (
            "ValidationException",
            f'The work team "{ARN}:workteam/private-crowd/t" does not exist.',
        )
    checked(world, "CreateWorkteam", **team())
    error = refused(world, "CreateWorkteam", **team())
    assert (error.code, "already exists" in error.message) == ("ResourceInUse", True)


def test_nobody_subscribed_to_a_vendors_team(world: World) -> None:
    assert checked(world, "ListSubscribedWorkteams")["SubscribedWorkteams"] == []
    arn = f"arn:aws:sagemaker:{REGION}:999999999999:workteam/vendor-crowd/v"
    error = refused(world, "DescribeSubscribedWorkteam", WorkteamArn=arn)
    assert error.message == f'The work team "{arn}" does not exist.'
