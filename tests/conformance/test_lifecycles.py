"""The states of every kind: what a state refuses is refused and changes nothing, and no move is stored that is not
declared."""

import itertools
from collections.abc import Iterator
from typing import Any

from sagesmith.services.sagemaker.engine import IllegalMove, Lifecycle, view_of
from sagesmith.store import Document
from tests.conformance.checks import check
from tests.conformance.generate import Draw, Size
from tests.conformance.model import Params, input_of
from tests.conformance.subject import Resource, Subject
from tests.conformance.test_kinds import update_request


@check(examples=1)
def test_a_kind_that_has_states_says_what_follows_what(subject: Subject, draw: Draw) -> None:
    kind = subject.declared
    view, life = view_of(kind), kind.life
    subject.expect(bool(view.status) == (life is not None), "states without a lifecycle", view.status)
    if life is None:
        return
    known = {"", *subject.described_shape().members[view.status].enum}
    assert known >= {*life.moves, *(state for following in life.moves.values() for state in following)}
    assert life.moves.keys() >= {state for following in life.moves.values() for state in following}
    assert life.moves.keys() >= {state for refusal in life.refusals for state in refusal.states}
    assert subject.platform.built >= {operation for refusal in life.refusals for operation in refusal.operations}
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    assert subject.platform.document(resource.region, kind.id).status in life.moves


@check(examples=1, recorded=True)
def test_what_a_state_refuses_is_refused_and_changes_nothing(subject: Subject, draw: Draw) -> None:
    kind = subject.declared
    for life, state, operation in trials(subject):
        refusal = life.refusal(operation, state)
        if refusal is None:
            continue
        resource, document = in_state(subject, draw, state)
        request = asked(subject, draw, resource, operation)
        if refusal.unless(document, request):
            continue
        before = everything(subject, resource)
        refused = subject.refusal(resource.region, operation, **request)
        error = kind.error(refusal.wording, document.arn, document.name, status=state)
        right = refused is not None and (refused.code, refused.status, refused.message) == (
            error.code,
            error.status,
            error.message,
        )
        subject.expect(right, f"{operation} in state {state}: not refused", refused)
        assert everything(subject, resource) == before
        subject.platform.coverage.violations[operation] += 1


@check(examples=1)
def test_what_a_state_allows_leads_to_one_that_may_follow(subject: Subject, draw: Draw) -> None:
    for life, state, operation in trials(subject):
        refusal = life.refusal(operation, state)
        resource, document = in_state(subject, draw, state)
        request = asked(subject, draw, resource, operation)
        if refusal is not None and not refusal.unless(document, request):
            continue
        refused = subject.refusal(resource.region, operation, **request)
        subject.expect(refused is None, f"{operation} in state {state}: not allowed", refused)
        found = subject.platform.find(document)
        assert found is None or found.status in {state, *life.moves[state]}


@check(examples=1, recorded=True)
def test_no_move_is_stored_that_is_not_declared(subject: Subject, draw: Draw) -> None:
    kind, tried = subject.declared, False
    if kind.life is None:
        return
    states = {*kind.life.moves, *subject.described_shape().members[view_of(kind).status].enum}
    for state, following in kind.life.moves.items():
        document = in_state(subject, draw, state)[1]
        for other in sorted(states - {state}):
            if other in following:
                assert moved(subject, document, other)
                document = subject.platform.put(subject.platform.find(document) or document, status=state)
            else:
                tried = True
                assert not moved(subject, document, other), f"{kind.noun} from {state} to {other}"
    assert tried or kind.life.moves.keys() == states


def moved(subject: Subject, document: Document, state: str) -> bool:
    """Whether the platform stores a resource in another state than the one it is in."""
    try:
        subject.platform.move(document, state)
    except IllegalMove:
        return False
    return True


@check(needs="update", examples=1)
def test_a_word_that_an_update_may_say_follows_every_other(subject: Subject, draw: Draw) -> None:
    for member, words in words_of_update(subject):
        for first in words:
            resource, now = subject.create(draw, subject.platform.new_region(), Size.MINIMAL), ""
            for second in words:
                if member == view_of(subject.declared).status and not follows(subject, now, (first, second)):
                    continue
                for now in (first, second):
                    update = subject.operations.update
                    subject.call(resource.region, update, **subject.identity(update, resource), **{member: now})
                    assert subject.describe(resource)[member] == now


def words_of_update(subject: Subject) -> Iterator[tuple[str, list[str]]]:
    """The members of Update that take one of several words, which Describe shows again."""
    update = subject.operations.update
    left_out = {*subject.facts.without, *subject.declared.named_by}
    for member, shape in input_of(update).members.items() if not subject.facts.lives else ():
        shown_again = subject.facts.shown.get(member, member) in subject.described_shape().members
        if getattr(shape, "enum", None) and shown_again and not {member, f"{update}:{member}"} & left_out:
            yield member, shape.enum


def follows(subject: Subject, now: str, states: tuple[str, str]) -> bool:
    """Whether a resource can come from a state to the first of others, and then to the second."""
    life, update = subject.declared.life, subject.operations.update
    assert life is not None
    path = [now, *states] if now else [*states]
    return all(
        later in {earlier, *life.moves[earlier]} and life.refusal(update, earlier) is None
        for earlier, later in itertools.pairwise(path)
    )


def trials(subject: Subject) -> Iterator[tuple[Lifecycle, str, str]]:
    """Every state of a kind with every operation that changes one: Update, Delete, Stop and what else is declared."""
    kind, operations = subject.declared, subject.operations
    named = {operations.update, operations.delete, *kind.changes} & subject.platform.built
    for state in kind.life.moves if kind.life else ():
        for operation in sorted(named):
            yield kind.life, state, operation


def in_state(subject: Subject, draw: Draw, state: str) -> tuple[Resource, Document]:
    """A new resource that was put into a state, whatever it takes to come there."""
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    document = subject.platform.document(resource.region, subject.declared.id)
    view = view_of(subject.declared)
    body = {**document.body, view.status: state} if view.status_given and state else document.body
    return resource, subject.platform.put(document, status=state, body=body)


def asked(subject: Subject, draw: Draw, resource: Resource, operation: str) -> Params:
    """A request of an operation on a resource that nothing but its state could refuse."""
    if operation == subject.operations.update:
        return update_request(subject, draw, resource, Size.MINIMAL)
    return subject.identity(operation, resource)


def everything(subject: Subject, resource: Resource) -> tuple[Any, ...]:
    """What a refusal must leave as it was: documents, tags, events, the answer of Describe, and what was done."""
    platform, region = subject.platform, resource.region
    done = [operation for operation, error in platform.records(region) if error is None]
    return platform.stored(region), done, subject.describe(resource)
