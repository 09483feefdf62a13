"""From a kind's declaration to its operations: Create, Describe, List, Update, Delete.

What an operation takes and answers is read from the API's model, so that a declaration says only what is not there:
Describe answers with the members of its output shape that Create's input or the kind's code put into the document, and
a List's summary is projected from the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import paths, tags
from sagesmith.services.sagemaker.engine.kind import Call, Change, Kind
from sagesmith.services.sagemaker.engine.listing import lister
from sagesmith.services.sagemaker.engine.shapes import Shapes
from sagesmith.store import AlreadyExists, Document, NotFound, VersionConflict
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import ConflictException

_ATTEMPTS = 8
_NOT_STORED = frozenset({"Tags", "ClientToken", "ClientRequestToken"})


@dataclass(frozen=True, slots=True)
class View:
    """How documents of one kind are shown, worked out once from the model.

    Attributes:
        members: those of Describe's output that documents hold themselves.
        created, updated, status, reason: the output members that come from the document's own fields, empty if the
            kind has none.
    """

    kind: Kind
    members: frozenset[str]
    created: str
    updated: str
    status: str

    @classmethod
    def of(cls, kind: Kind, shapes: Shapes) -> "View":
        members = shapes.output(f"Describe{kind.noun}")

        def if_there(member: str) -> str:
            return member if member in members else ""

        return cls(
            kind,
            frozenset(members),
            if_there("CreationTime"),
            if_there("LastModifiedTime"),
            if_there(kind.status_member),
        )

    def describe(self, document: Document) -> Params:
        """The members that Describe answers with."""
        members = self.members
        answer = {member: value for member, value in document.body.items() if member in members}
        answer[self.kind.arn_member] = document.arn
        if self.created:
            answer[self.created] = document.created_at
        if self.updated:
            answer[self.updated] = document.updated_at
        if self.status:
            answer[self.status] = document.status
        answer.update(self.kind.answer(document))
        return answer

    def reader(self, path: str) -> Callable[[Document], Any]:
        """A function that reads one value out of what `describe` answers, in most cases without making the answer."""
        columns = {
            self.kind.name: "name",
            self.kind.arn_member: "arn",
            self.created: "created_at",
            self.updated: "updated_at",
            self.status: "status",
        }
        if path in columns:
            return attrgetter(columns[path])
        read = paths.reader(path)
        if self.kind.answers:
            return lambda document: read(self.describe(document))
        if path.partition(".")[0].removesuffix("[]") not in self.members:
            return lambda document: None
        return lambda document: read(document.body)


def operations(home: Home, kind: Kind, shapes: Shapes) -> dict[str, Handler]:
    """The handlers of every operation of `kind` that the API has."""
    view = View.of(kind, shapes)
    plural = kind.plural or f"{kind.noun}s"
    made: dict[str, Callable[[], Handler]] = {
        f"Create{kind.noun}": lambda: _creator(home, kind),
        f"Describe{kind.noun}": lambda: _describer(home, kind, view),
        f"List{plural}": lambda: lister(home, kind, shapes, plural, view.reader),
        f"Delete{kind.noun}": lambda: _retried(_deleter(home, kind)),
    }
    handlers = {operation: make() for operation, make in made.items() if shapes.has(operation)}
    update = f"Update{kind.noun}"
    changes = {update: _replacing(kind), **kind.changes} if shapes.has(update) else kind.changes
    for operation, change in changes.items():
        answers_arn = kind.arn_member in shapes.output(operation)
        handlers[operation] = _retried(_changer(home, kind, change, answers_arn))
    return handlers


def _creator(home: Home, kind: Kind) -> Handler:
    def create(context: RequestContext, params: Params) -> Params:
        for unbuilt in kind.unbuilt:
            unbuilt.refuse(params)
        params = {**kind.defaults, **params}
        kind.check(params)
        new_tags = tags.at_creation(params.get("Tags"))
        name = params[kind.name]
        arn = kind.arn(context, name)
        body = {member: value for member, value in params.items() if member not in _NOT_STORED}
        with home.store.write() as tx:
            call = Call(home, context, tx, time.time())
            _require_references(call, kind, params)
            body.update(kind.initial(call, params))
            document = Document(
                kind=kind.id,
                region=context.region,
                key=kind.key(name),
                name=name,
                arn=arn,
                body=body,
                status=kind.starts_as,
                facets=kind.facets(body),
            )
            try:
                tx.create(document, new_tags)
            except AlreadyExists as error:
                raise kind.duplicate(kind, arn) from error
            if kind.starts_as:
                tx.schedule(kind.id, context.region, document.key, time.time())
        return {kind.arn_member: arn}

    return create


def _describer(home: Home, kind: Kind, view: View) -> Handler:
    def describe(context: RequestContext, params: Params) -> Params:
        with home.store.read() as tx:
            document = kind.find(tx, context, params[kind.name])
        return view.describe(document)

    return describe


def _deleter(home: Home, kind: Kind) -> Handler:
    def delete(context: RequestContext, params: Params) -> Params:
        with home.store.write() as tx:
            document = kind.find(tx, context, params[kind.name])
            remains = kind.on_delete(Call(home, context, tx, time.time()), document)
            if remains is None:
                try:
                    tx.delete(kind.id, context.region, document.key)
                except NotFound as error:
                    raise kind.missing(kind, document.arn) from error
            else:
                tx.update(remains)
                tx.schedule(kind.id, context.region, document.key, time.time())
        return {}

    return delete


def _changer(home: Home, kind: Kind, change: Change, answers_arn: bool) -> Handler:
    def update(context: RequestContext, params: Params) -> Params:
        with home.store.write() as tx:
            document = kind.find(tx, context, params[kind.name])
            changed = change(Call(home, context, tx, time.time()), document, params)
            tx.update(replace(changed, facets=kind.facets(changed.body)))
            if kind.starts_as:
                tx.schedule(kind.id, context.region, document.key, time.time())
        return {kind.arn_member: document.arn} if answers_arn else {}

    return update


def _retried(handler: Handler) -> Handler:
    """`handler`, run again when somebody else changed the resource meanwhile (on PostgreSQL; SQLite has one writer)."""

    def retried(context: RequestContext, params: Params) -> Params:
        for _ in range(_ATTEMPTS):
            try:
                return handler(context, params)
            except VersionConflict:
                continue
        raise ConflictException("The resource is being changed by other requests. Try again.")

    return retried


def _replacing(kind: Kind) -> Change:
    """An Update that replaces whole members; the name stays as it was written at first."""

    def replace_members(call: Call, document: Document, params: Params) -> Document:
        kept = {member: value for member, value in params.items() if member not in _NOT_STORED and member != kind.name}
        return replace(document, body={**document.body, **kept})

    return replace_members


def _require_references(call: Call, kind: Kind, params: Params) -> None:
    for path, target in kind.refers.items():
        for name in paths.values(params, path):
            target.find(call.tx, call.context, name)
