"""How far each source of time series has been read: a task's measurements, or time itself (`rollups`)."""

import time
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import VersionConflict
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import time_series_sources

_o = time_series_sources.c
_OFFSET = Prepared(select(_o.offset).where(_o.source == bindparam("b_source")))
_LOCKED_OFFSET = Prepared(select(_o.offset).where(_o.source == bindparam("b_source")).with_for_update())
_SOURCE: dict[str, Any] = {name: bindparam(name) for name in ("source", "offset", "read_at")}
_NEW_SOURCE = {
    "sqlite": Prepared(sqlite.insert(time_series_sources).values(_SOURCE).on_conflict_do_nothing()),
    "postgresql": Prepared(postgresql.insert(time_series_sources).values(_SOURCE).on_conflict_do_nothing()),
}
_ADVANCE = Prepared(
    update(time_series_sources)
    .where(_o.source == bindparam("b_source"))
    .values(offset=bindparam("b_offset"), read_at=bindparam("b_read_at"))
)


def offset(connection: Connection, source: str) -> int:
    found = _OFFSET.first(connection, {"b_source": source})
    return 0 if found is None else int(found[0])


def advance(connection: Connection, source: str, before: int, after: int) -> None:
    """Raises VersionConflict if somebody else read the source meanwhile."""
    now = int(time.time())
    _NEW_SOURCE[connection.dialect.name].run(connection, {"source": source, "offset": 0, "read_at": now})
    if _LOCKED_OFFSET.first(connection, {"b_source": source})[0] != before:
        raise VersionConflict(f"{source} was read meanwhile")
    _ADVANCE.run(connection, {"b_source": source, "b_offset": after, "b_read_at": now})


def forget(connection: Connection, before: int) -> None:
    connection.execute(delete(time_series_sources).where(_o.read_at < before))
