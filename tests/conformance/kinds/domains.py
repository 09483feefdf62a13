"""Domains, user profiles, spaces."""

from sagesmith.services.sagemaker.studio_settings import named_in
from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _owned_and_shared(params: Params) -> Params:
    """A space says both whose it is and who shares it, or neither."""
    if not {"OwnershipSettings", "SpaceSharingSettings"} <= params.keys():
        params.pop("OwnershipSettings", None)
        params.pop("SpaceSharingSettings", None)
    return params


def _tried(path: str) -> bool:
    """Whether requests name something at a path. What settings of all apps have in common is tried with one of them."""
    return path.partition(".")[0] != "DefaultSpaceSettings" and ".JupyterLabAppSettings." in path


def _needs(create: str) -> dict[str, str]:
    """What settings name by its ARN, which they do not by a name."""
    named = {path: kind for path, kind in named_in(create).items() if _tried(path)}
    by_arn = {path: kind for path, kind in named.items() if path.removesuffix("[]").removesuffix("s").endswith("Arn")}
    return {
        **{path: f"{kind.noun}:{kind.arn_member}" for path, kind in by_arn.items()},
        **{path: "" for path in named_in(create) if not _tried(path)},
    }


def _system(create: str) -> dict[str, str]:
    """Apps of JupyterServer, which run on nothing else."""
    named = (path for path in named_in(create) if ".JupyterServerAppSettings." in path)
    return {
        f"{path.rpartition('.')[0]}.InstanceType": "system" for path in named if path.endswith(".SageMakerImageArn")
    }


def _hidden(settings: str) -> set[str]:
    """What is hidden of images is said whole."""
    hidden = f"{settings}.StudioWebPortalSettings.HiddenSageMakerImageVersionAliases[]"
    return {f"{hidden}.{member}" for member in ("SageMakerImageName", "VersionAliases")}


def _plans(create: str) -> dict[str, str]:
    """Training plans, which `None` would clear."""
    images = (path for path in named_in(create) if path.endswith(".SageMakerImageArn"))
    plan = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/plan"
    return {path.replace("SageMakerImageArn", "TrainingPlanArn"): plan for path in images}


def _without(create: str, update: str) -> dict[str, str]:
    """What settings do not name: versions that an image has not, and in an Update what nobody has made."""
    images = (path for path in named_in(create) if path.endswith("[].ImageName"))
    return {
        **{path.replace("ImageName", "ImageVersionNumber"): "the image has no such version" for path in images},
        **{path.partition("[]")[0]: "another app names the same" for path in named_in(create) if not _tried(path)},
        **{f"{update}:{path.partition('[]')[0]}": "only what Create names is made" for path in named_in(update)},
    }


def _in_a_vpc(params: Params) -> Params:
    """A domain that is reached by its VPC alone says which."""
    if params.get("AppNetworkAccessType") == "VpcOnly":
        params = {"VpcId": "vpc-1", **params, "SubnetIds": ["subnet-1"]}
        params["DefaultUserSettings"]["SecurityGroups"] = ["sg-1"]
    return params


DOMAIN = Facts(
    "Domain",
    mend=_in_a_vpc,
    named=False,
    values={
        "AuthMode": "IAM",
        "AppSecurityGroupManagement": "Service",
        **_plans("CreateDomain"),
        **_system("CreateDomain"),
    },
    always=frozenset({"AppSecurityGroupManagement", *_hidden("DefaultUserSettings")}),
    needs=_needs("CreateDomain"),
    without={
        **_without("CreateDomain", "UpdateDomain"),
        "DomainSettings.AmazonQSettings": "only domains with single sign-on have it; AuthMode is IAM here",
        "DefaultUserSettings.AutoMountHomeEFS": "one of its values is for user profiles alone",
        "UpdateDomain:AppNetworkAccessType": "it stays what it is where RStudio has a role",
        "UpdateDomain:VpcId": "it stays what it is",
        "UpdateDomain:HomeEfsFileSystemCreation": "what is enabled cannot be disabled",
    },
)

_SIGN_ON = "only domains with single sign-on have it; AuthMode is IAM here"

USER_PROFILE = Facts(
    "UserProfile",
    values={**_plans("CreateUserProfile"), **_system("CreateUserProfile")},
    always=frozenset(_hidden("UserSettings")),
    needs=_needs("CreateUserProfile"),
    without={
        **_without("CreateUserProfile", "UpdateUserProfile"),
        "SingleSignOnUserIdentifier": _SIGN_ON,
        "SingleSignOnUserValue": _SIGN_ON,
    },
)

SPACE = Facts(
    "Space",
    values={**_plans("CreateSpace"), **_system("CreateSpace")},
    needs=_needs("CreateSpace"),
    without={
        **_without("CreateSpace", "UpdateSpace"),
        "UpdateSpace:SpaceSettings.AppType": "it stays what it is",
    },
    mend=_owned_and_shared,
)
