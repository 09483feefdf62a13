"""The audit trail: who called what and what became of it, one row a call, only ever appended to.

A row has what it is looked up by in columns, the rest in one JSON value that nobody here looks into. Its key is its
time, in microseconds, so that the table lies in the order in which it is read and needs no index for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import InvalidToken
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import audit_records
from sagesmith.store.tokens import decode_token, encode_token


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One call.

    Attributes:
        at_us: when it was answered, microseconds since the epoch; unique, and therefore up to a few later than it was.
        service: whose operation it is.
        user, access_key_id: who called.
        resource_type, resource: what it was about, by its name; empty if that cannot be told.
        details: everything else, JSON values.
    """

    at_us: int
    region: str
    service: str
    operation: str
    user: str
    access_key_id: str
    resource_type: str
    resource: str
    details: Mapping[str, Any]


AuditFilter = Literal["service", "operation", "user", "access_key_id", "resource_type", "resource"]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which records of a region, how many; the latest come first. `since_us` and `until_us` are inclusive, in
    microseconds since the epoch. `where` says which value which column has. `token` is a page token from an earlier
    page of the same query."""

    region: str
    since_us: int | None = None
    until_us: int | None = None
    where: Mapping[AuditFilter, str] | None = None
    limit: int = 50
    token: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    records: list[AuditRecord]
    next_token: str | None


_r = audit_records.c
_COLUMNS = (
    _r.at_us,
    _r.region,
    _r.service,
    _r.operation,
    _r.user,
    _r.access_key_id,
    _r.resource_type,
    _r.resource,
    _r.details,
)
_given: dict[str, Any] = {column.name: bindparam(column.name) for column in _COLUMNS}
_INSERT = {
    "sqlite": Prepared(sqlite.insert(audit_records).values(_given).on_conflict_do_nothing()),
    "postgresql": Prepared(postgresql.insert(audit_records).values(_given).on_conflict_do_nothing()),
}
_GET = Prepared(select(*_COLUMNS).where(_r.at_us == bindparam("b_at_us"), _r.region == bindparam("b_region")))
_old = select(_r.at_us).where(_r.at_us < bindparam("b_before")).order_by(_r.at_us).limit(bindparam("b_limit"))
_PRUNE = Prepared(delete(audit_records).where(_r.at_us.in_(_old.scalar_subquery())))


def add(connection: Connection, record: AuditRecord) -> None:
    values: dict[str, Any] = {
        "at_us": record.at_us,
        "region": record.region,
        "service": record.service,
        "operation": record.operation,
        "user": record.user,
        "access_key_id": record.access_key_id,
        "resource_type": record.resource_type,
        "resource": record.resource,
        "details": orjson.dumps(record.details),
    }
    insert = _INSERT[connection.dialect.name]
    while insert.run(connection, values).rowcount != 1:
        values["at_us"] += 1


def get(connection: Connection, region: str, at_us: int) -> AuditRecord | None:
    row = _GET.first(connection, {"b_at_us": at_us, "b_region": region})
    return None if row is None else _from_row(row)


def prune(connection: Connection, before_us: int, limit: int) -> int:
    """Remove up to `limit` records that are older than `before_us`, the oldest first; returns how many."""
    removed: int = _PRUNE.run(connection, {"b_before": before_us, "b_limit": limit}).rowcount
    return removed


def page(connection: Connection, query: AuditQuery) -> AuditPage:
    """One page of `query`. Raises InvalidToken, and ValueError if the limit is not positive."""
    if query.limit < 1:
        raise ValueError("limit must be positive")
    where = query.where or {}
    given: dict[str, Any] = {str(name): value for name, value in where.items()}
    given |= {"since_us": query.since_us, "until_us": query.until_us, "before_us": _position(query)}
    values = {name: value for name, value in given.items() if value is not None}
    statement = _page(frozenset(where), *(name in values for name in ("since_us", "until_us", "before_us")))
    rows = statement.all(connection, {"region": query.region, "limit": query.limit + 1, **values})
    records = [_from_row(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return AuditPage(records, encode_token(_fingerprint(query), records[-1].at_us) if more else None)


@lru_cache(maxsize=256)
def _page(where: frozenset[AuditFilter], since: bool, until: bool, continued: bool) -> Prepared:
    conditions: list[ColumnElement[bool]] = [_r.region == bindparam("region")]
    conditions += [_r[name] == bindparam(name) for name in sorted(where)]
    if since:
        conditions.append(_r.at_us >= bindparam("since_us"))
    if until:
        conditions.append(_r.at_us <= bindparam("until_us"))
    if continued:
        conditions.append(_r.at_us < bindparam("before_us"))
    return Prepared(select(*_COLUMNS).where(*conditions).order_by(_r.at_us.desc()).limit(bindparam("limit")))


def _from_row(row: Any) -> AuditRecord:
    at_us, region, service, operation, user, access_key_id, resource_type, resource, details = row
    return AuditRecord(
        at_us, region, service, operation, user, access_key_id, resource_type, resource, orjson.loads(details)
    )


def _fingerprint(query: AuditQuery) -> str:
    said = replace(query, limit=1, token=None)
    return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _position(query: AuditQuery) -> int | None:
    if query.token is None:
        return None
    match decode_token(query.token):
        case [fingerprint, int() as at_us] if fingerprint == _fingerprint(query):
            return at_us
    raise InvalidToken("the token belongs to another query")
