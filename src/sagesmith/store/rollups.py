"""What becomes of time series with age: their data are rolled up into longer periods, and removed in the end."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select

from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import time_series, time_series_data, time_series_terms
from sagesmith.store.statisticsets import StatisticSet, merged
from sagesmith.store.timeseries import VALUES, WITHIN, add

_s, _t, _d = time_series.c, time_series_terms.c, time_series_data.c
_LOCKED_BY_ID = Prepared(select(_s.id).where(_s.id == bindparam("b_id")).with_for_update())
_FINE = Prepared(
    select(_d.at, _d.unit, *VALUES).where(*WITHIN, _d.at % bindparam("b_period") != 0).order_by(_d.at, _d.unit)
)
_REMOVE_FINE = Prepared(delete(time_series_data).where(*WITHIN, _d.at % bindparam("b_period") != 0))
_SERIES_FROM = (
    select(_s.id)
    .where(_s.id > bindparam("b_after"), _s.active_at >= bindparam("b_start"))
    .order_by(_s.id)
    .limit(bindparam("b_limit"))
)


def roll_up(connection: Connection, start: int, end: int, period: int, after: int, limit: int) -> int | None:
    # What `active_at` says may be up to a minute old.
    where = {"b_after": after, "b_start": start - 60, "b_limit": limit}
    ids: Sequence[int] = connection.execute(_SERIES_FROM, where).scalars().all()
    rows = 0
    for series_id in ids:
        rows += _roll_up_series(connection, series_id, start, end, period)
        if rows >= limit:
            return series_id
    return ids[-1] if len(ids) == limit else None


def _roll_up_series(connection: Connection, series_id: int, start: int, end: int, period: int) -> int:
    where = {"b_id": series_id, "b_start": start, "b_end": end, "b_period": period}
    if _FINE.first(connection, where) is None:
        return 0
    # Who puts data for the same moments waits, or has put them before they are read.
    _LOCKED_BY_ID.first(connection, {"b_id": series_id})
    rows = _FINE.all(connection, where)
    moments: dict[tuple[int, str], list[StatisticSet]] = defaultdict(list)
    for at, unit, *values in rows:
        moments[at - at % period, unit].append(StatisticSet.stored(*values))
    _REMOVE_FINE.run(connection, where)
    for (at, unit), sets in moments.items():
        add(connection, series_id, at, unit, merged(sets))
    return len(rows)


def prune(connection: Connection, before: int, after: int, limit: int) -> int | None:
    page = select(_s.id).where(_s.id > after).order_by(_s.id).limit(limit)
    ids: Sequence[int] = connection.execute(page).scalars().all()
    old = select(_d.series_id).where(_d.series_id == _s.id, _d.at < before).exists()
    aged = (
        connection.execute(select(_s.id).where(_s.id.in_(ids), old).order_by(_s.id).with_for_update()).scalars().all()
    )
    connection.execute(delete(time_series_data).where(_d.series_id.in_(aged), _d.at < before))
    full = select(_d.series_id).where(_d.series_id == _s.id).exists()
    empty = connection.execute(select(_s.id).where(_s.id.in_(aged), ~full)).scalars().all()
    connection.execute(delete(time_series_terms).where(_t.series_id.in_(empty)))
    connection.execute(delete(time_series).where(_s.id.in_(empty)))
    return ids[-1] if len(ids) == limit else None


def rolled_up(period: int) -> str:
    """The source whose offset is up to when data have been rolled up into periods of so many seconds."""
    return f"rolled-up/{period}"
