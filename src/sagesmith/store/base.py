"""The store's vocabulary: documents, queries, pages. See `sagesmith.store.Store` for what can be done with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar


@dataclass(frozen=True, slots=True)
class Document:
    """One resource as stored.

    Attributes:
        kind: the resource kind, such as `training-job`.
        region: documents live in a region; nothing reads across regions by accident.
        key: unique within (kind, region). The name for most kinds, `parent/name` for children.
        name: what NameContains looks at and Lists sort by.
        arn: unique.
        parent: the key of the resource it belongs to, empty if none.
        status: the value of the kind's status member, empty if it has none.
        created_at, updated_at: seconds since the epoch, UTC.
        version: counts changes from 1; an update must name the version that it read.
        body: members as the API spells them, plain JSON values.
        facets: exact-match values that Lists filter by, besides status and parent.
        searchable: whether `Transaction.search` finds it; decided when it is created.
    """

    kind: str
    region: str
    key: str
    name: str
    arn: str
    body: dict[str, Any]
    parent: str = ""
    status: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    version: int = 1
    facets: Mapping[str, str] = field(default_factory=dict)
    searchable: bool = False


class Heading(NamedTuple):
    """What Lists show of most documents, without their bodies."""

    id: int
    name: str
    arn: str
    parent: str
    status: str
    created_at: float
    updated_at: float


Listed = TypeVar("Listed", Document, Heading)

SortKey = Literal["name", "created_at", "updated_at", "status"]


@dataclass(frozen=True, slots=True)
class Query:
    """Which documents of one kind in one region, in which order, how many. Times are seconds since the epoch; `after`
    and `before` are exclusive. `token` is a page token from an earlier Page of the same query."""

    kind: str
    region: str
    name_contains: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    updated_after: float | None = None
    updated_before: float | None = None
    status: str | None = None
    parent: str | None = None
    facets: Mapping[str, str] = field(default_factory=dict)
    sort: SortKey = "created_at"
    descending: bool = True
    limit: int = 10
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Listed]):
    documents: list[Listed]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class Work:
    """One resource that a reconciler is to look at; claimed under a lease."""

    kind: str
    region: str
    key: str
    claim: str
    """Proof of the lease, needed to finish the work."""


@dataclass(frozen=True, slots=True)
class Place:
    """A resource's place in the line for compute capacity.

    Attributes:
        arrived_at: seconds since the epoch; the earliest is first.
        hosts: how many it wants.
        held: whether it has them.
    """

    kind: str
    region: str
    key: str
    arrived_at: float
    hosts: int
    held: bool = False


class LogEvent(NamedTuple):
    """One line of a log stream. Times are milliseconds since the epoch.

    A tuple, for a page has ten thousand of them.
    """

    timestamp_ms: int
    message: str
    ingestion_ms: int = 0
    sequence: int = 0
    """Position in its stream, from 1, assigned by the store."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    region: str
    name: str
    created_ms: int
    retention_days: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class LogStream:
    """One log stream; the event times are None as long as it has no event."""

    group: str
    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    last_ingestion_ms: int | None
    last_sequence: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event and the name of the stream that it is in."""

    stream: str
    event: LogEvent


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of a metric. `at_ms` is in milliseconds since the epoch; `step` is the iteration, if it has one."""

    name: str
    at_ms: int
    value: float
    step: int | None = None


class StoreError(Exception):
    """Base of what the store raises."""


class AlreadyExists(StoreError):
    """A document with this (kind, region, key) is there."""


class NotFound(StoreError):
    """No such document, tag target, log group or stream."""


class VersionConflict(StoreError):
    """The document changed since it was read."""


class InvalidToken(StoreError):
    """A page token that is not ours, or of another query."""


class CannotOpen(StoreError):
    """The database cannot be used; the message says why, without a password."""


class StoreAway(StoreError):
    """The database's server does not answer at present. What was being written is stored, or not at all."""


class SchemaMismatch(StoreError):
    """The database was written by a newer version."""
