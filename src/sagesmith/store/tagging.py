"""Tags of anything that has an ARN."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import tags

_c = tags.c
_GET = Prepared(select(_c.key, _c.value).where(_c.arn == bindparam("b_arn")).order_by(_c.key))
_sqlite = sqlite.insert(tags)
_postgresql = postgresql.insert(tags)
_PUT = {
    "sqlite": _sqlite.on_conflict_do_update(index_elements=["arn", "key"], set_={"value": _sqlite.excluded.value}),
    "postgresql": _postgresql.on_conflict_do_update(
        index_elements=["arn", "key"], set_={"value": _postgresql.excluded.value}
    ),
}
_REMOVE = delete(tags).where(_c.arn == bindparam("b_arn"), _c.key == bindparam("b_key"))


def get(connection: Connection, arn: str) -> dict[str, str]:
    return dict(_GET.all(connection, {"b_arn": arn}))


def put(connection: Connection, arn: str, values: Mapping[str, str]) -> None:
    if values:
        rows = [{"arn": arn, "key": key, "value": value} for key, value in values.items()]
        connection.execute(_PUT[connection.dialect.name], rows)


def remove(connection: Connection, arn: str, keys: Collection[str]) -> None:
    if keys:
        connection.execute(_REMOVE, [{"b_arn": arn, "b_key": key} for key in keys])
