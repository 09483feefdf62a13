"""Lifecycle configurations: scripts that run when an app of Studio, or a notebook instance, starts.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateStudioLifecycleConfig.html,
…/API_DeleteStudioLifecycleConfig.html, …/API_CreateNotebookInstanceLifecycleConfig.html; of the wording of the latter
https://github.com/getmoto/moto/blob/master/moto/sagemaker/models.py
"""

import base64
import binascii

from sagesmith.services.sagemaker.engine import Call, Kind, Wording, updated
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

_HOOKS = ("OnCreate", "OnStart")


def _check_content(member: str, content: str) -> None:
    try:
        base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValidationException(f"{member} must be base64 encoded.") from error


def _check_studio(params: Params) -> None:
    _check_content("StudioLifecycleConfigContent", params["StudioLifecycleConfigContent"])


def _check_hooks(params: Params) -> None:
    for hook in _HOOKS:
        for script in params.get(hook) or ():
            if "Content" in script:
                _check_content(f"{hook}.Content", script["Content"])


def _find_for_notebooks(kind: Kind, call: Call, params: Params) -> Document:
    """The configuration; AWS says what it was unable to do if there is none."""
    name = params[kind.name]
    found = kind.seek(call.tx, call.context, name)
    if found is None:
        did = call.context.operation.removesuffix(kind.noun).lower()
        raise ValidationException(_UNABLE.format(did, kind.arn(call.context, name), "does not exist"))
    return found


def _update_hooks(call: Call, document: Document, params: Params) -> Document:
    _check_hooks(params)
    return updated(NOTEBOOK_INSTANCE_LIFECYCLE_CONFIG, document, params)


_UNABLE = "Unable to {} Notebook Instance Lifecycle Config '{}'. (Details: Notebook Instance Lifecycle Config {}.)"

STUDIO_LIFECYCLE_CONFIG = Kind(
    noun="StudioLifecycleConfig",
    check=_check_studio,
    filters={"AppTypeEquals": "StudioLifecycleConfigAppType"},
    missing=Wording(ResourceNotFound, "StudioLifecycleConfig [{arn}] does not exist."),
    duplicate=Wording(ResourceInUse, "StudioLifecycleConfig [{arn}] already exists."),
)

NOTEBOOK_INSTANCE_LIFECYCLE_CONFIG = Kind(
    noun="NotebookInstanceLifecycleConfig",
    locate=_find_for_notebooks,
    check=_check_hooks,
    changes={"UpdateNotebookInstanceLifecycleConfig": _update_hooks},
    missing=Wording(ValidationException, _UNABLE.format("find", "{arn}", "does not exist")),
    duplicate=Wording(ValidationException, _UNABLE.format("create", "{arn}", "already exists")),
)
