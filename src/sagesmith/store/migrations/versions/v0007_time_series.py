"""Time series of statistic sets, as CloudWatch keeps them.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "time_series",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("digest", Name, nullable=False),
        sa.Column("region", Name, nullable=False),
        sa.Column("namespace", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("dimensions", sa.LargeBinary, nullable=False),
        sa.Column("active_at", sa.BigInteger, nullable=False),
    )
    op.create_index("time_series_by_digest", "time_series", ["digest"], unique=True)
    op.create_index("time_series_by_name", "time_series", ["region", "namespace", "name", "id"])
    op.create_index("time_series_by_active_at", "time_series", ["active_at"])
    op.create_table(
        "time_series_terms",
        sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "time_series_data",
        sa.Column("series_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("unit", Name, primary_key=True),
        sa.Column("count", sa.Double, nullable=False),
        sa.Column("sum", sa.Double, nullable=False),
        sa.Column("minimum", sa.Double, nullable=False),
        sa.Column("maximum", sa.Double, nullable=False),
        sa.Column("samples", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "time_series_sources",
        sa.Column("source", Name, primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
