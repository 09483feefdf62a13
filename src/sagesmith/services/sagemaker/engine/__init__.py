"""The declarative resource engine: a kind is declared as data, its operations follow from the API's model."""

from collections.abc import Sequence

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine.kind import (
    Call,
    Kind,
    Unbuilt,
    already_existing,
    could_not_find,
)
from sagesmith.services.sagemaker.engine.operations import View, operations
from sagesmith.services.sagemaker.engine.shapes import Shapes, sagemaker_shapes
from sagesmith.services.sagemaker.engine.tags import tag_operations
from sagesmith.wire.context import Handler

__all__ = [
    "Call",
    "Kind",
    "Shapes",
    "Unbuilt",
    "View",
    "already_existing",
    "could_not_find",
    "handlers_of",
    "sagemaker_shapes",
]


def handlers_of(home: Home, kinds: Sequence[Kind]) -> dict[str, Handler]:
    """Every operation of `kinds`, and the tag operations for all of them."""
    shapes = sagemaker_shapes()
    handlers = tag_operations(home, kinds)
    for kind in kinds:
        handlers.update(operations(home, kind, shapes))
    return handlers
