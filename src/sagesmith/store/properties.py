"""An index of every scalar in the documents that are searchable, wherever in the body it lies.

Each value becomes a token: a hash of kind, region and path (members joined by dots, elements of lists at their list's
path), then a letter for the type, then the value: texts hashed, numbers so that they sort as they compare. All tokens
of a document are one row of a full-text index, FTS5 on SQLite and a `tsvector` under GIN on PostgreSQL: both intersect,
unite and find by prefix (hence ranges of numbers), and both take a document as one cheap write. As rows of a table
they would be some 30 writes all over a large tree.

A number has tokens of its first digits besides (as in Lucene's numeric fields, https://doi.org/10.1016/j.cageo.2008.02.023,
Schindler and Diepenbroek 2008), so that a wide range need not unite all the values in it.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, text

from sagesmith.store.base import Document
from sagesmith.store.prepared import Prepared

STATUS = "_status"
"""The path of a document's status; body members that begin with `_` are not indexed."""
ARN = "_arn"
TAGS = "Tags"
"""The path under which tags lie, by key."""
THERE = "e"
"""What a token ends with that says that there is a value at its place. Every document has one at the empty path, which
others are subtracted from."""

_DIGITS = "0123456789abcdef"
_PRECISIONS = (("a", 4), ("b", 6), ("n", 16))
"""The letters of a number's tokens, and how many of its digits they have: the first tells numbers that differ by a
sixteenth, roughly."""
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_ADD = {
    "sqlite": Prepared(text("INSERT INTO document_properties (rowid, tokens) VALUES (:id, :tokens)")),
    "postgresql": Prepared(
        text("INSERT INTO document_properties (document_id, tokens) VALUES (:id, CAST(:tokens AS tsvector))")
    ),
}
_REMOVE = {
    "sqlite": Prepared(
        text("INSERT INTO document_properties (document_properties, rowid, tokens) VALUES ('delete', :id, :tokens)")
    ),
    "postgresql": Prepared(text("DELETE FROM document_properties WHERE document_id = :id")),
}


def number_of(value: str) -> float | None:
    """The finite number that a text spells, None if it spells none."""
    number = float(value) if _NUMBER.fullmatch(value) else math.inf
    return number if math.isfinite(number) else None


def tokens(document: Document, tags: Mapping[str, str]) -> str:
    """All tokens of a document, in an order of their own, separated by spaces."""
    kind, region = document.kind, document.region
    found = {place(kind, region, "") + THERE}
    for path, value in _leaves(document, tags):
        at = place(kind, region, path)
        found.add(at + THERE)
        if isinstance(value, str):
            found.add(at + _text(value))
            number = number_of(value)
        elif isinstance(value, bool):
            found.add(at + value_token(value))
            number = None
        else:
            number = value
        if number is not None:
            found.update(at + each for each in _number_tokens(number))
    return " ".join(sorted(found))


def add(connection: Connection, row_id: int, indexed: str) -> None:
    """Index a document that is not indexed.

    Args:
        indexed: what `tokens` says of it.
    """
    _ADD[connection.dialect.name].run(connection, {"id": row_id, "tokens": indexed})


def remove(connection: Connection, row_id: int, indexed: str) -> None:
    """Take a document out of the index, given the tokens that are there."""
    _REMOVE[connection.dialect.name].run(connection, {"id": row_id, "tokens": indexed})


def change(connection: Connection, row_id: int, before: str, after: str) -> None:
    """Index a document anew, if it is found by anything else than before."""
    if before != after:
        remove(connection, row_id, before)
        add(connection, row_id, after)


@lru_cache(maxsize=8192)
def place(kind: str, region: str, path: str) -> str:
    """What the tokens of all values at a path begin with."""
    return blake2b(f"{kind}\0{region}\0{path}".encode(), digest_size=6).hexdigest()


def value_token(value: str | float | bool) -> str:
    """What the token of a value ends with: a bool is the text that JSON has for it."""
    if isinstance(value, bool):
        return _text("true" if value else "false")
    return _text(value) if isinstance(value, str) else _number_tokens(value)[-1]


def number_prefixes(low: float, high: float) -> list[str]:
    """What the tokens of the numbers from `low` to `high`, both included, begin with after their place; none if there
    is no such number."""
    first, last = _ordered(low), _ordered(high)
    if first > last:
        return []
    prefixes = _prefixes("", f"{first:016x}", f"{last:016x}")
    return [next(letter for letter, digits in _PRECISIONS if len(each) <= digits) + each for each in prefixes]


@lru_cache(maxsize=8192)
def _text(value: str) -> str:
    return "t" + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _number_tokens(value: float) -> list[str]:
    digits = f"{_ordered(value):016x}"
    return [letter + digits[:length] for letter, length in _PRECISIONS]


def _ordered(value: float) -> int:
    """64 bits that compare as the floats do (IEEE 754's total order, with one zero)."""
    try:
        as_float = float(value) + 0.0
    except OverflowError:
        as_float = math.copysign(math.inf, value)
    bits = int(struct.unpack(">Q", struct.pack(">d", as_float))[0])
    return bits ^ _ALL if bits & _SIGN else bits | _SIGN


def _prefixes(before: str, low: str, high: str) -> Iterator[str]:
    """The fewest prefixes that all hexadecimal numbers from `before + low` to `before + high` begin with, no other."""
    width = len(low)
    if low == "0" * width and high == "f" * width:
        yield before
        return
    for digit in _DIGITS[int(low[0], 16) : int(high[0], 16) + 1]:
        yield from _prefixes(
            before + digit,
            low[1:] if digit == low[0] else "0" * (width - 1),
            high[1:] if digit == high[0] else "f" * (width - 1),
        )


def _leaves(document: Document, tags: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for member, value in document.body.items():
        if not member.startswith("_"):
            yield from _scalars(member, value)
    for key, value in tags.items():
        yield f"{TAGS}.{key}", value
    yield ARN, document.arn
    if document.status:
        yield STATUS, document.status


def _scalars(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for member, inner in value.items():
            yield from _scalars(f"{path}.{member}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(path, inner)
    elif value is not None:
        yield path, value
