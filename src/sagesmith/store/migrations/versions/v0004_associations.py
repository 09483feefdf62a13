"""Edges between documents.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "associations",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("region", Name, nullable=False),
        sa.Column("source", Name, nullable=False),
        sa.Column("destination", Name, nullable=False),
        sa.Column("type", Name, nullable=False),
        sa.Column("source_type", Name, nullable=False),
        sa.Column("destination_type", Name, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.LargeBinary, nullable=False),
    )
    op.create_index("associations_by_ends", "associations", ["region", "source", "destination"], unique=True)
    for column in ("source", "destination", "type", "source_type", "destination_type"):
        op.create_index(f"associations_by_{column}", "associations", ["region", column, "created_at", "id"])
    op.create_index("associations_by_created_at", "associations", ["region", "created_at", "id"])
