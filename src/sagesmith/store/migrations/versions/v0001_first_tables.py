"""The first tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("kind", Name, nullable=False),
        sa.Column("region", Name, nullable=False),
        sa.Column("key", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("arn", Name),
        sa.Column("parent", Name, nullable=False),
        sa.Column("status", Name, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("facets", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("documents_by_key", "documents", ["kind", "region", "key"], unique=True)
    op.create_index("documents_by_arn", "documents", ["arn"], unique=True)
    op.create_index("documents_by_name", "documents", ["kind", "region", "name", "id"])
    op.create_index("documents_by_created_at", "documents", ["kind", "region", "created_at", "id"])
    op.create_index("documents_by_updated_at", "documents", ["kind", "region", "updated_at", "id"])
    op.create_index("documents_by_status", "documents", ["kind", "region", "status", "id"])
    op.create_table(
        "document_terms",
        sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "tags",
        sa.Column("arn", Name, primary_key=True),
        sa.Column("key", Name, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "work",
        sa.Column("kind", Name, primary_key=True),
        sa.Column("region", Name, primary_key=True),
        sa.Column("key", Name, primary_key=True),
        sa.Column("available_at", sa.Double, nullable=False),
        sa.Column("again_at", sa.Double),
        sa.Column("owner", Name),
        sa.Column("claim", Name),
    )
    op.create_index("work_by_available_at", "work", ["available_at"])
    op.create_table(
        "log_groups",
        sa.Column("region", Name, primary_key=True),
        sa.Column("name", Name, primary_key=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("retention_days", sa.Integer),
    )

    op.create_table(
        "log_streams",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("region", Name, nullable=False),
        sa.Column("log_group", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("first_ms", sa.BigInteger),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ingestion_ms", sa.BigInteger),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("source_offset", sa.BigInteger, nullable=False),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
    )
    op.create_index("log_streams_by_name", "log_streams", ["region", "log_group", "name"], unique=True)
    op.create_index("log_streams_by_last_ms", "log_streams", ["region", "log_group", "last_ms", "name"])
    op.create_table(
        "log_chunks",
        sa.Column("stream_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("first_sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("min_ms", sa.BigInteger, nullable=False),
        sa.Column("max_ms", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("log_chunks_by_time", "log_chunks", ["stream_id", "min_ms"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE document_names USING"
            " fts5(name, content='', detail=none, tokenize='trigram case_sensitive 1')"
        )
