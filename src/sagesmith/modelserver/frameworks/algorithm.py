"""The built-in algorithms' images: a request is the algorithm's own business from its bytes to those of the answer.

Which algorithm it is, the image says by `SAGESMITH_ALGORITHM`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sagesmith.algorithms import serving
from sagesmith.algorithms.errors import (
    BadRequest,
    CustomerError,
    Failure,
    NoContent,
    UnsupportedAccept,
    UnsupportedContentType,
)
from sagesmith.modelserver import handlers
from sagesmith.modelserver.errors import BadInput, HandlerFailed, InvocationError, LoadError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

_HANDLERS = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
_NO_CONTENT = 204
_STATUS = {UnsupportedContentType: 415, UnsupportedAccept: 406}


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    """The model that a job of the algorithm has left.

    Raises:
        LoadError: it is none of this algorithm's.
    """
    name = os.environ["SAGESMITH_ALGORITHM"]
    # JumpStart's models bring a script because the SDK wants one; it has nothing in it.
    if module is not None and any(hasattr(module, name) for name in _HANDLERS):
        raise LoadError("A built-in algorithm's image serves models without a script; this one has code.")
    try:
        predictor = serving.load(name, model_dir)
    except CustomerError as error:
        raise LoadError(error.reason) from error

    def transform(model: Any, content: Any, content_type: str, accept: str, context: handlers.Context) -> Any:
        body = content.encode("utf-8") if isinstance(content, str) else content
        try:
            return model.answer(body, content_type, accept)
        except NoContent:
            context.set_response_status(_NO_CONTENT)
            return b"", content_type
        except Failure as error:
            raise _refused(error) from error

    return handlers.Handlers(predictor, model_dir, transform)


def _refused(error: Failure) -> InvocationError:
    kind = type(error).__name__
    if isinstance(error, BadRequest):
        status = _STATUS.get(type(error), 400)
        return BadInput(str(error), kind=kind, status=status)
    return HandlerFailed(str(error), kind=kind)
