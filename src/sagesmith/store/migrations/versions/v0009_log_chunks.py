"""Log events are stored as CloudWatch Logs answers them. Nothing to do, for the chunks that are there stay as they are.

A data directory may have gigabytes of them, and a start waits for its migrations: `logchunks.modern` reads the earlier
form instead. The revision stays for databases that have it, and keeps versions away that would not read what is new.

Revision ID: 0009
"""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    pass
