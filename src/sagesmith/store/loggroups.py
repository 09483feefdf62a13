"""Log groups, streams and their events.: what there is. Their events are in `events`."""

import time
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import AlreadyExists, InvalidToken, LogGroup, LogStream, NotFound
from sagesmith.store.dialects import Contains
from sagesmith.store.schema import log_chunks, log_groups, log_streams
from sagesmith.store.tokens import decode_token, encode_token

_g, _s, _c = log_groups.c, log_streams.c, log_chunks.c
MAKE_GROUP = {
    "sqlite": sqlite.insert(log_groups).on_conflict_do_nothing().returning(_g.name),
    "postgresql": postgresql.insert(log_groups).on_conflict_do_nothing().returning(_g.name),
}
_MAKE_STREAM = {
    "sqlite": sqlite.insert(log_streams).on_conflict_do_nothing().returning(_s.id),
    "postgresql": postgresql.insert(log_streams).on_conflict_do_nothing().returning(_s.id),
}
_GROUP = (_g.region == bindparam("b_region"), _g.name == bindparam("b_group"))
_STREAMS = (_s.region == bindparam("b_region"), _s.log_group == bindparam("b_group"))
_STREAM = (*_STREAMS, _s.name == bindparam("b_stream"))
_GET_GROUP = select(log_groups).where(*_GROUP)
_GET_STREAM = select(log_streams).where(*_STREAM)
_BYTES = select(func.coalesce(func.sum(_s.stored_bytes), 0)).where(*_STREAMS)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_group(connection: Connection, region: str, group: str) -> None:
    made = connection.execute(
        MAKE_GROUP[connection.dialect.name],
        {"region": region, "name": group, "created_ms": now_ms()},
    ).first()
    if made is None:
        raise AlreadyExists(f"log group {group} exists in {region}")


def get_group(connection: Connection, region: str, group: str) -> LogGroup | None:
    where = {"b_region": region, "b_group": group}
    row = connection.execute(_GET_GROUP, where).first()
    if row is None:
        return None
    stored = connection.execute(_BYTES, where).scalar_one()
    return LogGroup(row.region, row.name, row.created_ms, row.retention_days, int(stored))


def need_group(connection: Connection, region: str, group: str) -> None:
    if connection.execute(_GET_GROUP, {"b_region": region, "b_group": group}).first() is None:
        raise NotFound(f"log group {group} does not exist in {region}")


def set_retention(connection: Connection, region: str, group: str, days: int | None) -> None:
    changed = connection.execute(
        update(log_groups).where(*_GROUP), {"b_region": region, "b_group": group, "retention_days": days}
    ).rowcount
    if changed != 1:
        raise NotFound(f"log group {group} does not exist in {region}")


def delete_group(connection: Connection, region: str, group: str) -> None:
    where = {"b_region": region, "b_group": group}
    need_group(connection, region, group)
    connection.execute(delete(log_chunks).where(_c.stream_id.in_(select(_s.id).where(*_STREAMS))), where)
    connection.execute(delete(log_streams).where(*_STREAMS), where)
    connection.execute(delete(log_groups).where(*_GROUP), where)


def list_groups(
    connection: Connection, region: str, prefix: str, contains: str, limit: int, token: str | None
) -> tuple[list[LogGroup], str | None]:
    after = ""
    if token is not None:
        match decode_token(token):
            case ["groups", str(after)]:
                pass
            case _:
                raise InvalidToken("the token belongs to another query")
    conditions = [_g.region == region, _g.name > after]
    if prefix:
        conditions.append(and_(_g.name >= prefix, _g.name < _end_of_prefix(prefix)))
    if contains:
        conditions.append(Contains(_g.name, contains))
    rows = connection.execute(select(log_groups).where(*conditions).order_by(_g.name).limit(limit + 1)).all()
    token = encode_token("groups", rows[limit - 1].name) if len(rows) > limit else None
    found = []
    for row in rows[:limit]:
        stored = connection.execute(_BYTES, {"b_region": region, "b_group": row.name}).scalar_one()
        found.append(LogGroup(region, row.name, row.created_ms, row.retention_days, int(stored)))
    return found, token


def _end_of_prefix(prefix: str) -> str:
    """A text that sorts behind everything that starts with `prefix`."""
    return prefix + "\U0010ffff"


def create_stream(connection: Connection, region: str, group: str, stream: str) -> None:
    need_group(connection, region, group)
    if not add_stream(connection, region, group, stream):
        raise AlreadyExists(f"log stream {stream} exists in {group}")


def add_stream(connection: Connection, region: str, group: str, stream: str) -> bool:
    made = connection.execute(
        _MAKE_STREAM[connection.dialect.name],
        {
            "region": region,
            "log_group": group,
            "name": stream,
            "created_ms": now_ms(),
            "last_ms": 0,
            "last_sequence": 0,
            "source_offset": 0,
            "stored_bytes": 0,
        },
    ).first()
    return made is not None


def delete_stream(connection: Connection, region: str, group: str, stream: str) -> None:
    need_group(connection, region, group)
    row = need_stream(connection, region, group, stream)
    connection.execute(delete(log_chunks).where(_c.stream_id == row.id))
    connection.execute(delete(log_streams).where(_s.id == row.id))


def need_stream(connection: Connection, region: str, group: str, stream: str, lock: bool = False) -> Row[Any]:
    statement = _GET_STREAM.with_for_update() if lock else _GET_STREAM
    row = connection.execute(statement, {"b_region": region, "b_group": group, "b_stream": stream}).first()
    if row is None:
        raise NotFound(f"log stream {stream} does not exist in {group}")
    return row


def _stream_of(row: Row[Any]) -> LogStream:
    return LogStream(
        row.log_group,
        row.name,
        row.created_ms,
        row.first_ms,
        row.last_ms if row.last_sequence else None,
        row.last_ingestion_ms,
        row.last_sequence,
        row.stored_bytes,
    )


def get_stream(connection: Connection, region: str, group: str, stream: str) -> LogStream | None:
    row = connection.execute(_GET_STREAM, {"b_region": region, "b_group": group, "b_stream": stream}).first()
    return None if row is None else _stream_of(row)


def list_streams(
    connection: Connection,
    region: str,
    group: str,
    prefix: str,
    by_last_event: bool,
    descending: bool,
    limit: int,
    token: str | None,
) -> tuple[list[LogStream], str | None]:
    need_group(connection, region, group)
    asked: list[str | float] = ["streams", group, prefix, by_last_event, descending]
    conditions = [_s.region == region, _s.log_group == group]
    if prefix:
        conditions.append(and_(_s.name >= prefix, _s.name < _end_of_prefix(prefix)))
    here = tuple_(_s.last_ms, _s.name) if by_last_event else tuple_(_s.name)
    if token is not None:
        parts = decode_token(token)
        match parts[len(asked) :]:
            case [int(), str()] if by_last_event and parts[: len(asked)] == asked:
                after = tuple_(*parts[len(asked) :])
            case [str()] if not by_last_event and parts[: len(asked)] == asked:
                after = tuple_(*parts[len(asked) :])
            case _:
                raise InvalidToken("the token belongs to another query")
        conditions.append(here < after if descending else here > after)
    order = [_s.last_ms, _s.name] if by_last_event else [_s.name]
    rows = connection.execute(
        select(log_streams)
        .where(*conditions)
        .order_by(*(column.desc() if descending else column.asc() for column in order))
        .limit(limit + 1)
    ).all()
    token = None
    if len(rows) > limit:
        end = rows[limit - 1]
        token = encode_token(*asked, *([end.last_ms] if by_last_event else []), end.name)
    return [_stream_of(row) for row in rows[:limit]], token
