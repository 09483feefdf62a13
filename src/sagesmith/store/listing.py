"""Lists: keyset pages in any sort order under any filters.

A page is found in one of two ways. *By order*: walk the sort order's index and check every document, good when matches
are frequent. *By term* or *by names*: fetch the documents of the rarest term that the filters imply (see `terms`) or
those whose name may match (see `names`) and sort them, good when they are few. A probe that counts at most PROBE
documents decides, so that neither way walks far where the other is right.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, literal, select, tuple_

from sagesmith.store import names
from sagesmith.store.base import Document, Heading, InvalidToken, Page, Query, SortKey
from sagesmith.store.dialects import Contains, Integers, Unindexed
from sagesmith.store.documents import COLUMNS, from_row
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import document_terms, documents
from sagesmith.store.terms import GRAM, Terms
from sagesmith.store.tokens import decode_token, encode_token

PROBE = 1000

_d = documents.c
_SORTS: dict[SortKey, ColumnElement[Any]] = {
    "name": _d.name,
    "created_at": _d.created_at,
    "updated_at": _d.updated_at,
    "status": _d.status,
}
_HEADING = tuple(documents.c[name] for name in Heading._fields)
_AT = {
    (bodies, key): columns.index(column)
    for bodies, columns in ((True, COLUMNS), (False, _HEADING))
    for key, column in _SORTS.items()
}
"""Where the value that a page is sorted by stands in its rows."""
_RANGES = (
    ("created_after", _d.created_at, True),
    ("created_before", _d.created_at, False),
    ("updated_after", _d.updated_at, True),
    ("updated_before", _d.updated_at, False),
)
_FILTERS = (*(name for name, _, _ in _RANGES), "status", "parent", "name_contains")


@dataclass(frozen=True, slots=True)
class _Shape:
    """All of a query that its statement depends on."""

    filters: frozenset[str]
    facets: int
    driver: Literal["order", "term", "names"]
    sort: SortKey
    descending: bool
    continued: bool
    bodies: bool


@lru_cache(maxsize=4096)
def _conditions(shape: _Shape) -> ColumnElement[bool]:
    """The filters, with the only index left to choose being the intended one."""

    def column(of: ColumnElement[Any], ordered: bool = False) -> ColumnElement[Any]:
        return of if ordered and shape.driver == "order" else Unindexed(of, type_=of.type)

    found: list[ColumnElement[bool]] = [
        column(_d.kind, True) == bindparam("kind"),
        column(_d.region, True) == bindparam("region"),
    ]
    if shape.driver == "term":
        found.append(_d.id.in_(select(document_terms.c.document_id).where(document_terms.c.term == bindparam("term"))))
    elif shape.driver == "names":
        found.append(_d.id.in_(names.MATCHING))
    for name, of, later in _RANGES:
        if name in shape.filters:
            left = column(of, of is _SORTS[shape.sort])
            found.append(left > bindparam(name) if later else left < bindparam(name))
    if "status" in shape.filters:
        found.append(column(_d.status, shape.sort == "status") == bindparam("status"))
    if "parent" in shape.filters:
        found.append(_d.parent == bindparam("parent"))
    if "name_contains" in shape.filters:
        found.append(Contains(_d.name, bindparam("name_contains")))
    found.extend(
        select(literal(1))
        .where(document_terms.c.term == bindparam(f"facet_{at}"), document_terms.c.document_id == _d.id)
        .exists()
        for at in range(shape.facets)
    )
    return and_(*found)


@lru_cache(maxsize=4096)
def _page(shape: _Shape) -> Prepared:
    sort = _SORTS[shape.sort]
    statement = select(*(COLUMNS if shape.bodies else _HEADING)).where(_conditions(shape))
    if shape.continued:
        here, after = tuple_(sort, _d.id), tuple_(bindparam("after", type_=sort.type), bindparam("after_id"))
        statement = statement.where(here < after if shape.descending else here > after)
    order = (sort.desc(), _d.id.desc()) if shape.descending else (sort.asc(), _d.id.asc())
    return Prepared(statement.order_by(*order).limit(bindparam("limit")))


@lru_cache(maxsize=4096)
def _count(shape: _Shape) -> Prepared:
    return Prepared(select(func.count()).select_from(documents).where(_conditions(shape)))


_probed = Integers(bindparam("terms")).table_valued("value")
_PROBE = Prepared(
    select(
        _probed.c.value,
        select(func.count())
        .select_from(
            select(literal(1))
            .select_from(document_terms)
            .where(document_terms.c.term == _probed.c.value)
            .limit(bindparam("most"))
            .correlate(_probed)
            .subquery()
        )
        .correlate(_probed)
        .scalar_subquery(),
    )
)
_PROBE_NAMES = Prepared(select(func.count()).select_from(names.MATCHING.limit(bindparam("most")).subquery()))
_SIZE = Prepared(
    select(func.count()).select_from(
        select(literal(1))
        .select_from(documents)
        .where(_d.kind == bindparam("kind"), _d.region == bindparam("region"))
        .limit(bindparam("most"))
        .subquery()
    )
)


def _implied_terms(query: Query, grams: bool) -> list[int]:
    terms = Terms(query.kind, query.region)
    found = [terms.facet(name, value) for name, value in sorted(query.facets.items())]
    if query.status:
        found.append(terms.status(query.status))
    if query.parent:
        found.append(terms.parent(query.parent))
    if grams and query.name_contains:
        found.extend(sorted(terms.grams(names.tail(query.name_contains))))
    return found


def _driver(
    connection: Connection, query: Query, limit: int
) -> tuple[Literal["order", "term", "names"], dict[str, Any]]:
    """Which way to find the documents, and its parameters."""
    sqlite = connection.dialect.name == "sqlite"
    ways: list[tuple[int, Literal["term", "names"], dict[str, Any]]] = []
    if terms := _implied_terms(query, grams=not sqlite):
        probes = _PROBE.all(connection, {"terms": orjson.dumps(terms).decode(), "most": PROBE})
        term, matches = min(probes, key=lambda row: int(row[1]))
        ways.append((matches, "term", {"term": term}))
    if sqlite and query.name_contains and len(query.name_contains) >= GRAM:
        values = {"name_grams": names.match_expression(query.name_contains)}
        ways.append((_PROBE_NAMES.first(connection, {**values, "most": PROBE})[0], "names", values))
    if not ways:
        return "order", {}
    matches, driver, values = min(ways, key=lambda way: way[0])
    if matches < PROBE:
        # By order, a page costs about limit * size / matches documents, otherwise it costs all matches: what matters
        # is only whether there are `enough` documents for the first to cost more.
        enough = matches * matches // limit + 1
        size = _SIZE.first(connection, {"kind": query.kind, "region": query.region, "most": enough})[0]
        if size >= enough or matches == 0:
            return driver, values
    return "order", {}


def _parameters(query: Query) -> tuple[frozenset[str], dict[str, Any]]:
    terms = Terms(query.kind, query.region)
    values: dict[str, Any] = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
    filters = frozenset(values)
    values |= {"kind": query.kind, "region": query.region}
    for at, (name, value) in enumerate(sorted(query.facets.items())):
        values[f"facet_{at}"] = terms.facet(name, value)
    return filters, values


def _fingerprint(query: Query) -> str:
    said = (
        query.kind,
        query.region,
        query.name_contains,
        query.created_after,
        query.created_before,
        query.updated_after,
        query.updated_before,
        query.status,
        query.parent,
        sorted(query.facets.items()),
        query.sort,
        query.descending,
    )
    return blake2b(orjson.dumps(said), digest_size=8).hexdigest()


def _position(query: Query) -> dict[str, Any]:
    if query.token is None:
        return {}
    parts = decode_token(query.token)
    wanted = (float, int) if query.sort in ("created_at", "updated_at") else (str,)
    if (
        len(parts) != 3
        or parts[0] != _fingerprint(query)
        or not isinstance(parts[1], wanted)
        or not isinstance(parts[2], int)
    ):
        raise InvalidToken("the token belongs to another query")
    return {"after": parts[1], "after_id": parts[2]}


def page(connection: Connection, query: Query) -> Page[Document]:
    """One page of `query`. Raises InvalidToken, and ValueError if the limit is not positive."""
    rows, token = _rows(connection, query, bodies=True)
    return Page([from_row(row) for row in rows], token)


def headings(connection: Connection, query: Query) -> Page[Heading]:
    """The same without facets and bodies."""
    rows, token = _rows(connection, query, bodies=False)
    return Page([Heading._make(row) for row in rows], token)


def _rows(connection: Connection, query: Query, bodies: bool) -> tuple[list[Any], str | None]:
    if query.limit < 1:
        raise ValueError("limit must be positive")
    position = _position(query)
    filters, values = _parameters(query)
    driver, driving = _driver(connection, query, query.limit)
    shape = _Shape(filters, len(query.facets), driver, query.sort, query.descending, bool(position), bodies)
    rows = _page(shape).all(connection, {**values, **driving, **position, "limit": query.limit + 1})
    if len(rows) <= query.limit:
        return rows, None
    rows.pop()
    return rows, encode_token(_fingerprint(query), rows[-1][_AT[bodies, query.sort]], rows[-1][0])


def count(connection: Connection, query: Query) -> int:
    """How many documents match, whatever the query's limit and token."""
    filters, values = _parameters(query)
    driver, driving = _driver(connection, query, PROBE)
    shape = _Shape(filters, len(query.facets), driver, "created_at", True, False, False)
    return int(_count(shape).first(connection, {**values, **driving})[0])
