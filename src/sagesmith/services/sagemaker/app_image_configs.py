"""App image configurations: how an image runs as an app of Studio, with which file system and which kernels.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateAppImageConfig.html,
…/API_FileSystemConfig.html; of the wording https://github.com/aws-samples/sagemaker-studio-custom-image-samples/issues/17
"""

from dataclasses import replace
from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind, Wording, updated
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound

_OF_APPS = ("KernelGatewayImageConfig", "JupyterLabAppImageConfig", "CodeEditorAppImageConfig")
_FILE_SYSTEM: dict[str, Any] = {"MountPath": "/home/sagemaker-user", "DefaultUid": 1000, "DefaultGid": 100}


def _completed(params: Params) -> Params:
    """The configurations of apps, with what AWS fills in where a file system is given in part."""
    return {
        member: {**config, "FileSystemConfig": {**_FILE_SYSTEM, **config["FileSystemConfig"]}}
        for member in _OF_APPS
        if "FileSystemConfig" in (config := params.get(member) or {})
    }


def _initial(call: Call, params: Params) -> Params:
    return _completed(params)


def _update(call: Call, document: Document, params: Params) -> Document:
    changed = updated(APP_IMAGE_CONFIG, document, params)
    return replace(changed, body={**changed.body, **_completed(params)})


APP_IMAGE_CONFIG = Kind(
    noun="AppImageConfig",
    initial=_initial,
    changes={"UpdateAppImageConfig": _update},
    missing=Wording(ResourceNotFound, "AppImageConfig [{arn}] does not exist."),
    duplicate=Wording(ResourceInUse, "The ID or Name specified is already in use."),
)
