"""Time series: statistic sets of metrics by second or by minute, which become coarser as they grow old.

A series is a namespace, a name and dimensions. Its data lie together in the order of their time, so that a window is
read in one piece, and there is one row a unit and moment: who puts more for the same moment adds to it.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import InvalidToken
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import time_series, time_series_data, time_series_terms
from sagesmith.store.statisticsets import StatisticSet, merged
from sagesmith.store.tokens import decode_token, encode_token

HOUR, DAY = 3600, 86_400

RESOLUTIONS = ((3 * HOUR, 60), (15 * DAY, 300), (63 * DAY, 3600))
"""(age in seconds, period in seconds): data older than that are kept by this period, as CloudWatch does."""

_MASK = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Metric:
    """What identifies a series within a region; dimensions are pairs of name and value, sorted."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Datum:
    """Values of a metric at one moment, in seconds since the epoch: a multiple of 60 where only minutes count."""

    metric: Metric
    at: int
    unit: str
    values: StatisticSet


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked of a series: its data from `start` up to before `end` (seconds since the epoch) in periods that
    begin at `start`; of one unit, or of every unit for itself.

    Attributes:
        samples: whether the sets are to have their samples, which takes longer.
    """

    start: int
    end: int
    period: int
    unit: str | None = None
    samples: bool = False
    descending: bool = False
    limit: int = 100_800


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The values of one unit in the period that begins at `at`."""

    at: int
    unit: str
    values: StatisticSet


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """Which metrics of a region to list; what is None does not matter. Of dimensions, a value of None is any."""

    region: str
    namespace: str | None = None
    name: str | None = None
    dimensions: Sequence[tuple[str, str | None]] = ()
    active_since: int = 0
    limit: int = 500
    token: str | None = None


_s, _t, _d = time_series.c, time_series_terms.c, time_series_data.c
VALUES = (_d.count, _d.sum, _d.minimum, _d.maximum, _d.samples)
_SERIES = Prepared(select(_s.id, _s.active_at).where(_s.digest == bindparam("b_digest")))
_LOCKED = Prepared(select(_s.id, _s.active_at).where(_s.digest == bindparam("b_digest")).with_for_update())
_ROW: dict[str, Any] = {
    name: bindparam(name) for name in ("digest", "region", "namespace", "name", "dimensions", "active_at")
}
_NEW_SERIES = {
    "sqlite": Prepared(sqlite.insert(time_series).values(_ROW).on_conflict_do_nothing().returning(_s.id)),
    "postgresql": Prepared(postgresql.insert(time_series).values(_ROW).on_conflict_do_nothing().returning(_s.id)),
}
_ADD_TERMS = insert(time_series_terms)
_ACTIVE = Prepared(update(time_series).where(_s.id == bindparam("b_id")).values(active_at=bindparam("b_active_at")))
_AT = (_d.series_id == bindparam("b_id"), _d.at == bindparam("b_at"), _d.unit == bindparam("b_unit"))
_DATUM = Prepared(select(*VALUES).where(*_AT))
_SET: dict[str, Any] = {column.name: bindparam(f"b_{column.name}") for column in VALUES}
_ADD = Prepared(
    insert(time_series_data).values(series_id=bindparam("b_id"), at=bindparam("b_at"), unit=bindparam("b_unit"), **_SET)
)
_CHANGE = Prepared(update(time_series_data).where(*_AT).values(**_SET))
WITHIN = (
    _d.series_id == bindparam("b_id"),
    _d.at >= bindparam("b_start"),
    _d.at < bindparam("b_end"),
)
_PERIOD = (_d.at - (_d.at - bindparam("b_start")) % bindparam("b_period")).label("period")


def put(connection: Connection, region: str, data: Sequence[Datum]) -> None:
    by_metric: dict[Metric, list[Datum]] = defaultdict(list)
    for datum in data:
        by_metric[datum.metric].append(datum)
    now = int(time.time())
    # In one order, so that two writers do not wait for each other.
    for digest, metric in sorted((_digest(region, metric), metric) for metric in by_metric):
        series_id, active_at = _need_series(connection, region, metric, digest)
        newest = 0
        moments: dict[tuple[int, str], list[StatisticSet]] = defaultdict(list)
        for datum in by_metric[metric]:
            newest = max(newest, datum.at)
            moments[_coarse(datum.at, now), datum.unit].append(datum.values)
        for (at, unit), sets in sorted(moments.items()):
            add(connection, series_id, at, unit, merged(sets))
        if newest >= active_at + 60:
            _ACTIVE.run(connection, {"b_id": series_id, "b_active_at": newest})


def _coarse(at: int, now: int) -> int:
    """The moment at which a datum is kept that comes late: where it would be had it come in time."""
    period = next((period for age, period in reversed(RESOLUTIONS) if at < cutoff(now, age, period)), 1)
    return at - at % period


def cutoff(now: int, age: int, period: int) -> int:
    """Up to when data are older than `age`, in whole periods."""
    return (now - age) // period * period


def _digest(region: str, metric: Metric) -> str:
    identity = orjson.dumps([region, metric.namespace, metric.name, metric.dimensions])
    return blake2b(identity, digest_size=16).hexdigest()


def _need_series(connection: Connection, region: str, metric: Metric, digest: str) -> tuple[int, int]:
    """A series' id and the time of its newest data; its row stays locked."""
    found = _LOCKED.first(connection, {"b_digest": digest})
    if found is None:
        row = {
            "digest": digest,
            "region": region,
            "namespace": metric.namespace,
            "name": metric.name,
            "dimensions": orjson.dumps(metric.dimensions),
            "active_at": 0,
        }
        made = _NEW_SERIES[connection.dialect.name].first(connection, row)
        if made is not None:
            terms = {term for name, value in metric.dimensions for term in _terms(region, name, value)}
            if terms:
                connection.execute(_ADD_TERMS, [{"term": term, "series_id": made[0]} for term in terms])
            return made[0], 0
        found = _LOCKED.first(connection, {"b_digest": digest})
    return found[0], found[1]


def _terms(region: str, name: str, value: str) -> tuple[int, int]:
    return _term(region, name, None), _term(region, name, value)


def _term(region: str, name: str, value: str | None) -> int:
    digest = blake2b(orjson.dumps([region, name, value]), digest_size=8).digest()
    return int.from_bytes(digest, "big") & _MASK


def add(connection: Connection, series_id: int, at: int, unit: str, values: StatisticSet) -> None:
    """Add values to what a series has for a moment; its row is locked."""
    key = {"b_id": series_id, "b_at": at, "b_unit": unit}
    found = _DATUM.first(connection, key)
    if found is None:
        _ADD.run(connection, {**key, **_row(values)})
    else:
        _CHANGE.run(connection, {**key, **_row(merged([StatisticSet.stored(*found), values]))})


def _row(values: StatisticSet) -> dict[str, Any]:
    return {
        "b_count": values.count,
        "b_sum": values.sum,
        "b_minimum": values.minimum,
        "b_maximum": values.maximum,
        "b_samples": values.packed(),
    }


def read(connection: Connection, region: str, metric: Metric, window: Window) -> list[Aggregate]:
    series = _SERIES.first(connection, {"b_digest": _digest(region, metric)})
    if series is None:
        return []
    where = {"b_id": series[0], "b_start": window.start, "b_end": window.end, "b_period": window.period}
    of_unit = [] if window.unit is None else [_d.unit == window.unit]
    if window.samples:
        return _with_samples(connection, where, of_unit, window)
    order = _PERIOD.desc() if window.descending else _PERIOD.asc()
    statement = (
        select(_PERIOD, _d.unit, func.sum(_d.count), func.sum(_d.sum), func.min(_d.minimum), func.max(_d.maximum))
        .where(*WITHIN, *of_unit)
        .group_by(_PERIOD, _d.unit)
        .order_by(order, _d.unit)
        .limit(window.limit)
    )
    return [
        Aggregate(int(at), unit, StatisticSet(*values)) for at, unit, *values in connection.execute(statement, where)
    ]


def _with_samples(
    connection: Connection, where: dict[str, Any], of_unit: Sequence[Any], window: Window
) -> list[Aggregate]:
    order = _d.at.desc() if window.descending else _d.at.asc()
    statement = select(_PERIOD, _d.unit, *VALUES).where(*WITHIN, *of_unit).order_by(order, _d.unit)
    rows = connection.execute(statement, where)
    found: list[Aggregate] = []
    for at, period in groupby(rows, lambda row: int(row[0])):
        by_unit: dict[str, list[StatisticSet]] = defaultdict(list)
        for row in period:
            by_unit[row[1]].append(StatisticSet.stored(*row[2:]))
        found += [Aggregate(at, unit, merged(by_unit[unit])) for unit in sorted(by_unit)]
        if len(found) >= window.limit:
            break
    rows.close()
    return found[: window.limit]


def metrics(connection: Connection, query: MetricQuery) -> tuple[list[Metric], str | None]:
    after = 0
    if query.token is not None:
        match decode_token(query.token):
            case ["metrics", int(after)]:
                pass
            case _:
                raise InvalidToken("the token belongs to another query")
    conditions = [_s.region == query.region, _s.id > after, _s.active_at >= query.active_since]
    if query.namespace is not None:
        conditions.append(_s.namespace == query.namespace)
    if query.name is not None:
        conditions.append(_s.name == query.name)
    for name, value in query.dimensions:
        term = _term(query.region, name, value)
        conditions.append(_s.id.in_(select(_t.series_id).where(_t.term == term)))
    statement = select(_s.id, _s.namespace, _s.name, _s.dimensions).where(*conditions).order_by(_s.id)
    rows = connection.execute(statement.limit(query.limit + 1)).all()
    found = [
        Metric(namespace, name, tuple((key, value) for key, value in orjson.loads(dimensions)))
        for _, namespace, name, dimensions in rows[: query.limit]
    ]
    return found, encode_token("metrics", rows[query.limit - 1].id) if len(rows) > query.limit else None
