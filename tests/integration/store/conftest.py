"""Every test of this folder that takes `store` or `url` runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sagesmith.store import Store
from tests.integration.postgres import database
from tests.stores import new_store


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """The name of a database that is up to date, to copy from: faster than migrating each."""
    name = "template_store"
    with psycopg.connect(postgres + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    Store.open(postgres + name).close()
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store that is nobody else's."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
    else:
        with database(request.getfixturevalue("postgres"), request.getfixturevalue("template")) as found:
            yield found


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    opened = new_store(tmp_path / "store.db") if url.startswith("sqlite") else Store.open(url)
    yield opened
    opened.close()
