import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url

from sagesmith.store import CannotOpen, LogEvent, Query, SchemaMismatch, Store
from sagesmith.store.schema import metadata
from tests.integration.store.documents import REGION, model

WRITER = """
import sys
from sagesmith.store import Document, LogEvent, Store
store = Store.open(sys.argv[1])
number = 0
while True:
    name = f"m-{number}"
    with store.write() as tx:
        tx.create(Document("model", "us-east-1", name, name, "arn:" + name, {"n": number}), {"n": name})
        tx.append_log("us-east-1", "g", "s", [LogEvent(number, name)], source_offset=number)
    print(number, flush=True)
    number += 1
"""


def _open(url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)


def test_a_writer_that_is_killed_loses_nothing_that_it_was_told_is_stored(url: str) -> None:
    writer = _open(url)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 150:
            writer.send_signal(signal.SIGKILL)
            break
    acknowledged = max([150, *(int(line) for line in writer.stdout.read().splitlines() if line)])
    writer.wait()
    store = Store.open(url)
    with store.read() as tx:
        stored = tx.count(Query("model", REGION))
        events = tx.read_log(REGION, "g", "s").events()
        assert stored - 1 in (acknowledged, acknowledged + 1)
        assert [event.message for event in events] == [f"m-{number}" for number in range(stored)]
        assert tx.log_offset(REGION, "g", "s") == stored - 1
        assert tx.tags(f"arn:m-{acknowledged}") == {"n": f"m-{acknowledged}"}
    with store.write() as tx:
        tx.create(model("after"))
    store.close()


def test_a_store_opened_again_has_everything(url: str) -> None:
    store = Store.open(url)
    with store.write() as tx:
        created = tx.create(model("a"), {"k": "v"})
        tx.append_log(REGION, "g", "s", [LogEvent(1, "line")])
    store.close()
    store = Store.open(url)
    with store.read() as tx:
        assert tx.get("model", REGION, "a") == created
        assert tx.tags(created.arn) == {"k": "v"}
        assert [event.message for event in tx.read_log(REGION, "g", "s").events()] == ["line"]
    store.close()


def test_two_open_stores_see_what_the_other_writes(store: Store, url: str) -> None:
    other = Store.open(url)
    with other.write() as tx:
        tx.create(model("a"))
    with store.read() as tx:
        assert tx.get("model", REGION, "a") is not None
    other.close()


def test_many_that_open_a_new_database_at_once_make_its_tables_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/store.db"
    _open_at_once(url)


@pytest.mark.postgres
def test_many_that_open_a_new_database_at_once_make_its_tables_once_on_postgresql(empty_postgres: str) -> None:
    _open_at_once(empty_postgres)


def _open_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def use(name: str) -> None:
        try:
            store = Store.open(url)
            with store.write() as tx:
                tx.create(model(name))
            store.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(f"m-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    store = Store.open(url)
    with store.read() as tx:
        assert tx.count(Query("model", REGION)) == 6
    store.close()


def test_a_database_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaMismatch, match="9999"):
        Store.open(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    connection.close()


def test_the_migrations_make_the_tables_that_the_code_means(store: Store, url: str) -> None:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    found = inspect(create_engine(parsed))
    for table in metadata.tables.values():
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(columns) == set(table.columns.keys())
        for column in table.columns:
            assert columns[column.name]["nullable"] == column.nullable, column
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
        indexes = {
            index["name"]: (index["column_names"], bool(index["unique"])) for index in found.get_indexes(table.name)
        }
        assert indexes == {str(i.name): ([c.name for c in i.columns], bool(i.unique)) for i in table.indexes}


def test_only_files_and_postgresql_are_databases() -> None:
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://host/db", "postgresql://u:secret@h:port/db", "nonsense"):
        with pytest.raises(CannotOpen) as raised:
            Store.open(url)
        assert "secret" not in str(raised.value)


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(CannotOpen, match=r"user:\*\*\*@127\.0\.0\.1:9/db.*refused") as raised:
        Store.open("postgresql://user:secret@127.0.0.1:9/db?sslmode=disable&sslpassword=secret")
    assert "secret" not in str(raised.value)


def test_without_the_driver_of_postgresql_the_message_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ModuleNotFoundError('No module named psycopg', name='psycopg')")
    program = (
        "from sagesmith.store import CannotOpen, Store\n"
        "try: Store.open('postgresql://user:secret@127.0.0.1:9/db')\n"
        "except CannotOpen as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "pip install 'sagesmith[postgres]'" in shown.stdout, shown.stderr
    assert "secret" not in shown.stdout


@pytest.mark.postgres
def test_a_server_that_closed_the_connections_is_connected_to_anew(empty_postgres: str) -> None:
    import psycopg

    store = Store.open(empty_postgres)
    with store.write() as tx:
        tx.create(model("a"))
    with psycopg.connect(empty_postgres, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with store.read() as tx:
        assert tx.get("model", REGION, "a") is not None
    store.close()


def test_opening_what_is_up_to_date_does_not_load_the_migration_tool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    Store.open(url).close()
    program = (
        "import sys; from sagesmith.store import Store; Store.open(sys.argv[1]); sys.exit('alembic' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run([sys.executable, "-c", program, url], env=environment).returncode == 0
