"""The lives of resources: which states a kind has here, which follows which, and what may be asked of one in which.

A lifecycle is data. The engine refuses by it before an operation changes anything; `guard` holds everybody to it who
stores a resource, a reconciler too, so that a job which has ended can never be shown as one that runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sagesmith.services.sagemaker.engine.wording import Wording
from sagesmith.store import Document, Observer, Transaction
from sagesmith.wire.context import Params

if TYPE_CHECKING:
    from sagesmith.services.sagemaker.engine.kind import Kind


class Exemption(Protocol):
    """Whether an operation may be called although the state would refuse it, given the resource and the input."""

    def __call__(self, document: Document, params: Params, /) -> bool: ...


def _never(document: Document, params: Params) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Operations that some states refuse.

    Attributes:
        operations: their names.
        states: those that refuse them.
        wording: the error, which may tell the `{status}`.
        unless: what may be asked for nevertheless.
    """

    operations: tuple[str, ...]
    states: frozenset[str]
    wording: Wording
    unless: Exemption = _never


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The states of a kind.

    States that AWS has while it works in the background, and that nothing is in here, are left out.

    Attributes:
        moves: every state → those that may follow it; what has come to one that nothing follows stays in it.
        refusals: what is refused in which states. Any other operation may be called in every state.
    """

    moves: Mapping[str, frozenset[str]]
    refusals: tuple[Refusal, ...] = ()

    def refusal(self, operation: str, state: str) -> Refusal | None:
        """How a state refuses an operation, None if it does not."""
        return next((each for each in self.refusals if operation in each.operations and state in each.states), None)


def resting(state: str) -> Lifecycle:
    """Of a mere record: it is what it is as soon as it is stored, until it is gone."""
    return Lifecycle({state: frozenset()})


def free(*states: str) -> Lifecycle:
    """Of a record whose users say in which state it is, and in which next."""
    return Lifecycle({state: frozenset(states) - {state} for state in states})


def require_state(kind: "Kind", operation: str, document: Document, params: Params) -> None:
    """Make sure that an operation may be called in the state that a resource is in.

    Raises:
        AwsError: it may not, in the lifecycle's wording.
    """
    refusal = kind.life.refusal(operation, document.status) if kind.life else None
    if refusal is not None and not refusal.unless(document, params):
        raise kind.error(refusal.wording, document.arn, document.name, status=document.status)


class IllegalMove(Exception):
    """A resource was to be stored in a state that does not follow the one it is in: a mistake of ours."""


def guard(kinds: Sequence["Kind"]) -> Observer:
    """What refuses to store a move that no lifecycle has, for `Store.on_change`."""
    lives = {kind.id: kind.life for kind in kinds if kind.life is not None}

    def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
        if before is None or after is None or before.status == after.status or after.kind not in lives:
            return
        if after.status not in lives[after.kind].moves.get(before.status, ()):
            raise IllegalMove(f"{after.arn} is {before.status}, which {after.status} does not follow.")

    return observe
