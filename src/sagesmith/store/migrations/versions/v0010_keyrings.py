"""Whose database it is: the fingerprint of the keys that its secrets are sealed with.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "keyrings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", Name, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
    )
