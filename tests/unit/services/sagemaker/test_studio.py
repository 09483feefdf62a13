"""Images of Studio, their versions, aliases and configurations; lifecycle configurations; projects."""

import base64
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, listed, refused
from tests.unit.services.sagemaker.world import ROLE, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
BASE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kernels:r-4"
SCRIPT = base64.b64encode(b"#!/bin/sh\npip install tabulate\n").decode()
TOKENS = count()


def image(world: World, name: str = "Kernels", **changes: Any) -> str:
    return str(checked(world, "CreateImage", ImageName=name, RoleArn=ROLE, **changes)["ImageArn"])


def version(world: World, name: str = "Kernels", **changes: Any) -> int:
    made = checked(
        world, "CreateImageVersion", ImageName=name, BaseImage=BASE, ClientToken=f"token-{next(TOKENS)}", **changes
    )
    return int(made["ImageVersionArn"].rpartition("/")[2])


def described(world: World, **which: Any) -> Params:
    return checked(world, "DescribeImageVersion", ImageName="Kernels", **which)


def aliases(world: World, **which: Any) -> list[str]:
    found: list[str] = checked(world, "ListAliases", ImageName="Kernels", **which)["SageMakerImageVersionAliases"]
    return found


def script(world: World, name: str = "Setup", app_type: str = "JupyterLab") -> str:
    made = checked(
        world,
        "CreateStudioLifecycleConfig",
        StudioLifecycleConfigName=name,
        StudioLifecycleConfigContent=SCRIPT,
        StudioLifecycleConfigAppType=app_type,
    )
    return str(made["StudioLifecycleConfigArn"])


def test_an_image_is_created_as_soon_as_it_is_recorded(world: World) -> None:
    assert image(world, DisplayName="R", Description="R 4") == f"{ARN}:image/kernels"
    shown = checked(world, "DescribeImage", ImageName="kernels")
    assert (shown["ImageName"], shown["ImageStatus"], shown["RoleArn"]) == ("Kernels", "CREATED", ROLE)
    (summary,) = checked(world, "ListImages", NameContains="ern")["Images"]
    assert summary == {member: value for member, value in shown.items() if member != "RoleArn"}
    assert checked(world, "ListImages", NameContains="none")["Images"] == []


def test_a_taken_and_a_missing_name_of_an_image_are_refused_in_awss_words(world: World) -> None:
    image(world)
    error = refused(world, "CreateImage", ImageName="KERNELS", RoleArn=ROLE)
    assert (error.code, error.message) == (
        "ResourceInUse",
        "The Image with ImageName KERNELS already exists. Please use a different ImageName.",
    )
    for operation in ("DescribeImage", "UpdateImage", "DeleteImage", "ListImageVersions", "ListAliases"):
        error = refused(world, operation, ImageName="none")
        assert (error.code, error.message) == (
            "ResourceNotFound",
            "Image with ImageName none does not exist. Please provide a valid ImageName.",
        )


def test_properties_of_an_image_are_replaced_or_deleted(world: World) -> None:
    image(world, DisplayName="R", Description="R 4")
    checked(world, "UpdateImage", ImageName="Kernels", Description="R 5", DeleteProperties=["DisplayName"])
    shown = checked(world, "DescribeImage", ImageName="Kernels")
    assert shown["Description"] == "R 5"
    assert "DisplayName" not in shown
    assert "DeleteProperties" not in world.stored("image", "kernels").body


def test_versions_count_up_and_a_number_is_never_given_again(world: World) -> None:
    image(world)
    assert [version(world) for _ in range(3)] == [1, 2, 3]
    world.call("DeleteImageVersion", ImageName="Kernels", Version=3)
    world.call("DeleteImageVersion", ImageName="Kernels", Version=1)
    assert described(world)["Version"] == 2
    assert version(world) == 4
    assert listed(world, "ListImageVersions", "ImageVersions", "Version", ImageName="Kernels") == [4, 2]
    order = {"ImageName": "Kernels", "SortBy": "VERSION", "SortOrder": "ASCENDING"}
    assert listed(world, "ListImageVersions", "ImageVersions", "Version", **order) == [2, 4]


def test_a_version_is_what_its_maintainer_says(world: World) -> None:
    image(world)
    said: Params = {
        "VendorGuidance": "STABLE",
        "JobType": "NOTEBOOK_KERNEL",
        "MLFramework": "PyTorch 2.4",
        "ProgrammingLang": "Python 3.11",
        "Processor": "GPU",
        "Horovod": False,
        "ReleaseNotes": "first",
    }
    version(world, **said)
    shown = described(world, Version=1)
    assert {member: shown[member] for member in said} == said
    assert (shown["BaseImage"], shown["ContainerImage"], shown["ImageVersionStatus"]) == (BASE, BASE, "CREATED")
    assert shown["ImageArn"] == f"{ARN}:image/kernels"
    checked(world, "UpdateImageVersion", ImageName="Kernels", Version=1, VendorGuidance="ARCHIVED")
    assert described(world, Version=1) == {
        **shown,
        "VendorGuidance": "ARCHIVED",
        "LastModifiedTime": described(world)["LastModifiedTime"],
    }


def test_versions_that_are_not_there_are_refused(world: World) -> None:
    image(world)
    error = refused(world, "DescribeImageVersion", ImageName="Kernels")
    assert (error.code, error.message) == (
        "ResourceNotFound",
        "Latest ImageVersion with ImageName Kernels does not exist. Please provide a valid ImageName.",
    )
    version(world)
    for operation in ("DescribeImageVersion", "UpdateImageVersion", "DeleteImageVersion"):
        error = refused(world, operation, ImageName="Kernels", Version=2)
        assert error.code == "ResourceNotFound"
        assert "ImageName Kernels and Version 2 does not exist" in error.message
        error = refused(world, operation, ImageName="Kernels", Alias="none")
        assert error.code == "ResourceNotFound"
        assert "ImageName Kernels and Alias none does not exist" in error.message
    missing = {"ImageName": "none", "BaseImage": BASE, "ClientToken": "t"}
    assert refused(world, "CreateImageVersion", **missing).code == "ResourceNotFound"


def test_the_latest_version_is_meant_where_none_is_named_unless_it_is_deleted(world: World) -> None:
    image(world)
    assert [version(world), version(world)] == [1, 2]
    checked(world, "UpdateImageVersion", ImageName="Kernels", ReleaseNotes="second")
    assert described(world)["ReleaseNotes"] == "second"
    assert "ReleaseNotes" not in described(world, Version=1)
    error = refused(world, "DeleteImageVersion", ImageName="Kernels")
    assert (error.code, error.message) == ("ValidationException", "Either Version or Alias must be specified.")
    assert described(world)["Version"] == 2


def test_an_alias_names_one_version_of_an_image(world: World) -> None:
    image(world)
    version(world, Aliases=["stable", "r4"])
    version(world, Aliases=["next"])
    assert described(world, Alias="r4")["Version"] == 1
    assert described(world, Alias="next", Version=2)["Version"] == 2
    assert aliases(world) == ["next", "r4", "stable"]
    assert aliases(world, Version=1) == aliases(world, Alias="r4") == ["r4", "stable"]
    error = refused(world, "DescribeImageVersion", ImageName="Kernels", Alias="next", Version=1)
    assert (error.code, "names version 2" in error.message) == ("ValidationException", True)
    taken = {"ImageName": "Kernels", "BaseImage": BASE, "ClientToken": "t", "Aliases": ["stable"]}
    error = refused(world, "CreateImageVersion", **taken)
    assert (error.code, "already in use by version 1" in error.message) == ("ResourceInUse", True)
    image(world, "Other")
    assert version(world, "Other", Aliases=["stable"]) == 1


def test_aliases_are_listed_page_by_page(world: World) -> None:
    image(world)
    version(world, Aliases=["c", "a", "b"])
    first = checked(world, "ListAliases", ImageName="Kernels", MaxResults=2)
    assert first["SageMakerImageVersionAliases"] == ["a", "b"]
    assert aliases(world, MaxResults=2, NextToken=first["NextToken"]) == ["c"]


def test_an_alias_moves_when_it_is_taken_from_one_version_and_given_to_another(world: World) -> None:
    image(world)
    version(world, Aliases=["stable", "old"])
    version(world)
    move = {"ImageName": "Kernels", "Version": 2, "AliasesToAdd": ["stable"]}
    assert refused(world, "UpdateImageVersion", **move).code == "ResourceInUse"
    checked(world, "UpdateImageVersion", ImageName="Kernels", Alias="stable", AliasesToDelete=["stable"])
    checked(world, "UpdateImageVersion", **move)
    assert described(world, Alias="stable")["Version"] == 2
    error = refused(world, "UpdateImageVersion", ImageName="Kernels", Version=2, AliasesToDelete=["old"])
    assert error.code == "ResourceNotFound"
    assert aliases(world, Version=1) == ["old"]


def test_aliases_of_a_deleted_version_are_free(world: World) -> None:
    image(world)
    version(world, Aliases=["stable"])
    world.call("DeleteImageVersion", ImageName="Kernels", Alias="stable")
    assert aliases(world) == []
    version(world, Aliases=["stable"])
    assert described(world, Alias="stable")["Version"] == 2


def test_an_image_is_deleted_with_its_versions(world: World) -> None:
    image(world)
    version(world, Aliases=["stable"])
    assert world.call("DeleteImage", ImageName="Kernels") == {}
    image(world)
    assert checked(world, "ListImageVersions", ImageName="Kernels")["ImageVersions"] == []
    assert aliases(world) == []


def test_the_same_token_makes_one_version(world: World) -> None:
    image(world)
    asked = {"ImageName": "Kernels", "BaseImage": BASE, "ClientToken": "once"}
    first = checked(world, "CreateImageVersion", **asked)
    assert checked(world, "CreateImageVersion", **asked) == first
    assert version(world) == 2


def test_versions_that_are_made_at_once_have_numbers_of_their_own(world: World) -> None:
    image(world)
    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(lambda _: version(world), range(12)))
    assert sorted(numbers) == list(range(1, 13))


def test_a_file_system_of_an_app_image_is_completed_as_aws_does(world: World) -> None:
    lab = {"FileSystemConfig": {"DefaultUid": 0}, "ContainerConfig": {"ContainerArguments": ["--dark"]}}
    made = checked(world, "CreateAppImageConfig", AppImageConfigName="Lab", JupyterLabAppImageConfig=lab)
    assert made["AppImageConfigArn"] == f"{ARN}:app-image-config/lab"
    shown = checked(world, "DescribeAppImageConfig", AppImageConfigName="Lab")
    completed = {"MountPath": "/home/sagemaker-user", "DefaultUid": 0, "DefaultGid": 100}
    assert shown["JupyterLabAppImageConfig"] == {**lab, "FileSystemConfig": completed}
    kernels = {"KernelSpecs": [{"Name": "ir"}], "FileSystemConfig": {"MountPath": "/root"}}
    checked(world, "UpdateAppImageConfig", AppImageConfigName="Lab", KernelGatewayImageConfig=kernels)
    (summary,) = checked(world, "ListAppImageConfigs", NameContains="La")["AppImageConfigs"]
    assert summary["KernelGatewayImageConfig"]["FileSystemConfig"] == {
        **completed,
        "MountPath": "/root",
        "DefaultUid": 1000,
    }
    assert summary["JupyterLabAppImageConfig"] == shown["JupyterLabAppImageConfig"]


def test_an_app_image_configuration_has_a_name_of_its_own_until_it_is_deleted(world: World) -> None:
    checked(world, "CreateAppImageConfig", AppImageConfigName="lab")
    error = refused(world, "CreateAppImageConfig", AppImageConfigName="LAB")
    assert (error.code, error.message) == ("ResourceInUse", "The ID or Name specified is already in use.")
    world.call("DeleteAppImageConfig", AppImageConfigName="lab")
    for operation in ("DescribeAppImageConfig", "UpdateAppImageConfig", "DeleteAppImageConfig"):
        error = refused(world, operation, AppImageConfigName="lab")
        assert (error.code, error.message) == (
            "ResourceNotFound",
            f"AppImageConfig [{ARN}:app-image-config/lab] does not exist.",
        )


def test_a_lifecycle_configuration_of_studio_is_listed_by_its_app(world: World) -> None:
    assert script(world) == f"{ARN}:studio-lifecycle-config/setup"
    script(world, "Editor", "CodeEditor")
    shown = checked(world, "DescribeStudioLifecycleConfig", StudioLifecycleConfigName="setup")
    assert shown["StudioLifecycleConfigContent"] == SCRIPT
    (summary,) = checked(world, "ListStudioLifecycleConfigs", AppTypeEquals="JupyterLab")["StudioLifecycleConfigs"]
    assert summary == {name: value for name, value in shown.items() if name != "StudioLifecycleConfigContent"}
    asked = {"SortBy": "Name", "SortOrder": "Ascending"}
    names = listed(world, "ListStudioLifecycleConfigs", "StudioLifecycleConfigs", "StudioLifecycleConfigName", **asked)
    assert names == ["Editor", "Setup"]


def test_a_script_that_is_not_base64_is_refused(world: World) -> None:
    studio = {"StudioLifecycleConfigName": "s", "StudioLifecycleConfigAppType": "JupyterLab"}
    error = refused(world, "CreateStudioLifecycleConfig", StudioLifecycleConfigContent="#!/bin/sh", **studio)
    assert (error.code, error.message) == (
        "ValidationException",
        "StudioLifecycleConfigContent must be base64 encoded.",
    )
    wrapped = f"{SCRIPT[:16]}\n{SCRIPT[16:]}\n"
    checked(world, "CreateStudioLifecycleConfig", StudioLifecycleConfigContent=wrapped, **studio)


def test_a_lifecycle_configuration_of_studio_has_one_name(world: World) -> None:
    arn = script(world)
    again = {
        "StudioLifecycleConfigName": "SETUP",
        "StudioLifecycleConfigContent": SCRIPT,
        "StudioLifecycleConfigAppType": "CodeEditor",
    }
    error = refused(world, "CreateStudioLifecycleConfig", **again)
    assert (error.code, error.message) == ("ResourceInUse", f"StudioLifecycleConfig [{arn}] already exists.")
    world.call("DeleteStudioLifecycleConfig", StudioLifecycleConfigName="setup")
    error = refused(world, "DescribeStudioLifecycleConfig", StudioLifecycleConfigName="setup")
    assert (error.code, error.message) == ("ResourceNotFound", f"StudioLifecycleConfig [{arn}] does not exist.")


def test_hooks_of_notebooks_that_an_update_does_not_name_stay(world: World) -> None:
    name = {"NotebookInstanceLifecycleConfigName": "Setup"}
    made = checked(world, "CreateNotebookInstanceLifecycleConfig", OnCreate=[{"Content": SCRIPT}], **name)
    arn = f"{ARN}:notebook-instance-lifecycle-config/setup"
    assert made["NotebookInstanceLifecycleConfigArn"] == arn
    checked(world, "UpdateNotebookInstanceLifecycleConfig", OnStart=[{"Content": SCRIPT}], **name)
    shown = checked(world, "DescribeNotebookInstanceLifecycleConfig", **name)
    assert shown["OnCreate"] == shown["OnStart"] == [{"Content": SCRIPT}]
    assert shown["LastModifiedTime"] > shown["CreationTime"]
    for operation in ("CreateNotebookInstanceLifecycleConfig", "UpdateNotebookInstanceLifecycleConfig"):
        error = refused(world, operation, OnStart=[{"Content": "#!/bin/sh"}], **name)
        assert (error.code, error.message) == ("ValidationException", "OnStart.Content must be base64 encoded.")
    listing = ("NotebookInstanceLifecycleConfigs", "NotebookInstanceLifecycleConfigArn")
    assert listed(world, "ListNotebookInstanceLifecycleConfigs", *listing, NameContains="Set") == [arn]


@pytest.mark.parametrize("did", ["describe", "update", "delete"])
def test_what_could_not_be_done_to_a_notebooks_configuration_is_said(world: World, did: str) -> None:
    operation = f"{did.capitalize()}NotebookInstanceLifecycleConfig"
    error = refused(world, operation, NotebookInstanceLifecycleConfigName="none")
    arn = f"{ARN}:notebook-instance-lifecycle-config/none"
    assert (error.code, error.message) == (
        "ValidationException",
        f"Unable to {did} Notebook Instance Lifecycle Config '{arn}'. "
        "(Details: Notebook Instance Lifecycle Config does not exist.)",
    )


def test_a_notebooks_configuration_has_one_name(world: World) -> None:
    name = {"NotebookInstanceLifecycleConfigName": "setup"}
    checked(world, "CreateNotebookInstanceLifecycleConfig", **name)
    error = refused(world, "CreateNotebookInstanceLifecycleConfig", **name)
    assert (error.code, error.message) == (
        "ValidationException",
        f"Unable to create Notebook Instance Lifecycle Config '{ARN}:notebook-instance-lifecycle-config/setup'. "
        "(Details: Notebook Instance Lifecycle Config already exists.)",
    )


def test_a_project_without_a_template_is_a_record(world: World) -> None:
    made = checked(world, "CreateProject", ProjectName="Churn", ProjectDescription="who leaves")
    assert made["ProjectArn"] == f"{ARN}:project/churn"
    assert made["ProjectId"].startswith("p-")
    checked(world, "UpdateProject", ProjectName="churn", ProjectDescription="who stays")
    shown = checked(world, "DescribeProject", ProjectName="Churn")
    assert (shown["ProjectId"], shown["ProjectStatus"]) == (made["ProjectId"], "CreateCompleted")
    assert shown["ProjectDescription"] == "who stays"
    assert shown["CreatedBy"]["IamIdentity"]["Arn"].startswith("arn:aws:sts::")
    (summary,) = checked(world, "ListProjects", NameContains="hur")["ProjectSummaryList"]
    assert summary == {member: shown[member] for member in summary}
    found = checked(world, "Search", Resource="Project")["Results"]
    assert [each["Project"]["ProjectName"] for each in found] == ["Churn"]
    checked(world, "CreateProject", ProjectName="Another")
    assert listed(world, "ListProjects", "ProjectSummaryList", "ProjectName") == ["Churn", "Another"]


def test_templates_of_projects_are_not_built(world: World) -> None:
    product = {"ProductId": "prod-1"}
    template = {"TemplateName": "t", "TemplateURL": "https://bucket/template.yaml"}
    checked(world, "CreateProject", ProjectName="there")
    refusals = [
        refused(world, "CreateProject", ProjectName="p", ServiceCatalogProvisioningDetails=product),
        refused(world, "CreateProject", ProjectName="p", TemplateProviders=[{"CfnTemplateProvider": template}]),
        refused(
            world,
            "UpdateProject",
            ProjectName="there",
            ServiceCatalogProvisioningUpdateDetails={"ProvisioningArtifactId": "pa-1"},
        ),
        refused(
            world, "UpdateProject", ProjectName="there", TemplateProvidersToUpdate=[{"CfnTemplateProvider": template}]
        ),
    ]
    assert [(error.code, error.status) for error in refusals] == [("NotImplementedException", 501)] * 4
    assert listed(world, "ListProjects", "ProjectSummaryList", "ProjectName") == ["there"]


def test_a_project_has_one_name_and_its_tags_are_changed_by_its_arn(world: World) -> None:
    arn = checked(world, "CreateProject", ProjectName="churn")["ProjectArn"]
    error = refused(world, "CreateProject", ProjectName="Churn")
    assert (error.code, error.message) == ("ValidationException", f"Project '{arn}' already exists.")
    tags = [{"Key": "team", "Value": "a"}]
    error = refused(world, "UpdateProject", ProjectName="churn", Tags=tags)
    assert (error.code, "no tag update constraint" in error.message) == ("ValidationException", True)
    world.call("AddTags", ResourceArn=arn, Tags=tags)
    assert world.call("ListTags", ResourceArn=arn)["Tags"] == tags
    world.call("DeleteProject", ProjectName="churn")
    for operation in ("DescribeProject", "UpdateProject", "DeleteProject"):
        error = refused(world, operation, ProjectName="churn")
        assert (error.code, error.message) == ("ValidationException", f"Project {arn} does not exist.")


def test_the_portfolio_of_templates_is_a_setting_of_a_region(world: World) -> None:
    def status(region: str = "us-east-1") -> str:
        return str(world.call("GetSagemakerServicecatalogPortfolioStatus", region)["Status"])

    assert status() == "Disabled"
    for _ in range(2):
        assert checked(world, "EnableSagemakerServicecatalogPortfolio") == {}
    assert (status(), status("eu-west-1")) == ("Enabled", "Disabled")
    for _ in range(2):
        assert checked(world, "DisableSagemakerServicecatalogPortfolio") == {}
    assert status() == "Disabled"
