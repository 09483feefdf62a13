"""Finding documents by a part of their name.

A name of 40 characters has 38 trigrams. On SQLite they go into an FTS5 index, which writes them as one small segment
and merges later; as rows of `document_terms`, spread all over a large tree, they made a create 20 times as slow.
PostgreSQL, where FTS5 is not to be had, bears the rows well.
"""

from typing import Any

from sqlalchemy import CompoundSelect, Connection, bindparam, literal_column, select, table, text, union_all

from sagesmith.store.prepared import Prepared
from sagesmith.store.terms import GRAM

PROBED_GRAMS = 6

_ADD = Prepared(text("INSERT INTO document_names (rowid, name) VALUES (:id, :name)"))
_REMOVE = Prepared(text("INSERT INTO document_names (document_names, rowid, name) VALUES ('delete', :id, :name)"))
_names = table("document_names")
MATCHING: CompoundSelect[Any] = union_all(
    select(literal_column("rowid"))
    .select_from(_names)
    .where(literal_column("document_names").op("MATCH")(bindparam("name_grams"))),
    select(literal_column("id")).select_from(table("documents")).where(literal_column("unindexed = 1")),
)
"""The ids of the documents whose name has the trigrams `name_grams`, of any kind and region, and of those that are not
indexed yet. SQLite only."""


def tail(part: str) -> str:
    """The end of `part`, which tells a name from its neighbours: most end in a time or a number."""
    return part[-PROBED_GRAMS - GRAM + 1 :]


def match_expression(part: str) -> str:
    """What `name_grams` is for names that contain `part`, which has three characters at least
    (https://www.sqlite.org/fts5.html, "Full-text Query Syntax")."""
    end = tail(part).replace("\0", "")
    grams = sorted({end[at : at + GRAM].replace('"', '""') for at in range(len(end) - GRAM + 1)})
    return " AND ".join(f'"{gram}"' for gram in grams)


def add(connection: Connection, row_id: int, name: str) -> None:
    _ADD.run(connection, {"id": row_id, "name": name})


def remove(connection: Connection, row_id: int, name: str) -> None:
    _REMOVE.run(connection, {"id": row_id, "name": name})
