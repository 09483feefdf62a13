"""The audit trail.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Name = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit_records",
        sa.Column("at_us", Id, primary_key=True, autoincrement=False),
        sa.Column("region", Name, nullable=False),
        sa.Column("service", Name, nullable=False),
        sa.Column("operation", Name, nullable=False),
        sa.Column("user", Name, nullable=False),
        sa.Column("access_key_id", Name, nullable=False),
        sa.Column("resource_type", Name, nullable=False),
        sa.Column("resource", Name, nullable=False),
        sa.Column("details", sa.LargeBinary, nullable=False),
    )
    for column in ("operation", "resource", "user"):
        op.create_index(f"audit_records_by_{column}", "audit_records", ["region", column, "at_us"])
