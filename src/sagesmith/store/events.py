"""Events: what happened to resources, kept for whoever wants to act on it, in the order in which it was committed.

A reader says up to where it has read and misses nothing. On SQLite there is one writer, whose numbers count up. On
PostgreSQL numbers may be committed in another order than they were given out, so that events are ordered by their
transaction first, and shown only once no older transaction is still open
(https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select, text, tuple_

from sagesmith.store.base import InvalidToken
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import events
from sagesmith.store.tokens import decode_token, encode_token


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, the oldest first, and up to where that was: what the next call is to be given."""

    events: list[dict[str, Any]]
    cursor: str


_e = events.c
_TRANSACTION = {"sqlite": "0", "postgresql": "CAST(CAST(pg_current_xact_id() AS text) AS bigint)"}
_LATEST = {"sqlite": "max", "postgresql": "greatest"}
_INSERT = {
    dialect: Prepared(
        text(
            "INSERT INTO events (transaction_id, number, region, body)"  # noqa: S608
            f" SELECT {transaction}, {_LATEST[dialect]}(:now_us, coalesce(max(number) + 1, 0)), :region, :body"
            f" FROM events WHERE transaction_id = {transaction}"
        )
    )
    for dialect, transaction in _TRANSACTION.items()
}
_SETTLED = {"sqlite": "", "postgresql": " AND transaction_id < CAST(CAST(s.xmin AS text) AS bigint)"}
_FROM = {
    "sqlite": "events",
    "postgresql": "events, (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin) AS s",
}
_PAGE = {
    dialect: Prepared(
        text(
            f"SELECT transaction_id, number, body FROM {_FROM[dialect]}"  # noqa: S608
            f" WHERE (transaction_id, number) > (:transaction_id, :number){settled}"
            " ORDER BY transaction_id, number LIMIT :limit"
        )
    )
    for dialect, settled in _SETTLED.items()
}
_oldest = select(_e.transaction_id, _e.number).order_by(_e.transaction_id, _e.number).limit(bindparam("b_limit"))
_PRUNE = Prepared(
    delete(events).where(tuple_(_e.transaction_id, _e.number).in_(_oldest), _e.number < bindparam("b_before"))
)
_BEGINNING = (-1, 0)


def add(connection: Connection, region: str, body: Mapping[str, Any]) -> None:
    values = {"now_us": time.time_ns() // 1000, "region": region, "body": orjson.dumps(body)}
    _INSERT[connection.dialect.name].run(connection, values)


def page(connection: Connection, cursor: str | None, limit: int) -> EventPage:
    transaction_id, number = _BEGINNING if cursor is None else _position(cursor)
    values = {"transaction_id": transaction_id, "number": number, "limit": limit}
    rows = _PAGE[connection.dialect.name].all(connection, values)
    if rows:
        transaction_id, number, _ = rows[-1]
    return EventPage([orjson.loads(body) for _, _, body in rows], encode_token(transaction_id, number))


def prune(connection: Connection, before_us: int, limit: int) -> int:
    """Look at the `limit` oldest events and remove those that are older than `before_us`; returns how many."""
    removed: int = _PRUNE.run(connection, {"b_before": before_us, "b_limit": limit}).rowcount
    return removed


def _position(cursor: str) -> tuple[int, int]:
    match decode_token(cursor):
        case [int() as transaction_id, int() as number]:
            return transaction_id, number
    raise InvalidToken("the cursor was not given out here")
