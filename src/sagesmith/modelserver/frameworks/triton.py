"""Triton's model repositories as AWS's Triton container serves them: one model of the artifact by its v2 protocol.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-models-frameworks-triton.html and
https://github.com/triton-inference-server/server/blob/main/docker/sagemaker/serve
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.answers import Answer
from sagesmith.modelserver.errors import BadInput, HandlerFailed, LoadError
from sagesmith.modelserver.triton import models, tensors

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

_DEFAULT = "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME"


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    """The artifact's default model.

    Raises:
        LoadError: it is not told which one that is, or it cannot be loaded.
    """
    found = models.find(model_dir)
    name = os.environ.get(_DEFAULT) or (next(iter(found)) if len(found) == 1 else None)
    if name is None:
        raise LoadError(
            f"{_DEFAULT} is not set, and the artifact has {', '.join(found) or 'no model'}: pack <name>/config.pbtxt "
            f"and <name>/1/model.onnx or model.py, with <name> at the archive's root."
        )
    if name not in found:
        raise LoadError(f"{_DEFAULT}={name}: the artifact has {', '.join(found) or 'no model'}")
    return handlers.Handlers(models.load(found[name]), model_dir, _transform)


def _transform(model: Any, content: Any, content_type: str, _accept: str, _context: handlers.Context) -> Answer:
    """Triton's answer to a request, its refusals included."""
    try:
        request = tensors.read(content.encode("utf-8") if isinstance(content, str) else content, content_type)
        body, kind = tensors.write(model.name, model.version, request, model.run(request))
    except (BadInput, HandlerFailed) as error:
        return Answer(error.status, codecs.JSON, codecs.to_json({"error": str(error)}))
    return Answer(200, kind, body)
