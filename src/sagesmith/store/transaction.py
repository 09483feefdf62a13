"""What can be done within one transaction."""

import builtins
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import Connection

from sagesmith.store import (
    associations,
    audit,
    documents,
    events,
    indexing,
    keyrings,
    leases,
    listing,
    logevents,
    loggroups,
    metrics,
    places,
    rollups,
    searching,
    sources,
    tagging,
    timeseries,
)
from sagesmith.store.associations import Association, AssociationPage, AssociationQuery, End
from sagesmith.store.audit import AuditPage, AuditQuery, AuditRecord
from sagesmith.store.base import (
    Document,
    Heading,
    LogEvent,
    LogGroup,
    LogStream,
    MetricPoint,
    Page,
    Place,
    Query,
    StreamEvent,
    Work,
)
from sagesmith.store.events import EventPage
from sagesmith.store.logchunks import LogPage
from sagesmith.store.searching import Found, Search
from sagesmith.store.timeseries import Aggregate, Datum, Metric, MetricQuery, Window

_NO_TAGS: Mapping[str, str] = MappingProxyType({})

Observer = Callable[["Transaction", Document | None, Document | None], None]
"""Is told of every document that is created, changed or deleted, as it was and as it is, in the same transaction."""


class Transaction:
    """One transaction, made by `Store.read` or `Store.write`; belongs to the thread that made it.

    What a failed call raises leaves the transaction usable and changes nothing.
    """

    __slots__ = ("_connection", "_observers", "scheduled", "unindexed")

    def __init__(self, connection: Connection, observers: Sequence[Observer] = ()) -> None:
        self._connection = connection
        self._observers = observers
        self.scheduled = False
        """Whether work was scheduled, so that somebody should look."""
        self.unindexed = False
        """Whether documents were stored that the full-text indexes do not have yet."""

    def fingerprint(self, first: str) -> str:
        """The fingerprint of the keyring whose database it is: `first`, if it is nobody's yet."""
        return keyrings.fingerprint(self._connection, first)

    def create(self, document: Document, tags: Mapping[str, str] = _NO_TAGS) -> Document:
        """Store a new document. `created_at` and `updated_at` become now where they are 0, the version becomes 1.

        Raises:
            AlreadyExists: one of this (kind, region, key) or of this ARN is there.
        """
        self.unindexed = True
        stored = documents.create(self._connection, document, tags)
        self._tell(None, stored)
        return stored

    def get(self, kind: str, region: str, key: str) -> Document | None:
        return documents.get(self._connection, kind, region, key)

    def lock(self, kind: str, region: str, key: str, exclusive: bool = False) -> Document | None:
        """As `get`, and the document stays until this transaction ends: nobody deletes it, but it may change.

        Args:
            exclusive: nobody else locks it either, so that who wants to delete it can see whether something needs it.
        """
        return documents.lock(self._connection, kind, region, key, exclusive)

    def get_by_arn(self, arn: str) -> Document | None:
        return documents.get_by_arn(self._connection, arn)

    def update(self, document: Document, touch: bool = True) -> Document:
        """Replace parent, status, facets and body; name, ARN and creation time stay what they are.

        Args:
            document: its version must be the stored one.
            touch: set `updated_at` to now; otherwise it becomes the document's.

        Returns:
            The document as stored, its version one higher.

        Raises:
            NotFound: there is none.
            VersionConflict: it changed since it was read.
        """
        before, after = documents.update_stored(self._connection, document, touch)
        self._tell(before, after)
        return after

    def delete(self, kind: str, region: str, key: str) -> None:
        """Remove a document with its tags and facets; work that is scheduled for it stays. Raises NotFound."""
        self._tell(documents.remove(self._connection, kind, region, key), None)

    def _tell(self, before: Document | None, after: Document | None) -> None:
        for observer in self._observers:
            observer(self, before, after)

    def list(self, query: Query) -> Page[Document]:
        """One page. Raises InvalidToken, and ValueError if the limit is not positive."""
        return listing.page(self._connection, query)

    def every(self, query: Query) -> Iterator[Document]:
        """All documents that match, read a page of the query's limit at a time."""
        page = self.list(query)
        yield from page.documents
        while page.next_token is not None:
            page = self.list(replace(query, token=page.next_token))
            yield from page.documents

    def headings(self, query: Query) -> Page[Heading]:
        """One page without facets and bodies, which costs half as much. Raises as `list`."""
        return listing.headings(self._connection, query)

    def count(self, query: Query) -> int:
        """How many documents match, whatever the query's limit and token."""
        return listing.count(self._connection, query)

    def search(self, asked: Search) -> Found:
        """One page of searchable documents, in a transaction that was begun as `indexed`.

        Raises:
            InvalidToken: the token is of another search.
            ValueError: the limit is not positive.
        """
        return searching.search(self._connection, asked)

    def has_unindexed(self) -> bool:
        """Whether there are documents that the full-text indexes do not have yet."""
        return indexing.is_due(self._connection)

    def index(self, most: int) -> int:
        """Put up to `most` documents into the full-text indexes; those that somebody else is changing are left.

        Returns:
            How many there were.
        """
        return indexing.index(self._connection, most)

    def unindexed_documents(self) -> Sequence[int]:
        """Which documents the full-text indexes do not have yet."""
        return indexing.left(self._connection)

    def index_one(self, document_id: int) -> None:
        """Put one of those into the full-text indexes, once nobody else is changing it."""
        indexing.index_one(self._connection, document_id)

    def regions(self) -> Sequence[str]:
        """The regions in which there is any document."""
        return documents.regions(self._connection)

    def counts(self) -> Sequence[tuple[str, str, int]]:
        """How many documents there are: (kind, status, count), in this order."""
        return documents.counts(self._connection)

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of whatever has this ARN, by key; empty if it has none or does not exist."""
        return tagging.get(self._connection, arn)

    def put_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags, replacing those of the same key. That something has this ARN is for the caller to see to."""
        documents.retag(self._connection, arn, tags, ())

    def remove_tags(self, arn: str, keys: Collection[str]) -> None:
        """Remove tags; keys that are not there are none of its business."""
        documents.retag(self._connection, arn, {}, keys)

    def schedule(self, kind: str, region: str, key: str, due_at: float) -> None:
        """Have a reconciler look at a resource at `due_at`, seconds since the epoch; the earliest of all calls wins."""
        leases.schedule(self._connection, kind, region, key, due_at)
        self.scheduled = True

    def claim(self, owner: str, now: float, lease_seconds: float, limit: int) -> builtins.list[Work]:
        """Take up to `limit` pieces of work that are due and that nobody holds, the longest due first."""
        return leases.claim(self._connection, owner, now, lease_seconds, limit)

    def finish(self, work: Work, due_at: float | None) -> bool:
        """Give work back, to be looked at again at `due_at` or when it was scheduled meanwhile, whichever is earlier.

        Returns:
            False, changing nothing, if the lease was lost.
        """
        return leases.finish(self._connection, work, due_at)

    def next_due(self) -> float | None:
        """When `claim` will next find something, or a lease ends; None if nothing is scheduled."""
        return leases.next_due(self._connection)

    def unclaim(self, owner: str) -> int:
        """Make everything due at once that `owner` holds; returns how much that was."""
        released = leases.unclaim(self._connection, owner, time.time())
        self.scheduled = self.scheduled or released > 0
        return released

    def enter_line(self, place: Place) -> None:
        """Add a place to the line for compute capacity; nothing if it has one."""
        places.enter(self._connection, place)

    def take_hosts(self, kind: str, region: str, key: str, capacity: int) -> bool:
        """Give a place its hosts if it is the first in line and they are free; who wants more than there is gets them
        when it is alone.

        Args:
            capacity: how many hosts there are.

        Returns:
            Whether it holds them, since now or before.
        """
        return places.take(self._connection, kind, region, key, capacity)

    def hold_hosts(self, kind: str, region: str, key: str) -> None:
        """Give a place its hosts, whose turn ever it is: another place has just left them to it."""
        places.hold(self._connection, kind, region, key)

    def holders(self) -> builtins.list[Place]:
        """All places that hold hosts."""
        return places.holders(self._connection)

    def give_hosts_back(self, kind: str, region: str, key: str) -> None:
        """Let a place wait again, where it stood in line."""
        places.give_back(self._connection, kind, region, key)

    def leave_line(self, kind: str, region: str, key: str) -> None:
        """Remove a place; nothing if there is none."""
        places.leave(self._connection, kind, region, key)

    def place(self, kind: str, region: str, key: str) -> Place | None:
        """The place of a resource, None if it has none."""
        return places.get(self._connection, kind, region, key)

    def first_in_line(self) -> Place | None:
        """The place that waits for longest."""
        return places.first(self._connection)

    def hosts_held(self) -> int:
        """How many hosts are held by all places together."""
        return places.held(self._connection)

    def places(self, kind: str) -> builtins.list[Place]:
        """All places of a kind."""
        return places.of_kind(self._connection, kind)

    def create_log_group(self, region: str, group: str) -> None:
        """Raises AlreadyExists."""
        loggroups.create_group(self._connection, region, group)

    def log_group(self, region: str, group: str) -> LogGroup | None:
        return loggroups.get_group(self._connection, region, group)

    def set_log_retention(self, region: str, group: str, days: int | None) -> None:
        """None keeps events for ever. Raises NotFound."""
        loggroups.set_retention(self._connection, region, group, days)

    def delete_log_group(self, region: str, group: str) -> None:
        """Remove a group with its streams and events. Raises NotFound."""
        loggroups.delete_group(self._connection, region, group)

    def log_groups(
        self, region: str, prefix: str = "", contains: str = "", limit: int = 50, token: str | None = None
    ) -> tuple[builtins.list[LogGroup], str | None]:
        """One page of groups by name, and the token of the next. Raises InvalidToken."""
        return loggroups.list_groups(self._connection, region, prefix, contains, limit, token)

    def create_log_stream(self, region: str, group: str, stream: str) -> None:
        """Raises NotFound (the group), AlreadyExists."""
        loggroups.create_stream(self._connection, region, group, stream)

    def log_stream(self, region: str, group: str, stream: str) -> LogStream | None:
        return loggroups.get_stream(self._connection, region, group, stream)

    def delete_log_stream(self, region: str, group: str, stream: str) -> None:
        """Remove a stream with its events. Raises NotFound."""
        loggroups.delete_stream(self._connection, region, group, stream)

    def log_streams(
        self,
        region: str,
        group: str,
        prefix: str = "",
        order_by: Literal["name", "last_event"] = "name",
        descending: bool = False,
        limit: int = 50,
        token: str | None = None,
    ) -> tuple[builtins.list[LogStream], str | None]:
        """One page of streams, and the token of the next. Raises NotFound (the group), InvalidToken."""
        return loggroups.list_streams(
            self._connection, region, group, prefix, order_by == "last_event", descending, limit, token
        )

    def append_log(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[LogEvent],
        source_offset: int | None = None,
    ) -> None:
        """Add events at a stream's end, making group and stream if they are missing.

        Args:
            events: their `sequence` is ignored; an `ingestion_ms` of 0 becomes now.
            source_offset: up to where the source that the events come from has been read. It is stored in this same
                transaction, so that who follows a file neither loses nor doubles a line.
        """
        logevents.append(self._connection, region, group, stream, events, source_offset)

    def expire_log(self, region: str, group: str, before_ms: int, limit: int = 500) -> int:
        """Free the space of events older than `before_ms`, a chunk at a time, so that some of them may stay.

        Returns:
            How many chunks were removed: if it was `limit`, there may be more. Others wait for this transaction.
        """
        return logevents.expire(self._connection, region, group, before_ms, limit)

    def log_offset(self, region: str, group: str, stream: str) -> int:
        """The last `source_offset` of a stream, 0 if there was none."""
        return logevents.offset(self._connection, region, group, stream)

    def read_log(
        self,
        region: str,
        group: str,
        stream: str,
        after_sequence: int | None = None,
        before_sequence: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 10_000,
        forward: bool = True,
        max_bytes: int | None = None,
    ) -> LogPage:
        """Events of one stream in the order of their sequence.

        Args:
            after_sequence, before_sequence: both exclusive.
            start_ms, end_ms: the former inclusive, the latter exclusive.
            forward: take the first events there are; otherwise the last, in the same order.
            max_bytes: stop before the page takes more, though never before the first event.

        Raises:
            NotFound: no such group or stream.
        """
        return logevents.read(
            self._connection,
            region,
            group,
            stream,
            after_sequence,
            before_sequence,
            start_ms,
            end_ms,
            limit,
            forward,
            max_bytes,
        )

    def filter_logs(
        self,
        region: str,
        group: str,
        streams: Collection[str] | None = None,
        prefix: str = "",
        start_ms: int | None = None,
        end_ms: int | None = None,
        matches: Callable[[str], bool] | None = None,
        limit: int = 10_000,
        token: str | None = None,
        max_scanned: int = 200_000,
        max_bytes: int | None = None,
    ) -> tuple[builtins.list[StreamEvent], str | None]:
        """Events of several streams in the order of their time, and the token of the next page.

        Args:
            streams: only these; otherwise all whose name starts with `prefix`.
            matches: which messages are wanted.
            max_scanned: how many events to look at; a page may be empty and yet have a next.
            max_bytes: stop before messages (26 bytes more each) take more, though never before the first event.

        Raises:
            NotFound: no such group, or one of `streams` is not there.
            InvalidToken: the token is not of this group.
        """
        return logevents.filter_(
            self._connection,
            region,
            group,
            streams,
            prefix,
            start_ms,
            end_ms,
            matches,
            limit,
            token,
            max_scanned,
            max_bytes,
        )

    def put_metrics(self, resource: str, points: Sequence[MetricPoint]) -> None:
        """Add points to the metrics of whatever has this ARN. That something has it is for the caller to see to."""
        metrics.put(self._connection, resource, points)

    def metric_points(
        self,
        resource: str,
        name: str,
        since_ms: int | None = None,
        until_ms: int | None = None,
        first_step: int | None = None,
        last_step: int | None = None,
    ) -> builtins.list[MetricPoint]:
        """The points of one metric in the order of their time, those of the same time as they came. All bounds are
        inclusive; a bound on steps leaves out the points that have none."""
        return metrics.read(self._connection, resource, name, since_ms, until_ms, first_step, last_step)

    def remove_metrics(self, resource: str) -> None:
        """Remove all metrics of a resource."""
        metrics.remove(self._connection, resource)

    def put_statistics(self, region: str, data: Sequence[Datum]) -> None:
        """Add values to metrics, making those that are not there. Old data are kept by the period that they would have
        by now (`timeseries.RESOLUTIONS`)."""
        timeseries.put(self._connection, region, data)

    def statistics(self, region: str, metric: Metric, window: Window) -> builtins.list[Aggregate]:
        """The values of a metric by period and unit, in the order of their time; empty if there is no such metric."""
        return timeseries.read(self._connection, region, metric, window)

    def metrics(self, query: MetricQuery) -> tuple[builtins.list[Metric], str | None]:
        """One page of metrics, and the token of the next. Raises InvalidToken."""
        return timeseries.metrics(self._connection, query)

    def statistics_offset(self, source: str) -> int:
        """Up to where a source of statistics was read, 0 if it never was."""
        return sources.offset(self._connection, source)

    def advance_statistics(self, source: str, before: int, after: int) -> None:
        """Say that a source was read from offset `before` to `after`; with `put_statistics` in the same transaction
        none of it is lost or doubled.

        Raises:
            VersionConflict: somebody else read it meanwhile.
        """
        sources.advance(self._connection, source, before, after)

    def forget_statistics_sources(self, before: int) -> None:
        """Forget the offsets of sources that were not read since a time, in seconds since the epoch."""
        sources.forget(self._connection, before)

    def roll_up_statistics(self, start: int, end: int, period: int, after: int, limit: int) -> int | None:
        """Make one datum a period of the data of a window (seconds since the epoch, multiples of `period`), for the
        series behind the id `after`: up to `limit` of them, or until as many data were read.

        Returns:
            The id of the last one; None if there are no more.
        """
        return rollups.roll_up(self._connection, start, end, period, after, limit)

    def prune_statistics(self, before: int, after: int, limit: int) -> int | None:
        """Remove the data from before a time of up to `limit` series behind the id `after`, and series that have no
        others. Returns as `roll_up_statistics`."""
        return rollups.prune(self._connection, before, after, limit)

    def associate(self, association: Association) -> Association:
        """Store an edge. That its ends exist, and stay, is for the caller to see to (see `lock`). Raises AlreadyExists
        if there is one from the same source to the same destination."""
        return associations.add(self._connection, association)

    def disassociate(self, region: str, source: str, destination: str) -> None:
        """Remove an edge. Raises NotFound."""
        associations.remove(self._connection, region, source, destination)

    def disassociate_all(self, region: str, arn: str) -> None:
        """Remove every edge that begins or ends at whatever has this ARN; there may be none."""
        associations.remove_all(self._connection, region, arn)

    def associations(self, query: AssociationQuery) -> AssociationPage:
        """One page. Raises InvalidToken, and ValueError if the limit is not positive."""
        return associations.page(self._connection, query)

    def associations_of(self, region: str, end: End, arns: Collection[str]) -> builtins.list[Association]:
        """All edges that have one of `arns` at this end, in no order."""
        return associations.of(self._connection, region, end, arns)

    def put_audit_record(self, record: AuditRecord) -> None:
        """Add a record to the audit trail, a microsecond later for each other that is of its time."""
        audit.add(self._connection, record)

    def audit_record(self, region: str, at_us: int) -> AuditRecord | None:
        return audit.get(self._connection, region, at_us)

    def audit_records(self, query: AuditQuery) -> AuditPage:
        """One page. Raises InvalidToken, and ValueError if the limit is not positive."""
        return audit.page(self._connection, query)

    def prune_audit_records(self, before_us: int, limit: int) -> int:
        """Remove up to `limit` records that are older than that, the oldest first; returns how many."""
        return audit.prune(self._connection, before_us, limit)

    def put_event(self, region: str, body: Mapping[str, Any]) -> None:
        """Add an event, JSON values, behind all that are there."""
        events.add(self._connection, region, body)

    def events(self, cursor: str | None = None, limit: int = 100) -> EventPage:
        """The events that were committed after those up to `cursor`, or from the oldest on, in their order.

        Raises:
            InvalidToken: the cursor is not from an earlier page.
        """
        return events.page(self._connection, cursor, limit)

    def prune_events(self, before_us: int, limit: int) -> int:
        """Remove those of the `limit` oldest events that are older than that; returns how many."""
        return events.prune(self._connection, before_us, limit)
