"""Putting documents into the full-text indexes, after they were stored.

A full-text index takes a hundred documents in one transaction for little more than one, so that a Create leaves its
document to be indexed soon. Until then a List by name looks at it as it does at those that the index finds (see
`names`), and a Search indexes it first.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, literal_column, select, update

from sagesmith.store import names, properties, tagging
from sagesmith.store.dialects import Integers
from sagesmith.store.documents import COLUMNS, from_row
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import documents

_unindexed: ColumnElement[bool] = literal_column("unindexed = 1")
"""In these words, so that the partial index is used."""
_ANY = Prepared(select(documents.c.id).where(_unindexed).limit(1))
_LEFT = Prepared(select(documents.c.id).where(_unindexed))
_BATCH = Prepared(
    select(*COLUMNS)
    .where(_unindexed)
    .order_by(documents.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_ONE = Prepared(select(*COLUMNS).where(_unindexed, documents.c.id == bindparam("b_id")).with_for_update())
_ids = Integers(bindparam("ids")).table_valued("value")
_DONE = Prepared(
    update(documents).where(documents.c.id.in_(select(_ids.c.value))).values(unindexed=literal_column("0"))
)


def is_due(connection: Connection) -> bool:
    """Whether there is a document to be indexed."""
    return _ANY.first(connection, {}) is not None


def index(connection: Connection, most: int) -> int:
    """Index up to `most` documents, in a transaction that writes. Those that another transaction is changing are left.

    Returns:
        How many were indexed.
    """
    rows = _BATCH.all(connection, {"most": most})
    _add(connection, rows)
    return len(rows)


def left(connection: Connection) -> list[int]:
    """Which documents are still to be indexed."""
    return [row[0] for row in _LEFT.all(connection, {})]


def index_one(connection: Connection, row_id: int) -> None:
    """Index a document if it still is to be, as soon as no other transaction is changing it."""
    _add(connection, _ONE.all(connection, {"b_id": row_id}))


def _add(connection: Connection, rows: Sequence[Any]) -> None:
    for row in rows:
        document = from_row(row)
        if connection.dialect.name == "sqlite":
            names.add(connection, row[0], document.name)
        if document.searchable:
            properties.add(connection, row[0], properties.tokens(document, tagging.get(connection, document.arn)))
    if rows:
        _DONE.run(connection, {"ids": orjson.dumps([row[0] for row in rows]).decode()})
