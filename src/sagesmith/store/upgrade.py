"""Brings a database's tables to what this version needs."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from sagesmith.store.base import SchemaMismatch

HEAD = "0010"
"""The newest revision in `migrations/versions`."""

_LOCK = 0x5A6E_5317
"""Any number that nobody else locks by."""


def bring_up_to_date(engine: Engine) -> None:
    """Run the migrations that are missing, all or none. Raises SchemaMismatch if the tables are newer than this."""
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
        _migrate(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    # Alembic takes a tenth of a second to import, which only a start that migrates has to spend.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    begin = "BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN"
    driver = connection.connection.dbapi_connection
    assert driver is not None
    cursor = driver.cursor()
    cursor.execute(begin)
    try:
        if connection.dialect.name == "postgresql":
            cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        revision = _revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if revision is not None and revision not in known:
            raise SchemaMismatch(
                f"the database has revision {revision}, this version knows up to {HEAD}; it was written by a newer one"
            )
        command.upgrade(config, HEAD)
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
