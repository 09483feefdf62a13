"""What a job is to the engine, and what a kind of job says of itself."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from sagesmith.compute.base import TaskSpec
from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Kind, Lifecycle, Refusal, Wording, sagemaker_shapes
from sagesmith.services.sagemaker.jobs.gang import Stage
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ValidationException

IN_PROGRESS, STOPPING = "InProgress", "Stopping"
ENDED = frozenset({"Completed", "Failed", "Stopped"})
WAITING, RUNNING, OVER = "waiting", "running", "ended"
"""Values of `_phase`: it has no tasks yet, it has, it has none any more."""
METRICS_IN_FULL = "_metrics_in_full"
"""The member of a job that has the names of metrics of which every value is kept, for whoever follows its epochs."""

REJECTED = Wording(ValidationException, "The request was rejected because the {title} is in status {status}.")
_NOT_ENDED = Wording(
    ResourceInUse,
    "The {title} {arn} is in status {status}: only jobs that are Completed, Failed or Stopped can be deleted.",
)

INTERRUPTED = "_interrupted"
"""A member of the document of a job whose instances are being taken away, as at AWS those of a spot request are."""


def job_lifecycle(noun: str, *more: Refusal) -> Lifecycle:
    """The states of a job: it ends by itself or is stopped, to stop it twice is to stop it, and what runs stays.

    Args:
        noun: of its operations; of batch transform jobs there is none that deletes.
        more: what else is refused in which state.
    """
    deletes = [each for each in (f"Delete{noun}",) if sagemaker_shapes().has(each)]
    return Lifecycle(
        {
            IN_PROGRESS: frozenset({STOPPING, *ENDED}),
            STOPPING: ENDED,
            **dict.fromkeys(sorted(ENDED), frozenset[str]()),
        },
        (
            Refusal((f"Stop{noun}",), ENDED, REJECTED),
            *(Refusal((each,), frozenset({IN_PROGRESS, STOPPING}), _NOT_ENDED) for each in deletes),
            *more,
        ),
    )


@dataclass(frozen=True, slots=True)
class Member:
    """One host of a gang and the task that runs there."""

    host: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Gang:
    """One attempt at a job.

    Attributes:
        id: of this attempt, no other has it.
        attempt: from 1.
        members: `algo-1` first.
    """

    id: str
    attempt: int
    members: tuple[Member, ...]

    @property
    def hosts(self) -> list[str]:
        return [each.host for each in self.members]

    def specs(self, common: TaskSpec) -> list[TaskSpec]:
        """One specification a host, of what is the same on all of them."""
        return [
            replace(common, id=each.task_id, host=each.host, hosts=self.hosts, gang=self.id, attempt=self.attempt)
            for each in self.members
        ]


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a job does not start: other jobs have the hosts (`for_hosts`), or something else that the message says."""

    for_hosts: bool
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended.

    Attributes:
        status: the job's.
        cause: more exactly, where AWS has a word for it (`MaxRuntimeExceeded`), else the status.
        at: seconds since the epoch.
        started_at: when its first task began to work; None if none did.
        message: for people.
        reason: why it failed; None if it did not.
        detail: what the tasks reported, as `compute.base.TaskEvent` has it.
    """

    status: Literal["Completed", "Failed", "Stopped"]
    cause: str
    at: float
    started_at: float | None = None
    message: str = ""
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class JobKind(Protocol):
    """What differs between kinds of jobs. Every method that returns a document changes nothing else.

    Attributes:
        declaration: its `initial` has added `beginning()`.
        task_prefix: what the ids of its tasks begin with, such as `train-`.
        log_group: where its tasks' output goes.
        noun: for people, such as `training job`.
        waits_in_log: whether only the job's log can tell that it waits, because its description has no place for it.
    """

    declaration: Kind
    task_prefix: str
    log_group: str
    noun: str
    waits_in_log: bool

    def hosts(self, body: Params) -> int:
        """How many hosts a job wants."""
        ...

    def specs(self, home: Home, document: Document, gang: Gang) -> Sequence[TaskSpec]:
        """What the node agents are to do, one specification a member, in their order."""
        ...

    def instance(self, document: Document, host: str) -> str:
        """What a job's log streams and the metrics of its hosts call one of them."""
        ...

    def retries(self, body: Params) -> int:
        """How often a job is tried again after its node was lost."""
        ...

    def waits(self, document: Document, wait: Wait, now: float) -> Document:
        """The document while it waits; the same one if it says so already."""
        ...

    def reaches(self, document: Document, stage: Stage) -> Document:
        """The document once its tasks have come to a stage, which may be the one where it is, with another message.

        A job of which the last stage's message is the document's is given back as it is.
        """
        ...

    def restarts(self, document: Document, now: float, *, interrupted: bool) -> Document:
        """The document when an attempt was interrupted, or else lost, and the next one is to begin."""
        ...

    def gives_up(self, document: Document, now: float) -> Ending | None:
        """The end of a job that waits for longer than it may."""
        ...

    def ends(self, document: Document, ending: Ending) -> Document:
        """The document after its end, its status included."""
        ...

    def follow(self, tx: Transaction, document: Document) -> None:
        """Bring what depends on a job up to what was just stored of it."""
        ...


def beginning(prefix: str) -> Params:
    """The members that the engine needs in a new job's document.

    Args:
        prefix: the kind's `task_prefix`.
    """
    return {"_task": f"{prefix}{uuid.uuid4().hex[:20]}", "_attempt": 1, "_phase": WAITING}


def gang_of(document: Document, hosts: int) -> Gang:
    """The present attempt at a job."""
    attempt = document.body["_attempt"]
    gang = f"{document.body['_task']}-{attempt}"
    return Gang(gang, attempt, tuple(Member(f"algo-{each}", f"{gang}-{each}") for each in range(1, hosts + 1)))


def noting(document: Document, wait: Wait) -> Document:
    """`JobKind.waits` of a kind whose log alone tells that it waits."""
    if document.body.get("_waits_for") == wait.message:
        return document
    return replace(document, body={**document.body, "_waits_for": wait.message})


def spent_seconds(document: Document) -> float:
    """How long former attempts at a job have worked."""
    return float(document.body.get("_spent", 0.0))


def move(transitions: Sequence[Params], status: str, message: str, now: float) -> list[Params]:
    """Secondary status transitions after one more event: the current one's message changes, or it ends and the next
    begins.

    Args:
        now: seconds since the epoch.
    """
    current = transitions[-1]
    if current["Status"] == status:
        return [*transitions[:-1], {**current, "StatusMessage": message}]
    ended = {**current, "EndTime": max(now, current["StartTime"])}
    return [*transitions[:-1], ended, {"Status": status, "StartTime": ended["EndTime"], "StatusMessage": message}]
