"""Events of state changes, in the form in which SageMaker sends them to EventBridge.

An event is written in the transaction that changes the resource, whoever does so: an operation or a reconciler. What it
tells is what Describe answers at that time, with the tags. Kinds that are not here have no such event at AWS.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html,
https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-sagemaker.html
"""

import re
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from sagesmith.identifiers import random_uuid
from sagesmith.services.sagemaker.engine import Kind, View, sagemaker_shapes, view_of
from sagesmith.store import Document, Observer, Transaction
from sagesmith.wire.context import Params


def _milliseconds(seconds: float) -> Any:
    return int(seconds * 1000)


def _iso(seconds: float) -> Any:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _as_is(status: str) -> str:
    return status


def _capitals(status: str) -> str:
    """`IN_SERVICE` for `InService`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


@dataclass(frozen=True, slots=True)
class StateChange:
    """The event of one kind.

    Attributes:
        watched: members of Describe, besides the status; an event tells of any of them that changed.
        deletion: whether there is an event when the resource is gone.
        time: how its detail spells times.
        status: how its detail spells the status.
        called: the resource in the event's detail type, the words of its noun if empty.
    """

    watched: tuple[str, ...] = ()
    deletion: bool = False
    time: Callable[[float], Any] = _milliseconds
    status: Callable[[str], str] = _as_is
    called: str = ""


STATE_CHANGES: Mapping[str, StateChange] = {
    "Algorithm": StateChange(),
    "Endpoint": StateChange(status=_capitals),
    "EndpointConfig": StateChange(deletion=True),
    "FeatureGroup": StateChange(watched=("OfflineStoreStatus",)),
    "HyperParameterTuningJob": StateChange(called="HyperParameter Tuning Job"),
    "Image": StateChange(),
    "ImageVersion": StateChange(),
    "Model": StateChange(deletion=True),
    "ModelCard": StateChange(watched=("ModelCardVersion",), time=_iso),
    "ModelPackage": StateChange(watched=("ModelApprovalStatus",), time=_iso),
    "ProcessingJob": StateChange(),
    "TrainingJob": StateChange(watched=("SecondaryStatus",)),
    "TransformJob": StateChange(),
}
"""By the nouns of their kinds."""


def observer(kinds: Sequence[Kind]) -> Observer:
    """What writes the events, for `Store.on_change`."""
    watched = {kind.id: (view_of(kind), STATE_CHANGES[kind.noun]) for kind in kinds if kind.noun in STATE_CHANGES}

    def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
        document = after or before
        if document is None or document.kind not in watched:
            return
        view, change = watched[document.kind]
        if _is_told(view, change, before, after):
            tx.put_event(document.region, event_of(tx, view, change, document))

    return observe


def _is_told(view: View, change: StateChange, before: Document | None, after: Document | None) -> bool:
    if before is None:
        return True
    if after is None:
        return change.deletion
    if before.status != after.status:
        return True
    if not change.watched:
        return False
    was, now = view.describe(before), view.describe(after)
    return any(was.get(member) != now.get(member) for member in change.watched)


def event_of(tx: Transaction, view: View, change: StateChange, document: Document) -> dict[str, Any]:
    """The event of a resource as it is now."""
    detail = view.describe(document)
    if detail.get(view.status):
        detail[view.status] = change.status(detail[view.status])
    return {
        "version": "0",
        "id": random_uuid(),
        "detail-type": f"SageMaker {change.called or _words(view.kind.noun)} State Change",
        "source": "aws.sagemaker",
        "account": document.arn.split(":")[4],
        "time": _moment(int(clock.time())),
        "region": document.region,
        "resources": [document.arn],
        "detail": {**_speller(view.kind, change.time)(detail), "Tags": tx.tags(document.arn)},
    }


@lru_cache(maxsize=4)
def _moment(seconds: int) -> str:
    """A time as events spell it; many events are of the same second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def _words(noun: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", noun)


_Spell = Callable[[Any], Any]


@cache
def _speller(kind: Kind, time: Callable[[float], Any]) -> _Spell:
    """Makes a detail of what Describe answers: times as the event spells them, and nothing sensitive."""
    _, members = sagemaker_shapes().described(kind.described_by)
    return _of_members({member: _of_shape(shape, time) for member, shape in members.items()})


def _of_shape(name: str, time: Callable[[float], Any]) -> _Spell | None:
    """What spells a value of a shape, None if it is to be left out."""
    shape = sagemaker_shapes().shape(name)
    if shape.get("sensitive"):
        return None
    match shape["type"]:
        case "timestamp":
            return time
        case "structure":
            members = {member: _of_shape(each["shape"], time) for member, each in shape.get("members", {}).items()}
            return _of_members(members)
        case "list":
            spell = _of_shape(shape["member"]["shape"], time)
            return _same if spell in (None, _same) else lambda values: [spell(each) for each in values]
    return _same


def _of_members(members: Mapping[str, _Spell | None]) -> _Spell:
    hidden = {member for member, spell in members.items() if spell is None}
    spelled = {member: spell for member, spell in members.items() if spell is not None and spell is not _same}
    if not hidden and not spelled:
        return _same

    def spell(value: Params) -> Params:
        return {
            member: spelled[member](each) if member in spelled else each
            for member, each in value.items()
            if each is not None and member not in hidden
        }

    return spell


def _same(value: Any) -> Any:
    return value
