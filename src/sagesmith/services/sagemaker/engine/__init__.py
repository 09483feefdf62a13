"""The declarative resource engine: a kind is declared as data, its operations follow from the API's model.

For a module of `services.sagemaker`, besides the vocabulary (`Kind`, `Unbuilt`, `Lifecycle`, `Refusal`, `Wording` and
the wordings that several kinds share), what operations take that are written by hand. Such a module has a function
`operations(home) -> dict[str, Handler]`, by AWS's names.

* `writing(home, run, check)`, `reading(home, run)`: make the handler of `run(call, params) -> answer`, which runs in
  one transaction; a write is retried when somebody else was faster, and once only for the same client token.
* `kind.find(call.tx, call.context, *names)`: the resource of that name or ARN, or the kind's error.
  `kind.locate(kind, call, params)`: the resource that an input of its operations means. `kind.seek(…)` finds as `find`
  and is None instead of an error; `kind.error(wording, arn, name)` makes one.
* `created(call, kind, params)`: store a resource as Create does. `changed(call, kind, operation, document, params,
  change)`: change one as this operation does. `updated(kind, document, params)`: a document as the Update of the
  model makes it, for a change that does more.
* `view_of(kind).describe(document)`: what Describe answers. `lister(view_of(kind), "ListX")`: the List that would be
  made, for one that fills in members of its input first.
* `paged(items, params, key)`: one page of a sequence, and the token of the next.
* `contains(path)`: a filter of List by a part of a value. `new_id("d-")`: an id that the service makes.
"""

from collections.abc import Sequence

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine.ids import new_id
from sagesmith.services.sagemaker.engine.kind import Call, Change, Kind, Select, Unbuilt
from sagesmith.services.sagemaker.engine.lifecycle import IllegalMove, Lifecycle, Refusal, free, guard
from sagesmith.services.sagemaker.engine.listing import lister
from sagesmith.services.sagemaker.engine.operations import (
    changed,
    created,
    operations_of,
    require_references,
    updated,
)
from sagesmith.services.sagemaker.engine.pages import paged
from sagesmith.services.sagemaker.engine.paths import contains
from sagesmith.services.sagemaker.engine.relations import Relations
from sagesmith.services.sagemaker.engine.running import Run, reading, writing
from sagesmith.services.sagemaker.engine.shapes import Shapes, sagemaker_shapes
from sagesmith.services.sagemaker.engine.tags import tag_operations
from sagesmith.services.sagemaker.engine.view import View, view_of
from sagesmith.services.sagemaker.engine.wording import (
    ALREADY_EXISTING,
    ALREADY_EXISTS,
    ASSOCIATED,
    COULD_NOT_FIND,
    DOES_NOT_EXIST,
    NAME_IN_USE,
    Wording,
)
from sagesmith.wire.context import Handler

__all__ = [
    "ALREADY_EXISTING",
    "ALREADY_EXISTS",
    "ASSOCIATED",
    "COULD_NOT_FIND",
    "DOES_NOT_EXIST",
    "NAME_IN_USE",
    "Call",
    "Change",
    "IllegalMove",
    "Kind",
    "Lifecycle",
    "Refusal",
    "Run",
    "Select",
    "Shapes",
    "Unbuilt",
    "View",
    "Wording",
    "changed",
    "contains",
    "created",
    "free",
    "guard",
    "handlers_of",
    "lister",
    "new_id",
    "paged",
    "reading",
    "require_references",
    "sagemaker_shapes",
    "updated",
    "view_of",
    "writing",
]


def handlers_of(home: Home, kinds: Sequence[Kind]) -> dict[str, Handler]:
    """Every operation of `kinds`, and the tag operations for all of them."""
    relations = Relations(kinds)
    handlers = tag_operations(home, kinds)
    for kind in kinds:
        handlers.update(operations_of(home, kind, relations))
    return handlers
