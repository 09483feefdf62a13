"""Whose database it is: secrets in it are sealed with keys that are elsewhere, and no others open them."""

from sqlalchemy import Connection, insert, select

from sagesmith.store.schema import keyrings

_SELECT = select(keyrings.c.fingerprint).with_for_update()
_INSERT = insert(keyrings)


def fingerprint(connection: Connection, first: str) -> str:
    row = connection.execute(_SELECT).first()
    if row is not None:
        return str(row.fingerprint)
    connection.execute(_INSERT, {"id": 1, "fingerprint": first, "running": 0})
    return first
