"""Associations: directed edges between things that have ARNs, listed in any order and walked from either end.

They are rows of a table of their own. As documents with a facet for each end they would have no order by four of the
five values that they are sorted by, and a walk would cost two statements a vertex instead of one a level.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from time import time
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import AlreadyExists, InvalidToken, NotFound
from sagesmith.store.dialects import Unindexed
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import associations
from sagesmith.store.tokens import decode_token, encode_token


@dataclass(frozen=True, slots=True)
class Association:
    """One edge.

    Attributes:
        source, destination: ARNs; there is one edge at most from the one to the other in a region.
        type: of the edge, empty if it has none.
        source_type, destination_type: what the ends are; they must not change as long as the edge is there.
        created_at: seconds since the epoch.
        created_by: JSON values.
    """

    region: str
    source: str
    destination: str
    type: str = ""
    source_type: str = ""
    destination_type: str = ""
    created_at: float = 0.0
    created_by: Mapping[str, Any] = field(default_factory=dict)


AssociationSort = Literal["source", "destination", "source_type", "destination_type", "created_at"]
End = Literal["source", "destination"]


@dataclass(frozen=True, slots=True)
class AssociationQuery:
    """Which associations of a region, in which order, how many. `after` and `before` are exclusive. `token` is a page
    token from an earlier page of the same query."""

    region: str
    source: str | None = None
    destination: str | None = None
    type: str | None = None
    source_type: str | None = None
    destination_type: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    sort: AssociationSort = "created_at"
    descending: bool = True
    limit: int = 10
    token: str | None = None


@dataclass(frozen=True, slots=True)
class AssociationPage:
    associations: list[Association]
    next_token: str | None


_c = associations.c
_COLUMNS = (
    _c.region,
    _c.source,
    _c.destination,
    _c.type,
    _c.source_type,
    _c.destination_type,
    _c.created_at,
    _c.created_by,
    _c.id,
)
_EQUALITIES = ("source", "destination", "source_type", "destination_type", "type")
"""In the order in which they are worth looking for by their index."""
_given: dict[str, Any] = {column.name: bindparam(column.name) for column in _COLUMNS[:-1]}
_INSERT = {
    "sqlite": Prepared(sqlite.insert(associations).values(_given).on_conflict_do_nothing().returning(_c.id)),
    "postgresql": Prepared(postgresql.insert(associations).values(_given).on_conflict_do_nothing().returning(_c.id)),
}
_DELETE = Prepared(
    delete(associations).where(
        _c.region == bindparam("b_region"),
        _c.source == bindparam("b_source"),
        _c.destination == bindparam("b_destination"),
    )
)
_DELETE_ALL = tuple(
    Prepared(delete(associations).where(_c.region == bindparam("b_region"), _c[end] == bindparam("b_arn")))
    for end in ("source", "destination")
)
_TEXTS = {
    "sqlite": "SELECT value FROM json_each(:arns)",
    "postgresql": "SELECT json_array_elements_text(CAST(:arns AS json))",
}
_WALK: Mapping[tuple[str, End], Prepared] = {
    (dialect, end): Prepared(
        text(
            f"SELECT {', '.join(column.name for column in _COLUMNS)} FROM associations"  # noqa: S608
            f" WHERE region = :region AND {end} IN ({texts})"
        )
    )
    for dialect, texts in _TEXTS.items()
    for end in ("source", "destination")
}


def add(connection: Connection, association: Association) -> Association:
    """Store an edge; `created_at` becomes now where it is 0. Raises AlreadyExists."""
    stored = replace(association, created_at=association.created_at or time())
    row = _INSERT[connection.dialect.name].first(
        connection,
        {
            "region": stored.region,
            "source": stored.source,
            "destination": stored.destination,
            "type": stored.type,
            "source_type": stored.source_type,
            "destination_type": stored.destination_type,
            "created_at": stored.created_at,
            "created_by": orjson.dumps(dict(stored.created_by)),
        },
    )
    if row is None:
        raise AlreadyExists(f"{stored.source} is associated with {stored.destination}")
    return stored


def remove(connection: Connection, region: str, source: str, destination: str) -> None:
    """Raises NotFound."""
    values = {"b_region": region, "b_source": source, "b_destination": destination}
    if _DELETE.run(connection, values).rowcount != 1:
        raise NotFound(f"{source} is not associated with {destination}")


def remove_all(connection: Connection, region: str, arn: str) -> None:
    values = {"b_region": region, "b_arn": arn}
    for statement in _DELETE_ALL:
        statement.run(connection, values)


def of(connection: Connection, region: str, end: End, arns: Collection[str]) -> list[Association]:
    """All edges that have one of `arns` at this end, in no order."""
    values = {"region": region, "arns": orjson.dumps(list(arns)).decode()}
    return [_from_row(row) for row in _WALK[connection.dialect.name, end].all(connection, values)]


def page(connection: Connection, query: AssociationQuery) -> AssociationPage:
    """One page of `query`. Raises InvalidToken, and ValueError if the limit is not positive."""
    if query.limit < 1:
        raise ValueError("limit must be positive")
    after = _position(query)
    names = (*_EQUALITIES, "created_after", "created_before")
    filters = {name: value for name in names if (value := getattr(query, name)) is not None}
    statement = _page(frozenset(filters), query.sort, query.descending, bool(after))
    rows = statement.all(connection, {"region": query.region, **filters, **after, "limit": query.limit + 1})
    token = None
    if len(rows) > query.limit:
        rows = rows[: query.limit]
        last = _from_row(rows[-1])
        token = encode_token(_fingerprint(query), getattr(last, query.sort), last.created_at, rows[-1][-1])
    return AssociationPage([_from_row(row) for row in rows], token)


@lru_cache(maxsize=1024)
def _page(filters: frozenset[str], sort: AssociationSort, descending: bool, continued: bool) -> Prepared:
    both_ends = {"source", "destination"}
    driver = next((name for name in _EQUALITIES if name in filters), sort)
    indexed = both_ends if both_ends <= filters else {driver, sort}

    def column(name: str) -> ColumnElement[Any]:
        return _c[name] if name in indexed else Unindexed(_c[name], type_=_c[name].type)

    conditions: list[ColumnElement[bool]] = [_c.region == bindparam("region")]
    conditions += [column(name) == bindparam(name) for name in _EQUALITIES if name in filters]
    if "created_after" in filters:
        conditions.append(column("created_at") > bindparam("created_after"))
    if "created_before" in filters:
        conditions.append(column("created_at") < bindparam("created_before"))
    order = (_c[sort], _c.created_at, _c.id)
    if continued:
        here = tuple_(*order)
        there = tuple_(*(bindparam(f"after_{at}", type_=each.type) for at, each in enumerate(order)))
        conditions.append(here < there if descending else here > there)
    ordered = [each.desc() if descending else each.asc() for each in order]
    return Prepared(select(*_COLUMNS).where(*conditions).order_by(*ordered).limit(bindparam("limit")))


def _from_row(row: Any) -> Association:
    region, source, destination, type_, source_type, destination_type, created_at, created_by, _ = row
    return Association(
        region, source, destination, type_, source_type, destination_type, created_at, orjson.loads(created_by)
    )


def _fingerprint(query: AssociationQuery) -> str:
    said = [getattr(query, name) for name in query.__slots__ if name not in ("limit", "token")]
    return blake2b(orjson.dumps(said), digest_size=8).hexdigest()


def _position(query: AssociationQuery) -> dict[str, Any]:
    if query.token is None:
        return {}
    match decode_token(query.token):
        case [fingerprint, float() | str() as value, float() as created_at, int() as row_id] if (
            fingerprint == _fingerprint(query) and isinstance(value, float) == (query.sort == "created_at")
        ):
            return {"after_0": value, "after_1": created_at, "after_2": row_id}
    raise InvalidToken("the token belongs to another query")
