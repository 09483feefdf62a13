"""The tables. They are made by the migrations; what stands here must be what the newest of those leaves behind."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts a key up by itself only if its type is exactly INTEGER."""

Name = Text().with_variant(String(collation="C"), "postgresql")
"""Text that sorts by code point, on PostgreSQL as on SQLite."""

documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", Name, nullable=False),
    Column("region", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("arn", Name),
    Column("parent", Name, nullable=False),
    Column("status", Name, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facets", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("searchable", Integer, nullable=False, server_default="0"),
    Column("unindexed", Integer, nullable=False, server_default="0"),
    Index("documents_by_key", "kind", "region", "key", unique=True),
    Index("documents_by_arn", "arn", unique=True),
    Index("documents_by_name", "kind", "region", "name", "id"),
    Index("documents_by_created_at", "kind", "region", "created_at", "id"),
    Index("documents_by_updated_at", "kind", "region", "updated_at", "id"),
    Index("documents_by_status", "kind", "region", "status", "id"),
    Index("documents_unindexed", "id", sqlite_where=text("unindexed = 1"), postgresql_where=text("unindexed = 1")),
)
"""`unindexed` is 1 while a document's name and properties are not in the full-text indexes yet, see `indexing`."""

document_terms = Table(
    "document_terms",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("document_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""What Lists filter by, hashed (see `terms`): without a foreign key, because deletes know their terms and an index by
document would double the table."""

tags = Table(
    "tags",
    metadata,
    Column("arn", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

work = Table(
    "work",
    metadata,
    Column("kind", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("available_at", Double, nullable=False),
    Column("again_at", Double),
    Column("owner", Name),
    Column("claim", Name),
    Index("work_by_available_at", "available_at"),
)
"""`available_at` is when the work is due, or when its lease ends while it is claimed; `again_at` is what was scheduled
while it was claimed."""

places = Table(
    "places",
    metadata,
    Column("kind", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("arrived_at", Double, nullable=False),
    Column("hosts", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Index("places_in_line", "held", "arrived_at"),
)
"""The line for compute capacity; `held` is 1 from when a place has its hosts."""

log_groups = Table(
    "log_groups",
    metadata,
    Column("region", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
)

log_streams = Table(
    "log_streams",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("region", Name, nullable=False),
    Column("log_group", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("first_ms", BigInteger),
    Column("last_ms", BigInteger, nullable=False),
    Column("last_ingestion_ms", BigInteger),
    Column("last_sequence", BigInteger, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Index("log_streams_by_name", "region", "log_group", "name", unique=True),
    Index("log_streams_by_last_ms", "region", "log_group", "last_ms", "name"),
)

log_chunks = Table(
    "log_chunks",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("min_ms", BigInteger, nullable=False),
    Column("max_ms", BigInteger, nullable=False),
    Column("sealed", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("log_chunks_by_time", "stream_id", "min_ms"),
)
"""Many events a row: JSON with commas between (see `logchunks`), compressed once sealed."""

metric_series = Table(
    "metric_series",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("resource", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("points", BigInteger, nullable=False),
    Index("metric_series_by_name", "resource", "name", unique=True),
)
"""`points` is how many there have been, from which the next gets its sequence."""

metric_points = Table(
    "metric_points",
    metadata,
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

time_series = Table(
    "time_series",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("digest", Name, nullable=False),
    Column("region", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("dimensions", LargeBinary, nullable=False),
    Column("active_at", BigInteger, nullable=False),
    Index("time_series_by_digest", "digest", unique=True),
    Index("time_series_by_name", "region", "namespace", "name", "id"),
    Index("time_series_by_active_at", "active_at"),
)
"""`digest` is of everything that identifies a series, which may be longer than an index takes. `active_at` is the time
of its newest data, or up to a minute before. Times here are seconds since the epoch."""

time_series_terms = Table(
    "time_series_terms",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""The dimensions of series, by name and by name and value, hashed."""

time_series_data = Table(
    "time_series_data",
    metadata,
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("unit", Name, primary_key=True),
    Column("count", Double, nullable=False),
    Column("sum", Double, nullable=False),
    Column("minimum", Double, nullable=False),
    Column("maximum", Double, nullable=False),
    Column("samples", LargeBinary),
    sqlite_with_rowid=False,
)
"""Statistic sets. `samples` are pairs of doubles, a value and how often it was there; NULL where they are not known, or
where `minimum` and `maximum` say it all."""

time_series_sources = Table(
    "time_series_sources",
    metadata,
    Column("source", Name, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("read_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Up to where the files have been read that data come from, and up to when data have been rolled up."""

associations = Table(
    "associations",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("region", Name, nullable=False),
    Column("source", Name, nullable=False),
    Column("destination", Name, nullable=False),
    Column("type", Name, nullable=False),
    Column("source_type", Name, nullable=False),
    Column("destination_type", Name, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", LargeBinary, nullable=False),
    Index("associations_by_ends", "region", "source", "destination", unique=True),
    Index("associations_by_source", "region", "source", "created_at", "id"),
    Index("associations_by_destination", "region", "destination", "created_at", "id"),
    Index("associations_by_type", "region", "type", "created_at", "id"),
    Index("associations_by_source_type", "region", "source_type", "created_at", "id"),
    Index("associations_by_destination_type", "region", "destination_type", "created_at", "id"),
    Index("associations_by_created_at", "region", "created_at", "id"),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("at_us", Id, primary_key=True, autoincrement=False),
    Column("region", Name, nullable=False),
    Column("service", Name, nullable=False),
    Column("operation", Name, nullable=False),
    Column("user", Name, nullable=False),
    Column("access_key_id", Name, nullable=False),
    Column("resource_type", Name, nullable=False),
    Column("resource", Name, nullable=False),
    Column("details", LargeBinary, nullable=False),
    Index("audit_records_by_operation", "region", "operation", "at_us"),
    Index("audit_records_by_resource", "region", "resource", "at_us"),
    Index("audit_records_by_user", "region", "user", "at_us"),
)
"""The key is the time of a record in microseconds since the epoch."""

events = Table(
    "events",
    metadata,
    Column("transaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("region", Name, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""`transaction_id` is PostgreSQL's, 0 on SQLite; `number` is the time in microseconds since the epoch, or one more than
the last where that is later."""

keyrings = Table(
    "keyrings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", Name, nullable=False),
    Column("running", Integer, nullable=False),
)
"""Has one row once a platform has used the database. `running` is 1 from its start until it has ended all that it did:
what a platform on PostgreSQL that stood by wants to know."""
