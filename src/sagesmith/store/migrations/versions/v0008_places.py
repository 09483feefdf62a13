"""Places in the line for compute capacity.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column("kind", Name, primary_key=True),
        sa.Column("region", Name, primary_key=True),
        sa.Column("key", Name, primary_key=True),
        sa.Column("arrived_at", sa.Double, nullable=False),
        sa.Column("hosts", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Index("places_in_line", "held", "arrived_at"),
    )
