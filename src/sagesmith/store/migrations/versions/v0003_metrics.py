"""Metrics of resources over time.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "metric_series",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("resource", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
    )
    op.create_index("metric_series_by_name", "metric_series", ["resource", "name"], unique=True)
    op.create_table(
        "metric_points",
        sa.Column("series_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("step", sa.BigInteger),
        sa.Column("value", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
