"""Domains, and the user profiles and spaces in them: a parent, children, ids that the service makes."""

from typing import Any

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


def image(world: World, versions: int = 1) -> None:
    checked(world, "CreateImage", ImageName="Kernels", RoleArn=ROLE)
    for number in range(versions):
        checked(world, "CreateImageVersion", ImageName="Kernels", BaseImage="repository:tag", ClientToken=f"t-{number}")
    checked(world, "CreateAppImageConfig", AppImageConfigName="Lab")


def script(world: World) -> str:
    made = checked(
        world,
        "CreateStudioLifecycleConfig",
        StudioLifecycleConfigName="Setup",
        StudioLifecycleConfigContent="ZWNobw==",
        StudioLifecycleConfigAppType="JupyterLab",
    )
    return str(made["StudioLifecycleConfigArn"])


def custom_image(**changes: Any) -> Params:
    return {
        "JupyterLabAppSettings": {"CustomImages": [{"ImageName": "Kernels", "AppImageConfigName": "Lab", **changes}]}
    }


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (custom_image(ImageName="none"), "Image with ImageName none does not exist"),
        (custom_image(AppImageConfigName="none"), f"AppImageConfig [{ARN}:app-image-config/none] does not exist."),
        (custom_image(ImageVersionNumber=7), f"ImageVersion [{ARN}:image-version/kernels/7] does not exist."),
        (
            {"KernelGatewayAppSettings": {"LifecycleConfigArns": [f"{ARN}:studio-lifecycle-config/none"]}},
            f"StudioLifecycleConfig [{ARN}:studio-lifecycle-config/none] does not exist.",
        ),
        (
            {"JupyterServerAppSettings": {"DefaultResourceSpec": {"SageMakerImageArn": f"{ARN}:image/none"}}},
            f"Image with ImageName {ARN}:image/none does not exist",
        ),
    ],
)
def test_what_settings_name_must_exist(world: World, settings: Params, missing: str) -> None:
    image(world)
    here = domain(world)["DomainId"]
    profile(world, here)
    asked: dict[str, Params] = {
        "CreateDomain": {
            "DomainName": "Other",
            "AuthMode": "IAM",
            "DefaultUserSettings": settings,
        },
        "UpdateDomain": {"DomainId": here, "DefaultUserSettings": settings},
        "CreateUserProfile": {"DomainId": here, "UserProfileName": "Bob", "UserSettings": settings},
        "UpdateUserProfile": {"DomainId": here, "UserProfileName": "Ann", "UserSettings": settings},
    }
    for operation, params in asked.items():
        error = refused(world, operation, **params)
        assert (error.code, missing in error.message) == ("ResourceNotFound", True)
    assert len(checked(world, "ListDomains")["Domains"]) == 1
    assert len(checked(world, "ListUserProfiles")["UserProfiles"]) == 1
    assert "UserSettings" not in checked(world, "DescribeUserProfile", DomainId=here, UserProfileName="Ann")


def test_images_of_aws_are_there_without_anybody_having_made_them(world: World) -> None:
    aws = "arn:aws:sagemaker:us-east-1:081325390199"
    spec = {
        "SageMakerImageArn": f"{aws}:image/jupyter-server-3",
        "SageMakerImageVersionArn": f"{aws}:image-version/jupyter-server-3/1",
    }
    settings = {"JupyterServerAppSettings": {"DefaultResourceSpec": spec}}
    here = domain(world)["DomainId"]
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings=settings)
    shown = checked(world, "DescribeDomain", DomainId=here)["DefaultUserSettings"]
    assert shown["JupyterServerAppSettings"]["DefaultResourceSpec"] == spec
    elsewhere = {"SageMakerImageArn": spec["SageMakerImageArn"].replace("us-east-1", "eu-west-1")}
    settings = {"JupyterServerAppSettings": {"DefaultResourceSpec": elsewhere}}
    assert refused(world, "UpdateDomain", DomainId=here, DefaultUserSettings=settings).code == "ResourceNotFound"


def test_a_setting_of_an_arn_is_cleared_by_the_word_none(world: World) -> None:
    arn = script(world)
    here = domain(world)["DomainId"]
    spec = {"InstanceType": "ml.t3.medium", "LifecycleConfigArn": arn}
    lab: Params = {"DefaultResourceSpec": spec, "LifecycleConfigArns": [arn]}
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings={"JupyterLabAppSettings": lab})
    lab = {"DefaultResourceSpec": {**spec, "LifecycleConfigArn": "None"}, "LifecycleConfigArns": ["None"]}
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings={"JupyterLabAppSettings": lab})
    shown = checked(world, "DescribeDomain", DomainId=here)["DefaultUserSettings"]["JupyterLabAppSettings"]
    assert shown == {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}, "LifecycleConfigArns": []}


def test_a_lifecycle_configuration_that_users_have_cannot_be_deleted(world: World) -> None:
    arn = script(world)
    here = domain(world)["DomainId"]
    profile(world, here)
    delete = {"StudioLifecycleConfigName": "Setup"}
    settings = {"JupyterLabAppSettings": {"LifecycleConfigArns": [arn]}}
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings=settings)
    checked(world, "UpdateUserProfile", DomainId=here, UserProfileName="Ann", UserSettings=settings)
    error = refused(world, "DeleteStudioLifecycleConfig", **delete)
    assert (error.code, error.message) == (
        "ResourceInUse",
        f"Unable to delete StudioLifecycleConfig [{arn}] because Domain(s) are associated with it.",
    )
    cleared: Params = {"JupyterLabAppSettings": {"LifecycleConfigArns": []}}
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings=cleared)
    assert "UserProfile(s) are associated" in refused(world, "DeleteStudioLifecycleConfig", **delete).message
    checked(world, "UpdateUserProfile", DomainId=here, UserProfileName="Ann", UserSettings=cleared)
    assert world.call("DeleteStudioLifecycleConfig", **delete) == {}


def test_an_image_and_a_version_that_a_domain_has_cannot_be_deleted(world: World) -> None:
    image(world, versions=2)
    here = domain(world)["DomainId"]
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings=custom_image())
    error = refused(world, "DeleteImage", ImageName="Kernels")
    assert (error.code, error.message) == (
        "ResourceInUse",
        f"Unable to delete Image [{ARN}:image/kernels] because Domain(s) are associated with it.",
    )
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings=custom_image(ImageVersionNumber=1))
    error = refused(world, "DeleteImageVersion", ImageName="Kernels", Version=1)
    assert (error.code, "Domain(s) are associated" in error.message) == ("ResourceInUse", True)
    world.call("DeleteImageVersion", ImageName="Kernels", Version=2)
    checked(world, "UpdateDomain", DomainId=here, DefaultUserSettings={"JupyterLabAppSettings": {"CustomImages": []}})
    world.call("DeleteImage", ImageName="Kernels")


def test_settings_of_spaces_name_what_exists(world: World) -> None:
    image(world)
    here = domain(world)["DomainId"]
    kernels = {"KernelGatewayAppSettings": custom_image()["JupyterLabAppSettings"]}
    checked(world, "CreateSpace", DomainId=here, SpaceName="s", SpaceSettings=kernels)
    kernels = {"KernelGatewayAppSettings": custom_image(ImageName="none")["JupyterLabAppSettings"]}
    for operation, name in (("CreateSpace", "t"), ("UpdateSpace", "s")):
        error = refused(world, operation, DomainId=here, SpaceName=name, SpaceSettings=kernels)
        assert (error.code, "ImageName none does not exist" in error.message) == ("ResourceNotFound", True)


def test_the_app_of_a_space_stays(world: World) -> None:
    here = domain(world)["DomainId"]
    checked(world, "CreateSpace", DomainId=here, SpaceName="s", SpaceSettings={"AppType": "JupyterLab"})
    same = {"AppType": "JupyterLab", "RemoteAccess": "ENABLED"}
    checked(world, "UpdateSpace", DomainId=here, SpaceName="s", SpaceSettings=same)
    other = {"AppType": "CodeEditor"}
    error = refused(world, "UpdateSpace", DomainId=here, SpaceName="s", SpaceSettings=other)
    assert (error.code, error.message) == (
        "ValidationException",
        "The AppType of a Space cannot be changed: it is JupyterLab.",
    )
    assert checked(world, "DescribeSpace", DomainId=here, SpaceName="s")["SpaceSettings"] == same


def test_a_space_that_would_start_its_app_is_not_built(world: World) -> None:
    here = domain(world)["DomainId"]
    settings = {"AppType": "JupyterLab", "SpaceManagedResources": "ENABLED"}
    error = refused(world, "CreateSpace", DomainId=here, SpaceName="s", SpaceSettings=settings)
    assert (error.code, error.status) == ("NotImplementedException", 501)
    assert checked(world, "ListSpaces")["Spaces"] == []


def test_a_domain_that_is_reached_by_its_vpc_alone_has_one(world: World) -> None:
    asked = {"DomainName": "V", "AuthMode": "IAM", "AppNetworkAccessType": "VpcOnly"}
    users = {"SecurityGroups": ["sg-1"]}
    without: list[Params] = [
        {"SubnetIds": ["subnet-1"], "DefaultUserSettings": users},
        {"VpcId": "vpc-1", "DefaultUserSettings": users},
        {"VpcId": "vpc-1", "SubnetIds": ["subnet-1"], "DefaultUserSettings": {}},
    ]
    for missing, members in zip(("VpcId", "SubnetIds", "DefaultUserSettings.SecurityGroups"), without, strict=True):
        error = refused(world, "CreateDomain", **asked, **members)
        assert (error.code, error.message) == (
            "ValidationException",
            f"{missing} is required when AppNetworkAccessType is VpcOnly.",
        )
    assert checked(world, "ListDomains")["Domains"] == []


def test_the_network_of_a_domain_with_rstudio_stays(world: World) -> None:
    asked: Params = {
        "DomainName": "R",
        "AuthMode": "IAM",
        "AppNetworkAccessType": "VpcOnly",
        "VpcId": "vpc-1",
        "SubnetIds": ["subnet-1"],
        "DefaultUserSettings": {"SecurityGroups": ["sg-1"]},
        "DomainSettings": {"RStudioServerProDomainSettings": {"DomainExecutionRoleArn": ROLE}},
    }
    error = refused(world, "CreateDomain", **asked)
    assert (error.code, "AppSecurityGroupManagement is required" in error.message) == ("ValidationException", True)
    here = checked(world, "CreateDomain", AppSecurityGroupManagement="Service", **asked)["DomainId"]
    checked(world, "UpdateDomain", DomainId=here, AppNetworkAccessType="VpcOnly")
    error = refused(world, "UpdateDomain", DomainId=here, AppNetworkAccessType="PublicInternetOnly")
    assert (error.code, "DomainExecutionRoleArn" in error.message) == ("ValidationException", True)


def test_a_domain_gets_a_vpc_once(world: World) -> None:
    here = domain(world)["DomainId"]
    checked(world, "UpdateDomain", DomainId=here, VpcId="vpc-1")
    checked(world, "UpdateDomain", DomainId=here, VpcId="vpc-1")
    error = refused(world, "UpdateDomain", DomainId=here, VpcId="vpc-2")
    assert (error.code, error.message) == ("ValidationException", "VpcId cannot be changed: the Domain's is vpc-1.")


def test_what_a_domain_cannot_be_changed_to_is_refused(world: World) -> None:
    here = domain(world)["DomainId"]
    wrong: list[Params] = [
        {"HomeEfsFileSystemCreation": "Disabled"},
        {"DefaultUserSettings": {"AutoMountHomeEFS": "DefaultAsDomain"}},
    ]
    for change in wrong:
        assert refused(world, "UpdateDomain", DomainId=here, **change).code == "ValidationException"
    shown = checked(world, "DescribeDomain", DomainId=here)
    assert shown["HomeEfsFileSystemCreation"] == "Enabled"
    assert "AutoMountHomeEFS" not in shown["DefaultUserSettings"]
    settings = {"AutoMountHomeEFS": "DefaultAsDomain"}
    checked(world, "CreateUserProfile", DomainId=here, UserProfileName="Ann", UserSettings=settings)
