"""From a kind's declaration to its operations: Create, Describe, List, Update, Delete.

What an operation takes and answers is read from the API's model, so that a declaration says only what is not there:
Describe answers with the members of its output shape that Create's input or the kind's code put into the document, a
List's summary is projected from the same, and every other operation answers with what its output has of it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import paths, quotas, tags
from sagesmith.services.sagemaker.engine.idempotency import TOKEN_MEMBERS
from sagesmith.services.sagemaker.engine.kind import Call, Change, Kind
from sagesmith.services.sagemaker.engine.lifecycle import require_state
from sagesmith.services.sagemaker.engine.listing import lister
from sagesmith.services.sagemaker.engine.relations import Relations, keep
from sagesmith.services.sagemaker.engine.running import Run, reading, writing
from sagesmith.services.sagemaker.engine.shapes import sagemaker_shapes
from sagesmith.services.sagemaker.engine.view import View, view_of
from sagesmith.store import AlreadyExists, Document, NotFound
from sagesmith.wire.context import Handler, Params

_NOT_STORED = frozenset({"Tags", *TOKEN_MEMBERS})
_TO_REMOVE = "ToRemove"


def operations_of(home: Home, kind: Kind, relations: Relations) -> dict[str, Handler]:
    """The handlers of every operation of `kind` that the API has."""
    view = view_of(kind)
    made: dict[str, Callable[[], Handler]] = {
        f"Create{kind.noun}": lambda: writing(home, _creator(view), prepare=_completer(kind)),
        f"Describe{kind.noun}": lambda: reading(home, _describer(view)),
        f"Delete{kind.noun}": lambda: writing(home, _deleter(view, relations)),
    }
    there = {each for each in made if sagemaker_shapes().has(each)}
    handlers = {operation: make() for operation, make in made.items() if operation in there}
    for operation in kind.listed_by:
        handlers[operation] = reading(home, lister(view, operation))
    update = f"Update{kind.noun}"
    changes: Mapping[str, Change] = kind.changes
    if sagemaker_shapes().has(update):
        changes = {update: lambda call, document, params: updated(kind, document, params), **changes}
    for operation, change in changes.items():
        run = _changer(view, operation, change)
        is_update = operation == update
        handlers[operation] = writing(home, run, _refuser(kind), kind.prepare) if is_update else writing(home, run)
    return handlers


def updated(kind: Kind, document: Document, params: Params) -> Document:
    """A document after an Update's members replaced what it had, or were merged into it, or removed from it."""
    body = dict(document.body)
    # What is removed is removed from what the same request gives, in whatever order its members came.
    for member, value in sorted(params.items(), key=lambda each: each[0].endswith(_TO_REMOVE)):
        if member in _NOT_STORED or member in kind.named_by or member == kind.arn_member:
            continue
        if member.endswith(_TO_REMOVE):
            whole = member.removesuffix(_TO_REMOVE)
            body[whole] = {key: kept for key, kept in body.get(whole, {}).items() if key not in value}
            continue
        target = kind.renamed.get(member, member)
        body[target] = {**body.get(target, {}), **value} if member in kind.merges else value
    return replace(document, body=body)


def _refuser(kind: Kind) -> Callable[[Params], None]:
    def refuse(params: Params) -> None:
        for unbuilt in kind.unbuilt:
            unbuilt.refuse(params)

    return refuse


def _completer(kind: Kind) -> Callable[[Home, Params], Params]:
    """What checks an input of Create and fills it in, outside the transaction."""
    refuse = _refuser(kind)

    def complete(home: Home, params: Params) -> Params:
        refuse(params)
        params = {**kind.defaults, **params}
        kind.check(params)
        tags.check(params.get("Tags"))
        return kind.prepare(home, params)

    return complete


def _creator(view: View) -> Run:
    kind = view.kind
    answer = view.answer_of(f"Create{kind.noun}")

    def create(call: Call, params: Params) -> Params:
        return answer(_stored(call, kind, params))

    return create


def created(call: Call, kind: Kind, params: Params) -> Document:
    """Store a new resource as Create does, and return it. For operations of a name of their own, such as
    ImportHubContent.

    Raises:
        AwsError: there is one already, or what it refers to is missing.
    """
    tags.check(params.get("Tags"))
    return _stored(call, kind, {**kind.defaults, **params})


def _stored(call: Call, kind: Kind, params: Params) -> Document:
    """Store a new resource of an input that is checked and filled in."""
    view, context = view_of(kind), call.context
    require_references(call, kind, params)
    body = {member: value for member, value in params.items() if member not in _NOT_STORED}
    parent = _parent_of(call, kind, params)
    if parent is not None:
        body |= {member: parent.body[of] for member, of in _names_of_parent(kind).items() if of in parent.body}
    body |= view.made_by(context)
    body |= kind.initial(call, {**params, **body})
    body = {member: value for member, value in body.items() if value is not None}
    names = [str(body[member]) for member in kind.named_by if body.get(member) is not None]
    arn = kind.arn(context, *names)
    document = Document(
        kind=kind.id,
        region=context.region,
        key=kind.key(*names),
        name=str(body.get(kind.name) or names[-1]),
        arn=arn,
        body=body,
        parent=parent.key if parent is not None else "",
        status=view.status_of(body, kind.starts_as or kind.rests_as),
        facets=kind.facets(body),
        searchable=bool(kind.search),
    )
    keep(call, kind, document)
    quotas.require_room(call, kind)
    try:
        stored = call.tx.create(document, tags.by_key(params.get("Tags")))
    except AlreadyExists as error:
        raise kind.error(kind.duplicate, arn, document.name) from error
    kind.on_create(call, stored)
    if kind.starts_as:
        call.tx.schedule(kind.id, context.region, document.key, time.time())
    return stored


def _names_of_parent(kind: Kind) -> Mapping[str, str]:
    """The members that name the parent here → there, so that its name is kept where its ARN was given."""
    return dict(zip(kind.belongs_by, kind.parent.named_by, strict=True)) if kind.parent else {}


def _parent_of(call: Call, kind: Kind, params: Params) -> Document | None:
    if kind.parent is None or any(params.get(member) is None for member in kind.belongs_by):
        return None
    return kind.parent.find(call.tx, call.context, *(params[member] for member in kind.belongs_by))


def _describer(view: View) -> Run:
    kind = view.kind

    def describe(call: Call, params: Params) -> Params:
        document = kind.locate(kind, call, params)
        answer = view.describe(document)
        if kind.looks_up:
            answer |= kind.lookup(call, document, params)
        return {view.wrapper: answer} if view.wrapper else answer

    return describe


def _deleter(view: View, relations: Relations) -> Run:
    kind = view.kind
    operation = f"Delete{kind.noun}"
    answer = view.answer_of(operation)

    def delete(call: Call, params: Params) -> Params:
        document = _locked(call, kind.locate(kind, call, params))
        require_state(kind, operation, document, params)
        relations.free(call, kind, document)
        remains = kind.on_delete(call, document)
        if remains is None:
            call.tx.delete(kind.id, document.region, document.key)
        else:
            call.tx.update(remains)
            call.tx.schedule(kind.id, document.region, document.key, time.time())
        return {**answer(document), **kind.deleted}

    return delete


def _changer(view: View, operation: str, change: Change) -> Run:
    kind = view.kind
    answer = view.answer_of(operation)
    is_update = operation == f"Update{kind.noun}"

    def update(call: Call, params: Params) -> Params:
        document = kind.locate(kind, call, params)
        if is_update:
            require_references(call, kind, params)
        return answer(changed(call, kind, operation, document, params, change))

    return update


def changed(call: Call, kind: Kind, operation: str, document: Document, params: Params, change: Change) -> Document:
    """Change a resource as this operation does, and return it as stored.

    Raises:
        AwsError: its state refuses the operation, or `change` does.
    """
    view = view_of(kind)
    present = _locked(call, document)
    require_state(kind, operation, present, params)
    made = change(call, present, params)
    body = {**made.body, **view.changed_by(call.context)}
    made = replace(made, body=body, status=view.status_of(body, made.status), facets=kind.facets(body))
    keep(call, kind, made)
    stored = call.tx.update(made)
    if kind.starts_as:
        call.tx.schedule(kind.id, document.region, document.key, time.time())
    return stored


def _locked(call: Call, document: Document) -> Document:
    """A document as it is once nobody else can change it: of many who want to, each waits for the one before, instead
    of being told to try again."""
    present = call.tx.lock(document.kind, document.region, document.key, exclusive=True)
    if present is None:
        raise NotFound(f"{document.kind} {document.key} was deleted meanwhile")
    return present


def require_references(call: Call, kind: Kind, params: Mapping[str, Any]) -> None:
    """Make sure that what an input names exists.

    Raises:
        AwsError: it does not, in the wording of its kind.
    """
    for path, target in kind.refers.items():
        for name in paths.values(params, path):
            target.find(call.tx, call.context, *target.beside(params, name))
