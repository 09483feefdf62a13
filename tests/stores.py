"""Databases for tests that each want one of their own."""

import functools
import tempfile
from pathlib import Path

from sagesmith.store import Store


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        Store.open(f"sqlite:///{path}").close()
        return path.read_bytes()


def new_store(path: Path) -> Store:
    """A store in an SQLite database, a new one if there is none: a copy, for migrating each takes ten times as long."""
    if not path.exists():
        path.write_bytes(_empty())
    return Store.open(f"sqlite:///{path}")
