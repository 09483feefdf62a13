"""Work: which resource a reconciler is to look at, when, and who does.

A row is either due at `available_at`, or claimed until then; a claim whose lease has ended is due again. What is
scheduled while the work is claimed waits in `again_at`, because whoever holds the claim may have looked already.
"""

from secrets import token_hex

from sqlalchemy import Connection, bindparam, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store.base import Work
from sagesmith.store.schema import work

_c = work.c


def _schedule_statement(insert: "sqlite.Insert | postgresql.Insert") -> "sqlite.Insert | postgresql.Insert":
    due = insert.excluded.available_at
    return insert.on_conflict_do_update(
        index_elements=["kind", "region", "key"],
        set_={
            "available_at": case((_c.claim.is_(None) & (due < _c.available_at), due), else_=_c.available_at),
            "again_at": case(
                (_c.claim.is_(None), None), (_c.again_at.is_(None) | (due < _c.again_at), due), else_=_c.again_at
            ),
        },
    )


_SCHEDULE = {
    "sqlite": _schedule_statement(sqlite.insert(work)),
    "postgresql": _schedule_statement(postgresql.insert(work)),
}
_BY_KEY = (_c.kind == bindparam("b_kind"), _c.region == bindparam("b_region"), _c.key == bindparam("b_key"))
_DUE = (
    select(_c.kind, _c.region, _c.key, _c.again_at)
    .where(_c.available_at <= bindparam("now"))
    .order_by(_c.available_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = update(work).where(*_BY_KEY)
_HELD = select(_c.again_at).where(*_BY_KEY, _c.claim == bindparam("b_claim")).with_for_update()
_DELETE = delete(work).where(*_BY_KEY)
_UNCLAIM = (
    update(work)
    .where(_c.owner == bindparam("b_owner"))
    .values(owner=None, claim=None, again_at=None, available_at=bindparam("now"))
)
_NEXT = select(_c.available_at).order_by(_c.available_at).limit(1)


def schedule(connection: Connection, kind: str, region: str, key: str, due_at: float) -> None:
    connection.execute(
        _SCHEDULE[connection.dialect.name], {"kind": kind, "region": region, "key": key, "available_at": due_at}
    )


def claim(connection: Connection, owner: str, now: float, lease_seconds: float, limit: int) -> list[Work]:
    found = connection.execute(_DUE, {"now": now, "most": limit}).all()
    claims = [
        {
            "b_kind": kind,
            "b_region": region,
            "b_key": key,
            "available_at": now + lease_seconds,
            "again_at": None if again_at is None or again_at <= now else again_at,
            "owner": owner,
            "claim": token_hex(16),
        }
        for kind, region, key, again_at in found
    ]
    if claims:
        connection.execute(_CLAIM, claims)
    return [Work(row["b_kind"], row["b_region"], row["b_key"], row["claim"]) for row in claims]


def finish(connection: Connection, done: Work, due_at: float | None) -> bool:
    where = {"b_kind": done.kind, "b_region": done.region, "b_key": done.key}
    held = connection.execute(_HELD, {**where, "b_claim": done.claim}).first()
    if held is None:
        return False
    dues = [due for due in (due_at, held.again_at) if due is not None]
    if dues:
        connection.execute(_CLAIM, {**where, "available_at": min(dues), "again_at": None, "owner": None, "claim": None})
    else:
        connection.execute(_DELETE, where)
    return True


def next_due(connection: Connection) -> float | None:
    due = connection.execute(_NEXT).scalar()
    return None if due is None else float(due)


def unclaim(connection: Connection, owner: str, now: float) -> int:
    return connection.execute(_UNCLAIM, {"b_owner": owner, "now": now}).rowcount
