"""Log events: put, read one stream, search many."""

import re
from itertools import pairwise
from typing import Any
from zlib import crc32

import orjson

from sagesmith.services.logs.naming import (
    DAY_MS,
    existing_group,
    invalid,
    invalid_token,
    named_group,
    no_stream,
    now_ms,
    oldest_kept_ms,
)
from sagesmith.services.logs.patterns import compile_pattern
from sagesmith.store import InvalidToken, LogEvent, LogGroup, NotFound, Store, StreamEvent
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import NotImplementedException

PAGE_BYTES = 1 << 20
PAGE_EVENTS = 10_000
BATCH_BYTES = 1 << 20
EVENT_OVERHEAD_BYTES = 26
TOO_OLD_MS = 14 * DAY_MS
TOO_NEW_MS = 2 * 3_600_000

_TOKEN = re.compile(r"([fb])/(\d{1,56})")


def put_log_events(store: Store, context: RequestContext, params: Params) -> Params:
    """Store a batch. Events that are too old, too new or past the retention are left out and reported."""
    name, stream, batch = params["logGroupName"], params["logStreamName"], params["logEvents"]
    times = [event["timestamp"] for event in batch]
    if any(earlier > later for earlier, later in pairwise(times)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > DAY_MS:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    size = sum(len(event["message"].encode()) + EVENT_OVERHEAD_BYTES for event in batch)
    if size > BATCH_BYTES:
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
    with store.write() as tx:
        group = existing_group(tx, context, name)
        if tx.log_stream(context.region, name, stream) is None:
            raise no_stream()
        first, last, rejected = _accepted(times, group)
        events = [LogEvent(event["timestamp"], event["message"]) for event in batch[first:last]]
        if events:
            tx.append_log(context.region, name, stream, events)
        if (oldest := oldest_kept_ms(group)) is not None:
            tx.expire_log(context.region, name, oldest)
        after = tx.log_stream(context.region, name, stream)
    answer: Params = {"nextSequenceToken": f"{after.last_sequence if after else 0:056d}"}
    if rejected:
        answer["rejectedLogEventsInfo"] = rejected
    return answer


def _accepted(times: list[int], group: LogGroup) -> tuple[int, int, dict[str, int]]:
    """The range of what is taken of a sorted batch, and what is answered of the rest."""
    now, rejected = now_ms(), {}
    too_old = sum(time < now - TOO_OLD_MS for time in times)
    oldest = oldest_kept_ms(group)
    expired = 0 if oldest is None else sum(time < oldest for time in times)
    too_new = sum(time > now + TOO_NEW_MS for time in times)
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(times) - too_new
    return max(too_old, expired), len(times) - too_new, rejected


def _start(params: Params, group: LogGroup) -> int | None:
    """The first time to show: what the caller asks for, less what is past the retention."""
    starts = [start for start in (params.get("startTime"), oldest_kept_ms(group)) if start is not None]
    return max(starts, default=None)


def get_log_events(store: Store, context: RequestContext, params: Params) -> Params:
    """One page of a stream. `nextForwardToken` is the token that was given once there is nothing more (yet)."""
    name, stream = named_group(context, params), params["logStreamName"]
    direction, place = _parse_token(params.get("nextToken"))
    with store.read() as tx:
        group = existing_group(tx, context, name)
        described = tx.log_stream(context.region, name, stream)
        if described is None:
            raise no_stream()
        found = tx.read_log(
            context.region,
            name,
            stream,
            after_sequence=place if direction == "f" else None,
            before_sequence=place if direction == "b" else None,
            start_ms=_start(params, group),
            end_ms=params.get("endTime"),
            limit=params.get("limit", PAGE_EVENTS),
            forward=direction == "f" or (direction is None and params.get("startFromHead", False)),
            max_bytes=PAGE_BYTES,
        )
    if found.last_sequence:
        last, first = found.last_sequence, found.first_sequence
    elif direction == "f":
        last, first = place, place + 1
    elif direction == "b":
        last, first = max(place - 1, 0), place
    else:
        last, first = described.last_sequence, described.last_sequence + 1
    return {
        "events": orjson.Fragment(found.encoded),
        "nextForwardToken": f"f/{last:056d}",
        "nextBackwardToken": f"b/{first:056d}",
    }


def _parse_token(token: str | None) -> tuple[str | None, int]:
    if token is None:
        return None, 0
    found = _TOKEN.fullmatch(token)
    if found is None or int(found[2]) >= 1 << 63:
        raise invalid_token()
    return found[1], int(found[2])


def filter_log_events(store: Store, context: RequestContext, params: Params) -> Params:
    """Events of a group's streams in the order of their time."""
    name, prefix = named_group(context, params), params.get("logStreamNamePrefix")
    if params.get("startFromHead") is False:
        raise NotImplementedException("FilterLogEvents with startFromHead=false is not implemented.")
    streams = params.get("logStreamNames")
    if streams and prefix:
        raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive.")
    matches = compile_pattern(params.get("filterPattern") or "")
    end = params.get("endTime")
    with store.read() as tx:
        group = existing_group(tx, context, name)
        try:
            found, token = tx.filter_logs(
                context.region,
                name,
                streams or None,
                prefix or "",
                _start(params, group),
                # Here, unlike in GetLogEvents, an event of this very time is included.
                None if end is None else end + 1,
                matches,
                params.get("limit", PAGE_EVENTS),
                params.get("nextToken"),
                max_bytes=PAGE_BYTES,
            )
        except NotFound:
            raise no_stream() from None
        except InvalidToken:
            raise invalid_token() from None
    return {"events": [_as_found(found_event) for found_event in found], "searchedLogStreams": [], "nextToken": token}


def _as_found(found: StreamEvent) -> dict[str, Any]:
    event = found.event
    return {
        "logStreamName": found.stream,
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingestion_ms,
        "eventId": f"{event.timestamp_ms:020d}{crc32(found.stream.encode()):010d}{event.sequence:026d}",
    }
