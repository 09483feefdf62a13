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
from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, func, select, tuple_

from sagesmith.store import names
from sagesmith.store.base import Document, InvalidToken
from sagesmith.store.conditions import EVERY, AllOf, At, Condition, Named, Writer
from sagesmith.store.dialects import Gathered, Integers, Unindexed
from sagesmith.store.documents import COLUMNS, from_row
from sagesmith.store.schema import document_terms, documents
from sagesmith.store.terms import GRAM, Terms
from sagesmith.store.tokens import decode_token, encode_token

PROBE = 1000
COUNTED = 10_000
"""Up to how many documents are counted when there are more than a page has."""
_LARGEST_BATCH = 2000
_COMPARED = 256
"""How many characters of texts are sorted by, which must fit into a token."""

_d = documents.c
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "name": _d.name,
    "created_at": _d.created_at,
    "updated_at": _d.updated_at,
    "status": _d.status,
}
Ids = Select[Any] | CompoundSelect[Any]
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
    first = position is None
    page: list[_Keyed] = []
    total = 0
    for row in walk.rows(column, asked.descending, None if position is None else position.key, asked.limit + 1):
        document = from_row(row)
        if asked.accept is None or asked.accept(document):
            total += 1
            if total <= asked.limit + 1:
                page.append(((getattr(document, column), row[0]), document))
            # The first page looks at the others as well if they are few, to know how many match.
            if total > asked.limit and not (first and asked.accept and walk.few):
                break
    else:
        return page, total, first
    return (page, total, False) if asked.accept or not first else (page, *walk.count())


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
    if isinstance(value, str):
        return (1 if descending else 0), 1, value[:_COMPARED]
    return (1 if descending else 0), 0, value


@dataclass(frozen=True, slots=True)
class _Ids:
    """The first documents of a condition: how many, and their ids as a JSON array."""

    count: int
    json: str


class _Walk:
    """A search's documents in the order of a column."""

    def __init__(self, connection: Connection, asked: Search) -> None:
        self.asked = asked
        self._connection = connection
        sort = asked.sort if isinstance(asked.sort, str) else _WALKED
        self._writer = Writer(connection.dialect.name, asked.kind, asked.region, sort)
        parts = asked.where.conditions if isinstance(asked.where, AllOf) else (asked.where,)
        told = tuple(part for part in parts if self._writer.expression(part))
        self._rest = tuple(part for part in parts if not self._writer.expression(part))
        self._expression = self._writer.expression(AllOf(told))
        self._told = self._first(self._writer.matching(self._expression), COUNTED + 1) if self._expression else None
        self._few = self._least()
        self._where = and_(self._narrowest(), *(self._writer.sql(part) for part in self._rest))

    def _first(self, ids: Ids, most: int) -> _Ids:
        """Up to `most` ids. The full-text index finds all before it gives the first, so that it is asked for many."""
        found = ids.limit(most).subquery()
        (column,) = found.c
        statement = select(func.count(), Gathered(column)).select_from(found)
        return _Ids(*self._connection.execute(statement, self._writer.values).one())

    def _least(self) -> _Ids | None:
        """A few documents of which the search's can only be some, None if no index knows any such."""
        if self._told is not None and self._told.count < PROBE:
            return self._told
        longest = max((part.part for part in self._rest if isinstance(part, Named)), key=len, default="")
        ways: list[Ids] = [self._named(longest)] if len(longest) >= GRAM else []
        if windows := self._windows():
            ways.append(select(_d.id).where(self._of_kind(), *windows))
        return next((found for way in ways if (found := self._first(way, PROBE)).count < PROBE), None)

    def _narrowest(self) -> ColumnElement[bool]:
        """What is read: the few, or all of the kind in the order of the sort; and what the full-text index tells."""
        if self._few is None:
            return and_(self._of_kind(), *self._matched())
        ids = Integers(self._writer.parameter(self._few.json)).table_valued("value").c.value
        few = and_(self._of_kind(indexed=False), _d.id.in_(select(ids)))
        return few if self._few is self._told else and_(few, *self._matched())

    def _matched(self) -> list[ColumnElement[bool]]:
        if self._expression is None:
            return []
        return [Unindexed(_d.id, type_=_d.id.type).in_(self._writer.matching(self._expression))]

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

    @property
    def few(self) -> bool:
        """Whether fewer than PROBE documents are looked at."""
        return self._few is not None

    def count(self) -> tuple[int, bool]:
        """How many documents satisfy the search's condition, and whether these are all."""
        if self._told is not None and not self._rest:
            counted = self._told.count
        elif self._few is not None:
            counted = self._counted(self._where)
        else:
            # No order has to be kept, so that times may be looked up.
            rest = [self._writer.sql(part) for part in self._rest if not isinstance(part, At)]
            counted = self._counted(and_(self._of_kind(), *self._windows(), *self._matched(), *rest))
        return min(counted, COUNTED), counted <= COUNTED

    def _counted(self, where: ColumnElement[bool]) -> int:
        found = select(_d.id).where(where).limit(COUNTED + 1).subquery()
        statement = select(func.count()).select_from(found)
        return int(self._connection.execute(statement, self._writer.values).scalar_one())

    def _windows(self) -> list[ColumnElement[bool]]:
        return [self._writer.window(part, indexed=True) for part in self._rest if isinstance(part, At)]

    def _named(self, part: str) -> Ids:
        """The ids of the documents whose name may have `part` in it."""
        if self._writer.dialect == "sqlite":
            self._writer.values["name_grams"] = names.match_expression(part)
            return names.MATCHING
        terms = Terms(self.asked.kind, self.asked.region).grams(names.tail(part))
        found, *others = (
            select(document_terms.c.document_id).where(document_terms.c.term == self._writer.parameter(term))
            for term in sorted(terms)
        )
        return found.where(*(document_terms.c.document_id.in_(each) for each in others))


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
