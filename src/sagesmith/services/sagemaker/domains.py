"""Studio's administration: domains, and the user profiles and spaces in them. What runs in them are apps.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateDomain.html, …/API_UpdateDomain.html,
…/API_CreateUserProfile.html, …/API_CreateSpace.html, …/API_UserSettings.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/sm-domain.html
"""

from dataclasses import replace
from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording, new_id, updated
from sagesmith.services.sagemaker.engine.paths import first
from sagesmith.services.sagemaker.studio_settings import (
    IMAGE_VERSIONS,
    check_settings,
    cleared,
    held_by,
    image_versions,
    named_in,
)
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

_MISSING = Wording(ResourceNotFound, "{noun} [{arn}] does not exist.")
_DUPLICATE = Wording(ResourceInUse, "{noun} [{arn}] already exists.")

_OF_A_VPC = ("VpcId", "SubnetIds", "DefaultUserSettings.SecurityGroups")
_RSTUDIO_ROLE = "DomainSettings.RStudioServerProDomainSettings.DomainExecutionRoleArn"
_RSTUDIO_ROLE_FOR_UPDATE = "DomainSettingsForUpdate.RStudioServerProDomainSettingsForUpdate.DomainExecutionRoleArn"


def _versions(call: Call, body: Params) -> Params:
    """The versions of custom images that the settings of a resource name, which stay as long as they do."""
    return {IMAGE_VERSIONS: image_versions(call, body)}


def _with_versions(call: Call, document: Document) -> Document:
    return replace(document, body={**document.body, **_versions(call, document.body)})


def _check_domain(params: Params) -> None:
    _check_default_settings(params)
    check_settings(params)
    if first(params, "DomainSettings.AmazonQSettings.Status") == "ENABLED" and params["AuthMode"] != "SSO":
        raise ValidationException("AmazonQSettings can be ENABLED only if the Domain's AuthMode is SSO.")
    if first(params, _RSTUDIO_ROLE) and params.get("AppSecurityGroupManagement") == "Customer":
        raise ValidationException("AppSecurityGroupManagement must be Service if a DomainExecutionRoleArn is given.")
    if params["AppNetworkAccessType"] != "VpcOnly":
        return
    for path in _OF_A_VPC:
        if not first(params, path):
            raise ValidationException(f"{path} is required when AppNetworkAccessType is VpcOnly.")
    if first(params, _RSTUDIO_ROLE) and not params.get("AppSecurityGroupManagement"):
        raise ValidationException(
            "AppSecurityGroupManagement is required when AppNetworkAccessType is VpcOnly and a DomainExecutionRoleArn "
            "is given."
        )


def _check_default_settings(params: Params) -> None:
    """What does not hold for a domain, though it does for a user profile."""
    if first(params, "DefaultUserSettings.AutoMountHomeEFS") == "DefaultAsDomain":
        raise ValidationException(
            "DefaultUserSettings.AutoMountHomeEFS cannot be DefaultAsDomain: it is for user profiles."
        )


def _domain(call: Call, params: Params) -> Params:
    domain = new_id("d-")
    url = f"https://{domain}.studio.{call.context.region}.sagemaker.aws"
    return {"DomainId": domain, "Url": url, **_versions(call, params)}


def _update_domain(call: Call, document: Document, params: Params) -> Document:
    """UpdateDomain calls the settings of RStudio otherwise, within the settings that it calls otherwise."""
    _check_default_settings(params)
    check_settings(params)
    _check_unchanged(document, params)
    changed = _with_versions(call, updated(DOMAIN, document, params))
    settings = dict(changed.body.get("DomainSettings", {}))
    if rstudio := settings.pop("RStudioServerProDomainSettingsForUpdate", None):
        settings["RStudioServerProDomainSettings"] = {**settings.get("RStudioServerProDomainSettings", {}), **rstudio}
    return replace(changed, body={**changed.body, "DomainSettings": settings}) if settings else changed


def _check_unchanged(domain: Document, params: Params) -> None:
    """What an Update cannot change, or not any more."""
    present = domain.body["AppNetworkAccessType"]
    if params.get("AppNetworkAccessType", present) != present and (
        first(domain.body, _RSTUDIO_ROLE) or first(params, _RSTUDIO_ROLE_FOR_UPDATE)
    ):
        raise ValidationException("AppNetworkAccessType cannot be updated for a Domain with a DomainExecutionRoleArn.")
    if params.get("VpcId") not in (None, domain.body.get("VpcId", params.get("VpcId"))):
        raise ValidationException(f"VpcId cannot be changed: the Domain's is {domain.body['VpcId']}.")
    if domain.body["HomeEfsFileSystemCreation"] == "Enabled" and params.get("HomeEfsFileSystemCreation") == "Disabled":
        raise ValidationException("HomeEfsFileSystemCreation cannot be changed from Enabled to Disabled.")


def _user_profile(call: Call, params: Params) -> Params:
    """Users of a domain with IAM Identity Center are named by it, others must not be."""
    named = [params.get("SingleSignOnUserIdentifier"), params.get("SingleSignOnUserValue")]
    with_sso = DOMAIN.find(call.tx, call.context, params["DomainId"]).body["AuthMode"] == "SSO"
    if with_sso and not all(named):
        raise ValidationException(
            "SingleSignOnUserIdentifier and SingleSignOnUserValue are required when the Domain's AuthMode is SSO."
        )
    if not with_sso and any(named):
        raise ValidationException(
            "SingleSignOnUserIdentifier and SingleSignOnUserValue cannot be specified when the Domain's AuthMode is "
            "IAM."
        )
    return _versions(call, params)


def _update_user_profile(call: Call, document: Document, params: Params) -> Document:
    check_settings(params)
    return _with_versions(call, updated(USER_PROFILE, document, params))


def _check_space(params: Params) -> None:
    check_settings(params)
    if bool(params.get("OwnershipSettings")) != bool(params.get("SpaceSharingSettings")):
        raise ValidationException("OwnershipSettings and SpaceSharingSettings must be specified together.")


def _space(call: Call, params: Params) -> Params:
    return _versions(call, params)


def _update_space(call: Call, document: Document, params: Params) -> Document:
    check_settings(params)
    changed = updated(SPACE, document, params)
    before, after = (_app_type(each.body) for each in (document, changed))
    if before not in (None, after):
        raise ValidationException(f"The AppType of a Space cannot be changed: it is {before}.")
    return _with_versions(call, changed)


def _app_type(body: Params) -> Any:
    return first(body, "SpaceSettings.AppType")


DOMAIN = Kind(
    noun="Domain",
    check=_check_domain,
    prepare=cleared,
    initial=_domain,
    rests_as="InService",
    ascending=True,
    refers={**named_in("CreateDomain"), **named_in("UpdateDomain")},
    holds=held_by("CreateDomain"),
    defaults={
        "AppNetworkAccessType": "PublicInternetOnly",
        "HomeEfsFileSystemCreation": "Enabled",
        "TagPropagation": "DISABLED",
    },
    without_effect={
        "HomeEfsFileSystemCreation": "there is no file system of a domain: DescribeDomain shows no HomeEfsFileSystemId",
        "HomeEfsFileSystemKmsKeyId": "there is no file system of a domain",
    },
    merges=frozenset({"DefaultUserSettings", "DefaultSpaceSettings", "DomainSettingsForUpdate"}),
    renamed={"DomainSettingsForUpdate": "DomainSettings"},
    changes={"UpdateDomain": _update_domain},
    missing=_MISSING,
    duplicate=_DUPLICATE,
)

USER_PROFILE = Kind(
    noun="UserProfile",
    parent=DOMAIN,
    check=check_settings,
    prepare=cleared,
    initial=_user_profile,
    rests_as="InService",
    ascending=True,
    refers=named_in("CreateUserProfile"),
    holds=held_by("CreateUserProfile"),
    merges=frozenset({"UserSettings"}),
    changes={"UpdateUserProfile": _update_user_profile},
    missing=_MISSING,
    duplicate=_DUPLICATE,
)

_OWNER = {"OwnershipSettings.OwnerUserProfileName": USER_PROFILE}

SPACE = Kind(
    noun="Space",
    parent=DOMAIN,
    check=_check_space,
    prepare=cleared,
    initial=_space,
    rests_as="InService",
    ascending=True,
    refers={**named_in("CreateSpace"), **_OWNER},
    holds={**held_by("CreateSpace"), **_OWNER},
    unbuilt=(
        Unbuilt("SpaceSettings.SpaceManagedResources", "Managed resources of spaces are", frozenset({"ENABLED"})),
    ),
    summary={
        "SpaceSettingsSummary": "SpaceSettings",
        "SpaceSharingSettingsSummary": "SpaceSharingSettings",
        "OwnershipSettingsSummary": "OwnershipSettings",
    },
    merges=frozenset({"SpaceSettings"}),
    changes={"UpdateSpace": _update_space},
    missing=_MISSING,
    duplicate=_DUPLICATE,
)
