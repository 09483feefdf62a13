"""Studio's administration: domains, and the user profiles and spaces in them. What runs in them are apps.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateDomain.html, …/API_CreateUserProfile.html,
…/API_CreateSpace.html, https://docs.aws.amazon.com/sagemaker/latest/dg/sm-domain.html
"""

from dataclasses import replace

from sagesmith.services.sagemaker.engine import Call, Kind, Wording, new_id, updated
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

_MISSING = Wording(ResourceNotFound, "{noun} [{arn}] does not exist.")
_DUPLICATE = Wording(ResourceInUse, "{noun} [{arn}] already exists.")


def _initial(call: Call, params: Params) -> Params:
    domain = new_id("d-")
    return {"DomainId": domain, "Url": f"https://{domain}.studio.{call.context.region}.sagemaker.aws"}


def _update(call: Call, document: Document, params: Params) -> Document:
    """UpdateDomain calls the settings of RStudio otherwise, within the settings that it calls otherwise."""
    changed = updated(DOMAIN, document, params)
    settings = dict(changed.body.get("DomainSettings", {}))
    if rstudio := settings.pop("RStudioServerProDomainSettingsForUpdate", None):
        settings["RStudioServerProDomainSettings"] = {**settings.get("RStudioServerProDomainSettings", {}), **rstudio}
    return replace(changed, body={**changed.body, "DomainSettings": settings}) if settings else changed


def _check_sign_on(call: Call, params: Params) -> Params:
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
    return {}


def _check_space(params: Params) -> None:
    if bool(params.get("OwnershipSettings")) != bool(params.get("SpaceSharingSettings")):
        raise ValidationException("OwnershipSettings and SpaceSharingSettings must be specified together.")


DOMAIN = Kind(
    noun="Domain",
    initial=_initial,
    rests_as="InService",
    ascending=True,
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
    changes={"UpdateDomain": _update},
    missing=_MISSING,
    duplicate=_DUPLICATE,
)

USER_PROFILE = Kind(
    noun="UserProfile",
    parent=DOMAIN,
    initial=_check_sign_on,
    rests_as="InService",
    ascending=True,
    merges=frozenset({"UserSettings"}),
    missing=_MISSING,
    duplicate=_DUPLICATE,
)

SPACE = Kind(
    noun="Space",
    parent=DOMAIN,
    check=_check_space,
    refers={"OwnershipSettings.OwnerUserProfileName": USER_PROFILE},
    holds={"OwnershipSettings.OwnerUserProfileName": USER_PROFILE},
    rests_as="InService",
    ascending=True,
    summary={
        "SpaceSettingsSummary": "SpaceSettings",
        "SpaceSharingSettingsSummary": "SpaceSharingSettings",
        "OwnershipSettingsSummary": "OwnershipSettings",
    },
    merges=frozenset({"SpaceSettings"}),
    missing=_MISSING,
    duplicate=_DUPLICATE,
)
