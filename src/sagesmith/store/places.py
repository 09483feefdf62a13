"""One line for compute capacity: who came first, and who has it.

Whatever wants hosts has a place from its creation to its end. A place waits until it is the first in line and its hosts
are free; then it holds them until it leaves. So no crash and no second server can give more than there is.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import Place
from sagesmith.store.schema import places

_LOCK = 0x5A6E_5318
"""PostgreSQL's: whoever takes hosts must see what all others have taken. On SQLite there is one writer."""

_c = places.c
_COLUMNS = (_c.kind, _c.region, _c.key, _c.arrived_at, _c.hosts, _c.held)
_BY_KEY = (_c.kind == bindparam("b_kind"), _c.region == bindparam("b_region"), _c.key == bindparam("b_key"))
_values: dict[str, Any] = {column.name: bindparam(column.name) for column in _COLUMNS}
_ENTER = {
    "sqlite": sqlite.insert(places).values(_values).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(places).values(_values).on_conflict_do_nothing(),
}
_FIRST = select(*_COLUMNS).where(_c.held == 0).order_by(_c.arrived_at, _c.kind, _c.region, _c.key).limit(1)
_HELD = select(func.coalesce(func.sum(_c.hosts), 0)).where(_c.held == 1)
_GET = select(*_COLUMNS).where(*_BY_KEY)
_ALL = select(*_COLUMNS).where(_c.kind == bindparam("b_kind"))
_HOLDERS = select(*_COLUMNS).where(_c.held == 1)
_SET_HELD = update(places).where(*_BY_KEY).values(held=bindparam("new_held"))
_LEAVE = delete(places).where(*_BY_KEY)


def _key(kind: str, region: str, key: str) -> dict[str, str]:
    return {"b_kind": kind, "b_region": region, "b_key": key}


def enter(connection: Connection, place: Place) -> None:
    values = {column.name: getattr(place, column.name) for column in _COLUMNS}
    connection.execute(_ENTER[connection.dialect.name], values | {"held": int(place.held)})


def get(connection: Connection, kind: str, region: str, key: str) -> Place | None:
    row = connection.execute(_GET, _key(kind, region, key)).first()
    return None if row is None else Place(*row[:5], held=bool(row[5]))


def first(connection: Connection) -> Place | None:
    row = connection.execute(_FIRST).first()
    return None if row is None else Place(*row[:5], held=bool(row[5]))


def held(connection: Connection) -> int:
    return int(connection.execute(_HELD).scalar_one())


def of_kind(connection: Connection, kind: str) -> list[Place]:
    return [Place(*row[:5], held=bool(row[5])) for row in connection.execute(_ALL, {"b_kind": kind})]


def holders(connection: Connection) -> list[Place]:
    return [Place(*row[:5], held=True) for row in connection.execute(_HOLDERS)]


def hold(connection: Connection, kind: str, region: str, key: str) -> None:
    connection.execute(_SET_HELD, {**_key(kind, region, key), "new_held": 1})


def take(connection: Connection, kind: str, region: str, key: str, capacity: int) -> bool:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    place = get(connection, kind, region, key)
    if place is None or place.held:
        return place is not None
    if first(connection) != place:
        return False
    taken = held(connection)
    # Who wants more than there is has all of it.
    if taken and taken + place.hosts > capacity:
        return False
    connection.execute(_SET_HELD, {**_key(kind, region, key), "new_held": 1})
    return True


def give_back(connection: Connection, kind: str, region: str, key: str) -> None:
    connection.execute(_SET_HELD, {**_key(kind, region, key), "new_held": 0})


def leave(connection: Connection, kind: str, region: str, key: str) -> None:
    connection.execute(_LEAVE, _key(kind, region, key))
