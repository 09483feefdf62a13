"""Search: documents of one kind that satisfy a condition, in any order, a page at a time.

The conditions that are conjoined are asked of the full-text index (see `properties`) and of the names: if either knows
fewer than PROBE documents, those are read. Otherwise the index of the sort order is walked until the page is full. A
sort that no column has reads all documents that satisfy the condition.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, tuple_

from sagesmith.store import names
from sagesmith.store.base import Document, InvalidToken
from sagesmith.store.conditions import EVERY, AllOf, At, Condition, Named, Writer
from sagesmith.store.dialects import Unindexed
from sagesmith.store.documents import COLUMNS, from_row
from sagesmith.store.schema import document_terms, documents
from sagesmith.store.terms import GRAM, Terms
from sagesmith.store.tokens import decode_token, encode_token

PROBE = 1000
COUNTED = 10_000
"""Up to how many documents are counted when there are more than a page has."""
_LARGEST_BATCH = 2000

_d = documents.c
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "name": _d.name,
    "created_at": _d.created_at,
    "updated_at": _d.updated_at,
    "status": _d.status,
}
SortColumn = Literal["name", "created_at", "updated_at", "status"]
_WALKED = "created_at"
"""The order in which all documents are read for a sort that no column has."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to search for, and which page of it.

    Attributes:
        where: what the store can tell of a document.
        accept: the rest, asked of each document that satisfies `where`; None if `where` says all.
        sort: a column, or a function of a document: numbers come before texts, and documents without a value last.
        identity: what distinguishes this search from others; a token is good for the same search alone.
        token: of an earlier page.
    """

    kind: str
    region: str
    where: Condition = EVERY
    accept: Callable[[Document], bool] | None = None
    sort: SortColumn | Callable[[Document], str | float | None] = "updated_at"
    descending: bool = True
    limit: int = 10
    identity: str = ""
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page.

    Attributes:
        total: how many documents match on all pages; at least so many if it is not `exact`.
    """

    documents: list[Document]
    next_token: str | None
    total: int
    exact: bool


@dataclass(frozen=True, slots=True)
class _Position:
    """The end of an earlier page: the sort key of its last document, and what was known of the total then."""

    key: tuple[Any, ...]
    total: int
    exact: bool


def search(connection: Connection, asked: Search) -> Found:
    """One page of `asked`. Raises InvalidToken, and ValueError if the limit is not positive."""
    if asked.limit < 1:
        raise ValueError("limit must be positive")
    position = _position(asked)
    walk = _Walk(connection, asked)
    page, total, exact = _by_column(walk, position) if isinstance(asked.sort, str) else _by_value(walk, position)
    if position is not None and not exact:
        total, exact = position.total, position.exact
    token = None
    if len(page) > asked.limit:
        page = page[: asked.limit]
        token = encode_token(_fingerprint(asked), total, int(exact), *page[-1][0])
    return Found([document for _, document in page], token, total, exact)


_Keyed = tuple[tuple[Any, ...], Document]
"""A document after what the search sorts it by, which ends with its id and is unique."""


def _by_column(walk: "_Walk", position: _Position | None) -> tuple[list[_Keyed], int, bool]:
    asked, column = walk.asked, str(walk.asked.sort)
    page: list[_Keyed] = []
    for row in walk.rows(column, asked.descending, position.key if position else None, asked.limit + 1):
        document = from_row(row)
        if asked.accept is None or asked.accept(document):
            page.append(((getattr(document, column), row[0]), document))
            if len(page) > asked.limit:
                break
    if position is not None:
        return page, 0, False
    if len(page) <= asked.limit:
        return page, len(page), True
    return (page, len(page), False) if asked.accept else (page, *walk.count())


def _by_value(walk: "_Walk", position: _Position | None) -> tuple[list[_Keyed], int, bool]:
    asked, total = walk.asked, 0
    assert callable(asked.sort)
    sort = asked.sort

    def keyed() -> Iterator[_Keyed]:
        nonlocal total
        for row in walk.rows(_WALKED, False, None, _LARGEST_BATCH):
            document = from_row(row)
            if asked.accept is None or asked.accept(document):
                total += 1
                key = (*_rank(sort(document), asked.descending), row[0])
                if position is None or (key < position.key if asked.descending else key > position.key):
                    yield key, document

    first = heapq.nlargest if asked.descending else heapq.nsmallest
    return first(asked.limit + 1, keyed(), key=lambda each: each[0]), total, True


def _rank(value: str | float | None, descending: bool) -> tuple[int, int, str | float]:
    """A key that compares with that of any other value, and comes last in either order if there is none."""
    if value is None:
        return (0 if descending else 1), 0, 0.0
    return (1 if descending else 0), int(isinstance(value, str)), value


class _Walk:
    """A search's documents in the order of a column."""

    def __init__(self, connection: Connection, asked: Search) -> None:
        self.asked = asked
        self._connection = connection
        sort = asked.sort if isinstance(asked.sort, str) else _WALKED
        self._writer = Writer(connection.dialect.name, asked.kind, asked.region, sort)
        self._told: int | None = None
        """How many documents the full-text index has counted, if it tells all of the condition."""
        few = self._few()
        narrow = self._of_kind() if few is None else and_(self._of_kind(indexed=False), _d.id.in_(few))
        self._where = and_(narrow, self._writer.sql(asked.where))

    def _of_kind(self, indexed: bool = True) -> ColumnElement[bool]:
        found = []
        for column, value in ((_d.kind, self.asked.kind), (_d.region, self.asked.region)):
            of = column if indexed else Unindexed(column, type_=column.type)
            found.append(of == self._writer.parameter(value))
        return and_(*found)

    def rows(self, column: str, descending: bool, after: tuple[Any, ...] | None, first: int) -> Iterator[Any]:
        """The rows after a key (of column and id), read in batches of which the first is the smallest."""
        by = _COLUMNS[column]
        order = (by.desc(), _d.id.desc()) if descending else (by.asc(), _d.id.asc())
        size = first
        while True:
            where = self._where
            if after is not None:
                here, there = tuple_(by, _d.id), tuple_(*(self._writer.parameter(each) for each in after))
                where = and_(where, here < there if descending else here > there)
            statement = select(*COLUMNS).where(where).order_by(*order).limit(size)
            rows = self._connection.execute(statement, self._writer.values).all()
            yield from rows
            if len(rows) < size:
                return
            after = (getattr(rows[-1], column), rows[-1].id)
            size = min(size * 4, _LARGEST_BATCH)

    def count(self) -> tuple[int, bool]:
        """How many documents satisfy the search's condition, and whether these are all."""
        if (counted := self._told) is None:
            counted = self._counted(select(_d.id).where(self._where), COUNTED + 1)
        return min(counted, COUNTED), counted <= COUNTED

    def _counted(self, ids: Select[Any], most: int) -> int:
        statement = select(func.count()).select_from(ids.limit(most).subquery())
        return int(self._connection.execute(statement, self._writer.values).scalar_one())

    def _few(self) -> Select[Any] | None:
        """The ids of a few documents of which the search's can only be some, None if no index knows any such."""
        where = self.asked.where
        parts = where.conditions if isinstance(where, AllOf) else (where,)
        told = tuple(part for part in parts if self._writer.expression(part))
        ways = [self._named(part.part) for part in parts if isinstance(part, Named) and len(part.part) >= GRAM]
        windows = [self._writer.window(part, indexed=True) for part in parts if isinstance(part, At)]
        if windows:
            ways.append(select(_d.id).where(self._of_kind(), *windows))
        counted: list[tuple[int, Select[Any] | None]] = [(self._counted(way, PROBE), way) for way in ways]
        if expression := self._writer.expression(AllOf(told)):
            # The index finds all before it gives the first, so that counting further costs next to nothing.
            ids = self._writer.matching(expression)
            counted.append((matches := self._counted(ids, COUNTED + 1), ids))
            self._told = matches if len(told) == len(parts) else None
        fewest, way = min(counted, key=lambda each: each[0], default=(PROBE, None))
        return way if fewest < PROBE else None

    def _named(self, part: str) -> Select[Any]:
        """The ids of the documents whose name may have `part` in it."""
        if self._writer.dialect == "sqlite":
            self._writer.values["name_grams"] = names.match_expression(part)
            return names.MATCHING
        terms = Terms(self.asked.kind, self.asked.region).grams(names.tail(part))
        having = [
            select(document_terms.c.document_id).where(document_terms.c.term == self._writer.parameter(term))
            for term in sorted(terms)
        ]
        found = having[0]
        for each in having[1:]:
            found = found.where(document_terms.c.document_id.in_(each))
        return found


def _fingerprint(asked: Search) -> str:
    sort = asked.sort if isinstance(asked.sort, str) else ""
    said = (asked.kind, asked.region, asked.identity, sort, asked.descending)
    return blake2b(orjson.dumps(said), digest_size=8).hexdigest()


def _position(asked: Search) -> _Position | None:
    if asked.token is None:
        return None
    match decode_token(asked.token):
        case [fingerprint, int(total), int(exact), *key] if fingerprint == _fingerprint(asked):
            if _is_key(asked, key):
                return _Position(tuple(key), total, bool(exact))
    raise InvalidToken("the token belongs to another search")


def _is_key(asked: Search, key: list[Any]) -> bool:
    """Whether this can be the end of a page of `asked`, which a client may have made up."""
    match key:
        case [str(), int()] | [int(), 1, str(), int()]:
            return asked.sort in ("name", "status") if len(key) == 2 else callable(asked.sort)
        case [float() | int(), int()] | [int(), 0, float() | int(), int()]:
            return asked.sort in ("created_at", "updated_at") if len(key) == 2 else callable(asked.sort)
    return False
