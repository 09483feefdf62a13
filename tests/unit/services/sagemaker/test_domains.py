"""Domains, and the user profiles and spaces in them: a parent, children, ids that the service makes."""

import pytest

from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import ROLE, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
OWNED = {
    "OwnershipSettings": {"OwnerUserProfileName": "Ann"},
    "SpaceSharingSettings": {"SharingType": "Private"},
}


def domain(world: World, auth_mode: str = "IAM") -> Params:
    settings = {"ExecutionRole": ROLE, "SecurityGroups": ["sg-1"]}
    return checked(
        world, "CreateDomain", DomainName="Studio", AuthMode=auth_mode, DefaultUserSettings=settings, SubnetIds=["s-1"]
    )


def profile(world: World, domain_id: str, name: str = "Ann") -> str:
    return str(checked(world, "CreateUserProfile", DomainId=domain_id, UserProfileName=name)["UserProfileArn"])


def test_a_domain_is_found_by_the_id_that_create_answers(world: World) -> None:
    made = domain(world)
    assert made["DomainArn"] == f"{ARN}:domain/{made['DomainId']}"
    assert made["Url"] == f"https://{made['DomainId']}.studio.us-east-1.sagemaker.aws"
    described = checked(world, "DescribeDomain", DomainId=made["DomainId"])
    assert {member: described[member] for member in made} == made
    assert (described["DomainName"], described["Status"]) == ("Studio", "InService")
    assert described["AppNetworkAccessType"] == "PublicInternetOnly"
    assert described["SubnetIds"] == ["s-1"]
    (summary,) = checked(world, "ListDomains")["Domains"]
    assert summary == {member: described[member] for member in summary}


def test_settings_that_an_update_does_not_name_stay(world: World) -> None:
    made = domain(world)["DomainId"]
    rstudio = {"DomainExecutionRoleArn": ROLE}
    checked(
        world,
        "UpdateDomain",
        DomainId=made,
        DefaultUserSettings={"SecurityGroups": ["sg-2"]},
        DomainSettingsForUpdate={"SecurityGroupIds": ["sg-3"], "RStudioServerProDomainSettingsForUpdate": rstudio},
    )
    described = checked(world, "DescribeDomain", DomainId=made)
    assert described["DefaultUserSettings"] == {"ExecutionRole": ROLE, "SecurityGroups": ["sg-2"]}
    assert described["DomainSettings"] == {
        "SecurityGroupIds": ["sg-3"],
        "RStudioServerProDomainSettings": rstudio,
    }
    assert described["LastModifiedTime"] > described["CreationTime"]


def test_a_profile_belongs_to_its_domain(world: World) -> None:
    here, there = domain(world)["DomainId"], domain(world)["DomainId"]
    assert profile(world, here) == f"{ARN}:user-profile/{here}/ann"
    profile(world, there)
    described = checked(world, "DescribeUserProfile", DomainId=here, UserProfileName="ann")
    assert (described["UserProfileName"], described["DomainId"], described["Status"]) == ("Ann", here, "InService")
    (listed,) = checked(world, "ListUserProfiles", DomainIdEquals=here)["UserProfiles"]
    assert listed["DomainId"] == here
    assert len(checked(world, "ListUserProfiles", UserProfileNameContains="nn")["UserProfiles"]) == 2
    assert checked(world, "ListUserProfiles", UserProfileNameContains="bob")["UserProfiles"] == []
    assert checked(world, "ListUserProfiles", DomainIdEquals="d-none")["UserProfiles"] == []


def test_a_name_is_taken_within_its_domain(world: World) -> None:
    here = domain(world)["DomainId"]
    arn = profile(world, here)
    error = refused(world, "CreateUserProfile", DomainId=here, UserProfileName="ANN")
    assert (error.code, error.message) == ("ResourceInUse", f"UserProfile [{arn}] already exists.")


def test_a_profile_needs_its_domain(world: World) -> None:
    error = refused(world, "CreateUserProfile", DomainId="d-none", UserProfileName="Ann")
    assert (error.code, error.message) == ("ResourceNotFound", f"Domain [{ARN}:domain/d-none] does not exist.")
    error = refused(world, "DescribeUserProfile", DomainId="d-none", UserProfileName="Ann")
    assert error.message == f"UserProfile [{ARN}:user-profile/d-none/ann] does not exist."


@pytest.mark.parametrize(("auth_mode", "named"), [("IAM", True), ("SSO", False)])
def test_who_signs_on_is_named_where_the_domain_asks_for_it(world: World, auth_mode: str, named: bool) -> None:
    here = domain(world, auth_mode)["DomainId"]
    sign_on = {"SingleSignOnUserIdentifier": "UserName", "SingleSignOnUserValue": "ann"}
    wrong, right = (sign_on, {}) if named else ({}, sign_on)
    assert refused(world, "CreateUserProfile", DomainId=here, UserProfileName="a", **wrong).code == (
        "ValidationException"
    )
    checked(world, "CreateUserProfile", DomainId=here, UserProfileName="a", **right)


def test_a_domain_with_profiles_or_spaces_cannot_be_deleted(world: World) -> None:
    made = domain(world)
    here = made["DomainId"]
    profile(world, here)
    checked(world, "CreateSpace", DomainId=here, SpaceName="S")
    error = refused(world, "DeleteDomain", DomainId=here)
    assert (error.code, error.message) == (
        "ResourceInUse",
        f"Unable to delete Domain [{made['DomainArn']}] because UserProfile(s) are associated with it.",
    )
    world.call("DeleteUserProfile", DomainId=here, UserProfileName="Ann")
    assert "because Space(s) are associated" in refused(world, "DeleteDomain", DomainId=here).message
    world.call("DeleteSpace", DomainId=here, SpaceName="s")
    assert world.call("DeleteDomain", DomainId=here) == {}
    assert refused(world, "DescribeDomain", DomainId=here).code == "ResourceNotFound"


def test_a_profile_that_owns_a_space_cannot_be_deleted(world: World) -> None:
    here, there = domain(world)["DomainId"], domain(world)["DomainId"]
    profile(world, there)
    assert refused(world, "CreateSpace", DomainId=here, SpaceName="s", **OWNED).message.startswith("UserProfile [")
    profile(world, here)
    checked(world, "CreateSpace", DomainId=here, SpaceName="s", **OWNED)
    error = refused(world, "DeleteUserProfile", DomainId=here, UserProfileName="Ann")
    assert (error.code, "Space(s) are associated" in error.message) == ("ResourceInUse", True)
    world.call("DeleteUserProfile", DomainId=there, UserProfileName="Ann")
    world.call("DeleteSpace", DomainId=here, SpaceName="s")
    world.call("DeleteUserProfile", DomainId=here, UserProfileName="Ann")


def test_a_space_is_listed_with_summaries_of_its_settings(world: World) -> None:
    here = domain(world)["DomainId"]
    profile(world, here)
    settings = {"AppType": "JupyterLab", "CodeEditorAppSettings": {"DefaultResourceSpec": {"InstanceType": "system"}}}
    checked(world, "CreateSpace", DomainId=here, SpaceName="s", SpaceSettings=settings, **OWNED)
    (listed,) = checked(world, "ListSpaces", SpaceNameContains="s", SortBy="LastModifiedTime")["Spaces"]
    assert listed["SpaceSettingsSummary"] == {"AppType": "JupyterLab"}
    assert listed["OwnershipSettingsSummary"] == OWNED["OwnershipSettings"]
    assert listed["SpaceSharingSettingsSummary"] == OWNED["SpaceSharingSettings"]
    checked(world, "UpdateSpace", DomainId=here, SpaceName="s", SpaceDisplayName="Mine")
    assert checked(world, "DescribeSpace", DomainId=here, SpaceName="s")["SpaceDisplayName"] == "Mine"


def test_an_owner_and_a_sharing_type_come_together(world: World) -> None:
    here = domain(world)["DomainId"]
    profile(world, here)
    with pytest.raises(AwsError, match="together"):
        world.call("CreateSpace", DomainId=here, SpaceName="s", OwnershipSettings={"OwnerUserProfileName": "Ann"})


def test_children_have_tags(world: World) -> None:
    here = domain(world)["DomainId"]
    arn = profile(world, here)
    world.call("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert world.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
