"""Metrics: values of a resource over time, such as the loss of a run, point by point.

A series is one metric of one resource. Its points lie together in the order of their time, so that a window of it is
read in one piece; points of the same time keep the order in which they came.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import MetricPoint
from sagesmith.store.schema import metric_points, metric_series

_s, _p = metric_series.c, metric_points.c
_NEW_SERIES = {
    "sqlite": sqlite.insert(metric_series).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(metric_series).on_conflict_do_nothing(),
}
_SERIES = select(_s.id, _s.points).where(_s.resource == bindparam("b_resource"), _s.name == bindparam("b_name"))
_LOCKED = _SERIES.with_for_update()
_GROW = update(metric_series).where(_s.id == bindparam("b_id"))
_ADD = insert(metric_points)
_POINTS = select(_p.at_ms, _p.step, _p.value).order_by(_p.at_ms, _p.sequence)
_OF_RESOURCE = select(_s.id).where(_s.resource == bindparam("b_resource"))
_REMOVE_POINTS = delete(metric_points).where(_p.series_id.in_(_OF_RESOURCE))
_REMOVE_SERIES = delete(metric_series).where(_s.resource == bindparam("b_resource"))


def put(connection: Connection, resource: str, points: Sequence[MetricPoint]) -> None:
    by_name: dict[str, list[MetricPoint]] = defaultdict(list)
    for point in points:
        by_name[point.name].append(point)
    # In the order of their names, so that two writers of a resource do not wait for each other.
    for name, added in sorted(by_name.items()):
        connection.execute(_NEW_SERIES[connection.dialect.name], {"resource": resource, "name": name, "points": 0})
        series_id, before = connection.execute(_LOCKED, {"b_resource": resource, "b_name": name}).one()
        connection.execute(_ADD, [_row(series_id, before + at, point) for at, point in enumerate(added, 1)])
        connection.execute(_GROW, {"b_id": series_id, "points": before + len(added)})


def _row(series_id: int, sequence: int, point: MetricPoint) -> dict[str, Any]:
    return {
        "series_id": series_id,
        "at_ms": point.at_ms,
        "sequence": sequence,
        "step": point.step,
        "value": point.value,
    }


def read(
    connection: Connection,
    resource: str,
    name: str,
    since_ms: int | None,
    until_ms: int | None,
    first_step: int | None,
    last_step: int | None,
) -> list[MetricPoint]:
    series = connection.execute(_SERIES, {"b_resource": resource, "b_name": name}).first()
    if series is None:
        return []
    statement = _POINTS.where(_p.series_id == series.id)
    if since_ms is not None:
        statement = statement.where(_p.at_ms >= since_ms)
    if until_ms is not None:
        statement = statement.where(_p.at_ms <= until_ms)
    if first_step is not None:
        statement = statement.where(_p.step >= first_step)
    if last_step is not None:
        statement = statement.where(_p.step <= last_step)
    return [MetricPoint(name, at_ms, value, step) for at_ms, step, value in connection.execute(statement)]


def remove(connection: Connection, resource: str) -> None:
    connection.execute(_REMOVE_POINTS, {"b_resource": resource})
    connection.execute(_REMOVE_SERIES, {"b_resource": resource})
