"""What a search can ask of documents, and how it is said in SQL."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    cast,
    false,
    literal,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from sagesmith.store import properties
from sagesmith.store.dialects import Contains, Holds, Unindexed
from sagesmith.store.schema import documents


@dataclass(frozen=True, slots=True)
class Equal:
    """A value at `path` of the body, in any of its lists' elements, is this text, number or bool. A text that spells a
    number is found by both."""

    path: str
    value: str | float | bool


@dataclass(frozen=True, slots=True)
class Within:
    """A number at `path`, or a text that spells one, lies between both bounds, which are included."""

    path: str
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, slots=True)
class Present:
    """There is a scalar at `path`."""

    path: str


@dataclass(frozen=True, slots=True)
class Named:
    """The name has `part` in it."""

    part: str


@dataclass(frozen=True, slots=True)
class Written:
    """The body has `part` in it as JSON writes it, be it in which text it may; no index finds it, but the database
    looks for it faster than who reads the documents."""

    part: str


@dataclass(frozen=True, slots=True)
class At:
    """`created_at` or `updated_at` lies between both bounds, which are included."""

    column: Literal["created_at", "updated_at"]
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Without conditions: every document."""

    conditions: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Without conditions: no document."""

    conditions: tuple["Condition", ...] = ()


Condition = Equal | Within | Present | Named | Written | At | Not | AllOf | AnyOf
EVERY = AllOf()


class _Syntax(NamedTuple):
    """How a full-text index spells expressions (https://www.sqlite.org/fts5.html#full_text_query_syntax,
    https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY)."""

    ids: str
    tokens: str
    operator: str
    quote: str
    prefix: str
    both: str
    either: str
    but: str


_SYNTAXES = {
    "sqlite": _Syntax("rowid", "document_properties", "MATCH", '"', " *", " AND ", " OR ", " NOT "),
    "postgresql": _Syntax("document_id", "tokens", "@@", "'", ":*", " & ", " | ", " & !"),
}
_INDEX = table("document_properties")
_TIMES: Mapping[str, ColumnElement[float]] = {
    "created_at": documents.c.created_at,
    "updated_at": documents.c.updated_at,
}
_id = documents.c.id


@dataclass(slots=True)
class Writer:
    """Writes the conditions of one query on one kind's documents.

    Attributes:
        sort: the column whose index may be walked; all others are kept from the planner.
        values: of the parameters of what was written.
    """

    dialect: str
    kind: str
    region: str
    sort: str
    values: dict[str, Any] = field(default_factory=dict)

    def expression(self, condition: Condition) -> str | None:
        """What to ask the full-text index for a condition, None if it cannot tell."""
        syntax = _SYNTAXES[self.dialect]
        asked: str | None = None
        match condition:
            case Equal(path, value):
                asked = self._token(path, properties.value_token(value))
            case Present(path):
                asked = self._token(path, properties.THERE)
            case Within(path, low, high):
                prefixes = properties.number_prefixes(low, high)
                asked = _joined(syntax.either, [self._token(path, each) + syntax.prefix for each in prefixes])
            case Not(inner):
                excluded = self.expression(inner)
                asked = excluded and f"({self._token('', properties.THERE)}{syntax.but}{excluded})"
            case AllOf(parts):
                asked = _joined(syntax.both, [self.expression(each) for each in parts])
            case AnyOf(parts):
                asked = _joined(syntax.either, [self.expression(each) for each in parts])
        return asked

    def sql(self, condition: Condition) -> ColumnElement[bool]:
        if expression := self.expression(condition):
            return Unindexed(_id, type_=_id.type).in_(self.matching(expression))
        written: ColumnElement[bool] = false()
        match condition:
            case Named(part):
                written = Contains(documents.c.name, self.parameter(part))
            case Written(part):
                written = Holds(documents.c.body, self.parameter(orjson.dumps(part)[1:-1]))
            case At():
                written = self.window(condition, indexed=self.sort == condition.column)
            case Not(inner):
                written = not_(self.sql(inner))
            case AllOf(parts):
                written = and_(true(), *(self.sql(each) for each in self._gathered(AllOf, parts)))
            case AnyOf(parts):
                written = or_(false(), *(self.sql(each) for each in self._gathered(AnyOf, parts)))
        return written

    def window(self, at: At, indexed: bool) -> ColumnElement[bool]:
        """A window of time, of whose index the planner may make use or not."""
        column = _TIMES[at.column]
        of = column if indexed else Unindexed(column, type_=column.type)
        lower = [of >= self.parameter(at.low)] if at.low > -inf else []
        upper = [of <= self.parameter(at.high)] if at.high < inf else []
        return and_(true(), *lower, *upper)

    def matching(self, expression: str) -> Select[Any]:
        """The ids of the documents that satisfy an expression."""
        syntax = _SYNTAXES[self.dialect]
        asked = cast(self.parameter(expression), TSQUERY) if syntax.operator == "@@" else self.parameter(expression)
        found = literal_column(syntax.tokens).bool_op(syntax.operator)(asked)
        return select(literal_column(syntax.ids)).select_from(_INDEX).where(found)

    def parameter(self, value: Any) -> ColumnElement[Any]:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return bindparam(name, type_=literal(value).type)

    def _token(self, path: str, value: str) -> str:
        quote = _SYNTAXES[self.dialect].quote
        return f"{quote}{properties.place(self.kind, self.region, path)}{value}{quote}"

    def _gathered(self, how: type[AllOf] | type[AnyOf], parts: tuple[Condition, ...]) -> Iterator[Condition]:
        """The parts, but as one those for which the full-text index can be asked."""
        told = [self.expression(each) is not None for each in parts]
        if any(told):
            yield how(tuple(part for part, yes in zip(parts, told, strict=True) if yes))
        yield from (part for part, yes in zip(parts, told, strict=True) if not yes)


def _joined(operator: str, parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return f"({operator.join(known)})" if known and len(known) == len(parts) else None
