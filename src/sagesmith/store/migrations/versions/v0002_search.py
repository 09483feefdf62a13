"""What Search finds documents by.

Revision ID: 0002
"""

import orjson
import sqlalchemy as sa
from alembic import op

from sagesmith.store import properties, tagging
from sagesmith.store.base import Document

revision = "0002"
down_revision = "0001"

BATCH = 1000
KINDS = ("training-job", "endpoint", "model")
"""The searchable kinds that revision 0001 may have documents of."""

_documents = sa.table("documents", *map(sa.column, ("id", "kind", "region", "arn", "status", "body", "searchable")))
_c = _documents.c
_BATCH = (
    sa.select(_c.id, _c.kind, _c.region, _c.arn, _c.status, _c.body)
    .where(_c.kind.in_(KINDS), _c.id > sa.bindparam("after"))
    .order_by(_c.id)
    .limit(BATCH)
)


def upgrade() -> None:
    op.add_column("documents", sa.Column("searchable", sa.Integer, nullable=False, server_default="0"))
    op.add_column("documents", sa.Column("unindexed", sa.Integer, nullable=False, server_default="0"))
    few = sa.text("unindexed = 1")
    op.create_index("documents_unindexed", "documents", ["id"], sqlite_where=few, postgresql_where=few)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE document_properties USING"
            " fts5(tokens, content='', detail=none, columnsize=0, tokenize='ascii')"
        )
    else:
        op.execute("CREATE TABLE document_properties (document_id bigint PRIMARY KEY, tokens tsvector NOT NULL)")
        op.execute("CREATE INDEX document_properties_by_token ON document_properties USING gin (tokens)")
    _index_what_is_there(op.get_bind())


def _index_what_is_there(connection: sa.Connection) -> None:
    after = 0
    while rows := connection.execute(_BATCH, {"after": after}).all():
        for row in rows:
            arn = row.arn or ""
            document = Document(row.kind, row.region, "", "", arn, orjson.loads(row.body), status=row.status)
            properties.add(connection, row.id, properties.tokens(document, tagging.get(connection, arn)))
        after = rows[-1].id
    connection.execute(sa.update(_documents).where(_c.kind.in_(KINDS)).values(searchable=1))
