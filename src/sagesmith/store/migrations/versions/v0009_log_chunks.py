"""Log events in chunks as CloudWatch Logs answers them, so that a page is made without a look at them.

Revision ID: 0009
"""

import zlib

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_chunks = sa.table(
    "log_chunks",
    sa.column("stream_id", sa.BigInteger),
    sa.column("first_sequence", sa.BigInteger),
    sa.column("sealed", sa.Integer),
    sa.column("payload", sa.LargeBinary),
)
_c = _chunks.c
_KEY = (_c.stream_id, _c.first_sequence)
_AT_ONCE = 256


def upgrade() -> None:
    connection = op.get_bind()
    batch = sa.select(*_KEY, _c.sealed, _c.payload).order_by(*_KEY).limit(_AT_ONCE)
    # The keys of streams begin at 1.
    last = (0, 0)
    while rows := connection.execute(batch.where(sa.tuple_(*_KEY) > sa.tuple_(*last))).all():
        for row in rows:
            payload = zlib.decompress(row.payload) if row.sealed else row.payload
            events = [
                {"timestamp": timestamp, "ingestionTime": ingestion, "message": message}
                for timestamp, ingestion, message in orjson.loads(b"[" + payload + b"]")
            ]
            payload = orjson.dumps(events)[1:-1]
            whose = sa.and_(_c.stream_id == row.stream_id, _c.first_sequence == row.first_sequence)
            values = {"payload": zlib.compress(payload, 1) if row.sealed else payload}
            connection.execute(sa.update(_chunks).where(whose).values(values))
        last = (rows[-1].stream_id, rows[-1].first_sequence)
