"""The instances of an endpoint's variants, as values: which are wanted, which take the place of which.

An instance is one model server. A fleet is what one endpoint configuration asks for; an update starts the next fleet
beside the present one, and the present one stays until the next one serves.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

TASK_PREFIX = "serve-"
DRAIN_SECONDS = 65.0
"""A request may take 60 seconds: so long its model server stays after the routers were told of another."""
HEALTHY_AFTER_SECONDS = 60.0
"""A model server that served so long is replaced at once when it dies; one that died sooner, after a pause."""
LONGEST_PAUSE_SECONDS = 60.0
RENEWED_AFTER = 6 / 7
"""The part of its credentials' life after which an instance is replaced: a day before the end of a week."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One model server of a variant. Times are seconds since the epoch.

    Attributes:
        id: the task's.
        fleet: the number of the fleet that it belongs to.
        index: its place among the variant's instances.
        attempt: how many before it died in this place without ever having served long.
        start_at: not to be started before.
        state: what its task last said, see `compute.base.TaskState`.
        serving_since: when it was first seen serving.
        retire_at: it is no longer routed to, and is to be ended then; None while it is wanted.
        stopping_at: when it was asked to end.
        host: of a copy of an inference component the instance that it is placed on, None before it is.
    """

    id: str
    fleet: int
    variant: str
    index: int
    attempt: int
    start_at: float
    state: str = "Starting"
    serving_since: float | None = None
    retire_at: float | None = None
    stopping_at: float | None = None
    host: int | None = None

    @property
    def wanted(self) -> bool:
        return self.retire_at is None

    @property
    def serving(self) -> bool:
        return self.wanted and self.state == "Serving"


def load(stored: Iterable[dict[str, Any]]) -> list[Instance]:
    """Instances from a document."""
    return [Instance(**each) for each in stored]


def dump(instances: Iterable[Instance]) -> list[dict[str, Any]]:
    """Instances for a document."""
    return [asdict(each) for each in instances]


def plan(instances: Sequence[Instance], wanted: Mapping[tuple[int, str], int], now: float) -> list[Instance]:
    """The instances after those that are missing were added and those that are too many were retired.

    Args:
        wanted: how many there are to be, by fleet and variant.
    """
    places = {(*each, index) for each, count in wanted.items() for index in range(count)}
    filled = {(each.fleet, each.variant, each.index) for each in instances if each.wanted}
    kept = [
        retire(each, now) if each.wanted and (each.fleet, each.variant, each.index) not in places else each
        for each in instances
    ]
    return kept + [_new(fleet, variant, index, 0, now) for fleet, variant, index in sorted(places - filled)]


def renew(instances: Sequence[Instance], credentials_seconds: float, now: float) -> list[Instance]:
    """The instances after the next step of replacing those whose credentials will end, for nothing renews them inside.

    The next one in a place is started beside the present one, which is retired once the next one serves. One at a time,
    because a second model may take as much memory as the first.
    """
    places: dict[tuple[int, str, int], list[Instance]] = {}
    for each in sorted((each for each in instances if each.wanted), key=lambda each: each.start_at):
        places.setdefault((each.fleet, each.variant, each.index), []).append(each)
    replaced = {old.id for several in places.values() if several[-1].serving for old in several[:-1]}
    kept = [retire(each, now) if each.id in replaced else each for each in instances]
    due = [
        each
        for (each, *_) in places.values()
        if each.serving and now - each.start_at >= RENEWED_AFTER * credentials_seconds
    ]
    if due and all(len(several) == 1 for several in places.values()):
        kept.append(_new(due[0].fleet, due[0].variant, due[0].index, 0, now))
    return kept


def retire(instance: Instance, now: float, wait_seconds: float = 0.0) -> Instance:
    """The instance, to be ended as soon as no request can be on its way to it, and not before `wait_seconds`."""
    return replace(instance, retire_at=now + max(DRAIN_SECONDS, wait_seconds))


def dismiss(instance: Instance, now: float) -> Instance:
    """The instance, to be ended at once, whoever may still be asking it."""
    return replace(instance, retire_at=now if instance.retire_at is None else min(instance.retire_at, now))


def successor(instance: Instance, now: float) -> Instance:
    """What takes the place of one that died: at once the first time, then after ever longer pauses."""
    served = now - instance.serving_since if instance.serving_since is not None else 0.0
    attempt = 0 if served >= HEALTHY_AFTER_SECONDS else instance.attempt + 1
    pause = 0.0 if attempt <= 1 else min(2.0**attempt, LONGEST_PAUSE_SECONDS)
    after = _new(instance.fleet, instance.variant, instance.index, attempt, now + pause)
    return replace(after, host=instance.host)


def _new(fleet: int, variant: str, index: int, attempt: int, start_at: float) -> Instance:
    return Instance(f"{TASK_PREFIX}{uuid.uuid4().hex}", fleet, variant, index, attempt, start_at)
