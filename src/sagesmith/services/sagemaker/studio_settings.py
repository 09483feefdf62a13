"""What the settings of domains, user profiles and spaces name: images, their configurations, and lifecycle scripts.

The paths are read from the API's model, so that apps of every type are among them.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html, …/API_ResourceSpec.html,
…/API_CustomImage.html, …/API_DeleteStudioLifecycleConfig.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.app_image_configs import APP_IMAGE_CONFIG
from sagesmith.services.sagemaker.engine import Call, Kind, sagemaker_shapes
from sagesmith.services.sagemaker.engine.paths import first, values
from sagesmith.services.sagemaker.lifecycle_configs import STUDIO_LIFECYCLE_CONFIG
from sagesmith.services.sagemaker.studio_images import IMAGE, IMAGE_VERSION
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

IMAGE_VERSIONS = "_image_versions"
"""The member of a document that names the versions of its custom images, as their keys."""

_NAMING: Mapping[str, Kind] = {
    "SageMakerImageArn": IMAGE,
    "SageMakerImageVersionArn": IMAGE_VERSION,
    "LifecycleConfigArn": STUDIO_LIFECYCLE_CONFIG,
    "LifecycleConfigArns": STUDIO_LIFECYCLE_CONFIG,
    "BuiltInLifecycleConfigArn": STUDIO_LIFECYCLE_CONFIG,
    "ImageName": IMAGE,
    "AppImageConfigName": APP_IMAGE_CONFIG,
}
_NOTHING = "None"


def named_in(operation: str) -> dict[str, Kind]:
    """The paths of an operation's input at which settings name a resource → its kind."""
    members = sagemaker_shapes().input(operation)
    return {
        path: kind
        for member, shape in members.items()
        if member.removesuffix("ForUpdate").endswith("Settings")
        for path, kind in _naming(member, shape)
    }


def held_by(operation: str) -> dict[str, Kind]:
    """The paths at which settings name what cannot be deleted as long as they do: lifecycle configurations of users,
    custom images, and their versions."""
    held = {
        path: kind
        for path, kind in named_in(operation).items()
        if (kind is STUDIO_LIFECYCLE_CONFIG and path.partition(".")[0].endswith("UserSettings"))
        or path.endswith("CustomImages[].ImageName")
    }
    return {**held, f"{IMAGE_VERSIONS}[]": IMAGE_VERSION}


def check_settings(params: Params) -> None:
    """Refuse settings of users and spaces, whatever member of an input they are, that contradict themselves.

    Raises:
        ValidationException: the API reference rules them out.
    """
    for member, settings in params.items():
        if member.removesuffix("ForUpdate").endswith("Settings") and isinstance(settings, dict):
            _check_settings(member, settings)


def _check_settings(member: str, settings: Params) -> None:
    landing = settings.get("DefaultLandingUri") or ""
    if settings.get("StudioWebPortal") == "DISABLED" and landing.startswith("studio:"):
        raise ValidationException(f"{member}.DefaultLandingUri can be {landing} only if StudioWebPortal is ENABLED.")
    instance = first(settings, "JupyterServerAppSettings.DefaultResourceSpec.InstanceType")
    if instance not in (None, "system"):
        raise ValidationException(
            f"{member}.JupyterServerAppSettings: JupyterServer apps only support the InstanceType system, not "
            f"{instance}."
        )
    for hidden in values(settings, "StudioWebPortalSettings.HiddenSageMakerImageVersionAliases[]"):
        if not hidden.get("SageMakerImageName") or not hidden.get("VersionAliases"):
            raise ValidationException(
                f"{member}.StudioWebPortalSettings: SageMakerImageName and VersionAliases must be specified for each "
                "of HiddenSageMakerImageVersionAliases."
            )


def cleared(home: Home, params: Params) -> Params:
    """An input without the ARNs that are said to be `None`, by which a setting is cleared."""
    found: Params = _cleared(params)
    return found


def image_versions(call: Call, settings: Any) -> list[str]:
    """The keys of the versions of custom images that settings name by their number.

    Raises:
        ResourceNotFound: there is no such version.
    """
    if isinstance(settings, list):
        return [key for each in settings for key in image_versions(call, each)]
    if not isinstance(settings, dict):
        return []
    if "ImageVersionNumber" in settings:
        names = (settings["ImageName"], str(settings["ImageVersionNumber"]))
        return [IMAGE_VERSION.find(call.tx, call.context, *names).key]
    return [key for each in settings.values() for key in image_versions(call, each)]


def _naming(path: str, shape: str) -> Iterator[tuple[str, Kind]]:
    shapes = sagemaker_shapes()
    described = shapes.shape(shape)
    if described["type"] == "list":
        yield from _naming(f"{path}[]", described["member"]["shape"])
    elif described["type"] == "structure":
        for member, inner in shapes.members(shape).items():
            yield from _naming(f"{path}.{member}", inner)
    elif kind := _NAMING.get(path.rpartition(".")[2].removesuffix("[]")):
        yield path, kind


def _cleared(value: Any) -> Any:
    if isinstance(value, list):
        return [_cleared(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        member: [arn for arn in each if arn != _NOTHING] if member.endswith("Arns") else _cleared(each)
        for member, each in value.items()
        if not (member.endswith("Arn") and each == _NOTHING)
    }
