"""The events of log streams.

Events are packed: a chunk (see `logchunks`) is a run of successive events of one stream. The last chunk of a stream
grows with every append until it holds SEAL_BYTES; it is compressed then and never touched again. What is appended at
once is cut into chunks of CHUNK_BYTES, so that a page of a stream that grows fast is few of them.
"""

import heapq
import zlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, tuple_, update

from sagesmith.store.base import InvalidToken, LogEvent, StreamEvent
from sagesmith.store.logchunks import PACKED_BYTES, LogPage, Piece, modern, pack, unpack
from sagesmith.store.loggroups import MAKE_GROUP, add_stream, need_group, need_stream, now_ms
from sagesmith.store.schema import log_chunks, log_streams
from sagesmith.store.tokens import decode_token, encode_token

SEAL_BYTES = 64 * 1024
CHUNK_BYTES = 128 * 1024
"""For each chunk of a page other threads have the interpreter twice: while its row is fetched, and while that is
decompressed. With fewer and larger ones the process keeps more memory: twice as large, 30 MiB for a job of 100 MB."""
EVENT_OVERHEAD_BYTES = 26
"""What CloudWatch Logs counts for an event besides its message (API reference, PutLogEvents)."""
_SWEEP = 18
"""How many chunks are asked for at once: a page of 1 MiB begins and ends in the middle of one, and none may be larger
than SEAL_BYTES."""

_s, _c = log_streams.c, log_chunks.c
_CHUNK = (_c.first_sequence, _c.last_sequence, _c.min_ms, _c.max_ms, _c.sealed, _c.payload)
_OF_STREAM: Select[Any] = select(*_CHUNK).where(_c.stream_id == bindparam("b_id"))
_TAIL = _OF_STREAM.where(_c.sealed == 0).order_by(_c.first_sequence.desc()).limit(1)
_HOLDER = (
    select(func.coalesce(func.max(_c.first_sequence), 0))
    .where(_c.stream_id == bindparam("b_id"), _c.first_sequence <= bindparam("b_after") + 1)
    .scalar_subquery()
)
"""Where the chunk begins that may have the next event: by key, for a long stream has thousands before it."""
_FORWARD = _OF_STREAM.where(_c.first_sequence >= _HOLDER, _c.last_sequence > bindparam("b_after")).order_by(
    _c.first_sequence
)
_BACKWARD = _OF_STREAM.where(_c.first_sequence < bindparam("b_before")).order_by(_c.first_sequence.desc())
_ADD_CHUNK = insert(log_chunks)
_GROW_CHUNK = update(log_chunks).where(_c.stream_id == bindparam("b_id"), _c.first_sequence == bindparam("b_first"))
_GROW_STREAM = update(log_streams).where(_s.id == bindparam("b_id"))


def _size(event: LogEvent) -> int:
    return len(event.message.encode()) + EVENT_OVERHEAD_BYTES


def _sizes(events: Sequence[LogEvent]) -> Iterator[int]:
    messages = [event.message for event in events]
    if "".join(messages).isascii():
        return (len(message) + EVENT_OVERHEAD_BYTES for message in messages)
    return (len(message.encode()) + EVENT_OVERHEAD_BYTES for message in messages)


def append(
    connection: Connection,
    region: str,
    group: str,
    stream: str,
    events: Sequence[LogEvent],
    source_offset: int | None,
) -> None:
    """Add events, making group and stream if missing; see `Transaction.append_log`."""
    now = now_ms()
    connection.execute(MAKE_GROUP[connection.dialect.name], {"region": region, "name": group, "created_ms": now})
    add_stream(connection, region, group, stream)
    row = need_stream(connection, region, group, stream, lock=True)
    changes: dict[str, Any] = {"b_id": row.id}
    if source_offset is not None:
        changes["source_offset"] = source_offset
    if events:
        _append_chunks(connection, row.id, row.last_sequence, events, now)
        times = [event.timestamp_ms for event in events]
        changes |= {
            "first_ms": min(times) if row.first_ms is None else min(row.first_ms, *times),
            "last_ms": max(row.last_ms, *times),
            "last_ingestion_ms": now,
            "last_sequence": row.last_sequence + len(events),
            "stored_bytes": row.stored_bytes + sum(_sizes(events)),
        }
    if len(changes) > 1:
        connection.execute(_GROW_STREAM, changes)


def _append_chunks(connection: Connection, stream_id: int, last: int, events: Sequence[LogEvent], now: int) -> None:
    tail = connection.execute(_TAIL, {"b_id": stream_id}).first()
    first, payload = (last + 1, bytearray()) if tail is None else (tail.first_sequence, bytearray(_payload(tail)))
    low, high = (None, None) if tail is None else (tail.min_ms, tail.max_ms)
    fresh = tail is None
    place = 0
    for end in _cuts(events, CHUNK_BYTES - len(payload)):
        part = events[place:end]
        if payload:
            payload += b","
        payload += pack(part, now)
        times = [event.timestamp_ms for event in part]
        low = min(times) if low is None else min(low, *times)
        high = max(times) if high is None else max(high, *times)
        full = end < len(events) or len(payload) >= SEAL_BYTES
        values = {
            "last_sequence": last + end,
            "min_ms": low,
            "max_ms": high,
            "sealed": int(full),
            "payload": zlib.compress(payload, 1) if full else bytes(payload),
        }
        if fresh:
            connection.execute(_ADD_CHUNK, {"stream_id": stream_id, "first_sequence": first, **values})
        else:
            connection.execute(_GROW_CHUNK, {"b_id": stream_id, "b_first": first, **values})
        first, payload, low, high, fresh = last + end + 1, bytearray(), None, None, True
        place = end


def _cuts(events: Sequence[LogEvent], room: int) -> Iterator[int]:
    """Where the parts end that go into one chunk each, the first of which has `room` bytes left."""
    sizes = list(accumulate(len(event.message) + PACKED_BYTES for event in events))
    end = 0
    while end < len(events):
        before = sizes[end - 1] if end else 0
        end = min(bisect_left(sizes, before + room, lo=end) + 1, len(events))
        yield end
        room = CHUNK_BYTES


def expire(connection: Connection, region: str, group: str, before_ms: int, limit: int) -> int:
    """Remove chunks of a group all of whose events are older than `before_ms`; see `Transaction.expire_log`."""
    streams = select(_s.id).where(_s.region == region, _s.log_group == group)
    # Locked, for whoever appends to a stream has read its last chunk, which it will change.
    quiet = streams.where(_s.last_ms < before_ms).with_for_update()
    old = select(_c.stream_id, _c.first_sequence).where(_c.stream_id.in_(streams), _c.max_ms < before_ms)
    removed = 0
    for part in (old.where(_c.sealed == 1), old.where(_c.stream_id.in_(quiet))):
        chosen = tuple_(_c.stream_id, _c.first_sequence).in_(part.limit(limit - removed))
        removed += connection.execute(delete(log_chunks).where(chosen)).rowcount
    return removed


def offset(connection: Connection, region: str, group: str, stream: str) -> int:
    row = connection.execute(
        select(_s.source_offset).where(_s.region == region, _s.log_group == group, _s.name == stream)
    ).first()
    return 0 if row is None else int(row.source_offset)


def _payload(chunk: Row[Any]) -> bytes:
    if not chunk.sealed:
        return modern(bytes(chunk.payload))
    # In one piece, which is seldom more than this: for each piece of its answer zlib gives the interpreter away.
    return modern(zlib.decompress(chunk.payload, bufsize=CHUNK_BYTES + SEAL_BYTES))


def _unpack(chunk: Row[Any]) -> list[tuple[int, int, int, str]]:
    """The chunk's events as (timestamp, sequence, ingestion time, message)."""
    return [
        (timestamp, sequence, ingestion, message)
        for sequence, (timestamp, ingestion, message) in enumerate(unpack(_payload(chunk)), chunk.first_sequence)
    ]


def _piece(chunk: Row[Any], after: int, before: int, start_ms: int | None, end_ms: int | None) -> Piece:
    """The chunk's events whose sequence lies between two, both exclusive, and whose time is at least the one and less
    than the other."""
    piece = Piece(_payload(chunk), range(chunk.first_sequence, chunk.last_sequence + 1))
    piece.between(after, before)
    if (start_ms is not None and chunk.min_ms < start_ms) or (end_ms is not None and chunk.max_ms >= end_ms):
        piece.within(start_ms, end_ms)
    return piece


def read(
    connection: Connection,
    region: str,
    group: str,
    stream: str,
    after_sequence: int | None,
    before_sequence: int | None,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
    forward: bool,
    max_bytes: int | None,
) -> LogPage:
    """Events of one stream; see `Transaction.read_log`."""
    need_group(connection, region, group)
    row = need_stream(connection, region, group, stream)
    after = after_sequence if after_sequence is not None else 0
    before = before_sequence if before_sequence is not None else row.last_sequence + 1
    statement: Select[Any] = _FORWARD if forward else _BACKWARD
    if start_ms is not None:
        statement = statement.where(_c.max_ms >= bindparam("b_start"))
    if end_ms is not None:
        statement = statement.where(_c.min_ms < bindparam("b_end"))
    pieces: list[Piece] = []
    found = used = 0
    place = after if forward else before
    while found < limit and after < before:
        parameters = {"b_id": row.id, "b_start": start_ms, "b_end": end_ms}
        bound = {"b_after": place} if forward else {"b_before": place}
        seen = 0
        with connection.execute(statement.limit(_SWEEP), {**parameters, **bound}) as chunks:
            for chunk in chunks:
                seen += 1
                piece = _piece(chunk, after, before, start_ms, end_ms)
                there = len(piece.sequences)
                room = None if max_bytes is None else max_bytes - used
                piece.limit(limit - found, room, forward, least=0 if pieces else 1)
                if piece.sequences:
                    pieces.append(piece)
                    found += len(piece.sequences)
                    used += len(piece.payload) + 1
                if len(piece.sequences) < there:
                    return _page(pieces, forward)
                place = chunk.last_sequence if forward else chunk.first_sequence
        if seen < _SWEEP:
            break
        if not forward and place <= after:
            break
    return _page(pieces, forward)


def _page(pieces: list[Piece], forward: bool) -> LogPage:
    return LogPage.of(pieces if forward else reversed(pieces))


def filter_(
    connection: Connection,
    region: str,
    group: str,
    streams: Collection[str] | None,
    prefix: str,
    start_ms: int | None,
    end_ms: int | None,
    matches: Callable[[str], bool] | None,
    limit: int,
    token: str | None,
    max_scanned: int,
    max_bytes: int | None,
) -> tuple[list[StreamEvent], str | None]:
    """Events of many streams in the order of their time; see `Transaction.filter_logs`."""
    need_group(connection, region, group)
    after = (-1, -1, -1)
    if token is not None:
        match decode_token(token):
            case ["events", str(of), int(timestamp), int(stream_id), int(sequence)] if of == group:
                after = (timestamp, stream_id, sequence)
            case _:
                raise InvalidToken("the token belongs to another query")
    names = _streams(connection, region, group, streams, prefix)
    found: list[StreamEvent] = []
    place = after
    used = 0
    begin = max(start_ms or 0, after[0])
    for scanned, (timestamp, stream_id, sequence, ingestion, message) in enumerate(
        _in_time_order(connection, sorted(names), begin, end_ms, after)
    ):
        if len(found) == limit or scanned == max_scanned:
            return found, encode_token("events", group, *place)
        if matches is None or matches(message):
            event = LogEvent(timestamp, message, ingestion, sequence)
            used += _size(event)
            if max_bytes is not None and found and used > max_bytes:
                return found, encode_token("events", group, *place)
            found.append(StreamEvent(names[stream_id], event))
        place = (timestamp, stream_id, sequence)
    return found, None


def _streams(
    connection: Connection, region: str, group: str, streams: Collection[str] | None, prefix: str
) -> dict[int, str]:
    if streams is not None:
        return {(row := need_stream(connection, region, group, name)).id: row.name for name in streams}
    rows = connection.execute(select(_s.id, _s.name).where(_s.region == region, _s.log_group == group))
    return {row.id: row.name for row in rows if row.name.startswith(prefix)}


def _in_time_order(
    connection: Connection, stream_ids: list[int], begin: int, end: int | None, after: tuple[int, int, int]
) -> Iterator[tuple[int, int, int, int, str]]:
    """All events behind `after` as (timestamp, stream id, sequence, ingestion, message), sorted.

    Chunks come by the time of their first event; an event may leave once no chunk that is still to come can have an
    earlier one.
    """
    waiting: list[tuple[int, int, int, int, str]] = []
    for chunk in _chunks_in_time_order(connection, stream_ids, begin, end):
        while waiting and waiting[0][0] < chunk.min_ms:
            yield heapq.heappop(waiting)
        for timestamp, sequence, ingestion, message in _unpack(chunk):
            event = (timestamp, chunk.stream_id, sequence, ingestion, message)
            if timestamp >= begin and (end is None or timestamp < end) and event[:3] > after:
                heapq.heappush(waiting, event)
    while waiting:
        yield heapq.heappop(waiting)


def _chunks_in_time_order(
    connection: Connection, stream_ids: list[int], begin: int, end: int | None
) -> Iterator[Row[Any]]:
    statement = select(_c.stream_id, _c.first_sequence, _c.min_ms).where(
        _c.stream_id.in_(stream_ids), _c.max_ms >= begin
    )
    if end is not None:
        statement = statement.where(_c.min_ms < end)
    index = sorted((row.min_ms, row.stream_id, row.first_sequence) for row in connection.execute(statement))
    whole: Select[Any] = select(_c.stream_id, *_CHUNK).where(
        _c.stream_id == bindparam("b_id"), _c.first_sequence == bindparam("b_first")
    )
    for _, stream_id, first in index:
        yield connection.execute(whole, {"b_id": stream_id, "b_first": first}).one()
