"""Statements that run often: written in SQLAlchemy's language, compiled once a dialect, executed by the driver.

SQLAlchemy's own execution of a statement costs several times what SQLite needs to answer it by key. Values go to the
driver as they are, so that only types for which the drivers' own conversions are right may be bound or selected: text,
numbers, bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.elements import ClauseElement

EXECUTOR = "executor"
"""What a connection's `info` has under this name executes the statements: on SQLite the driver's connection, which
makes a cursor each time for almost nothing, on PostgreSQL one cursor for all."""

Values = Mapping[str, Any]
_Compiled = tuple[str, Callable[[Values], Any]]


class Prepared:
    """A statement whose parameters are `bindparam`s, all given by name in every run."""

    __slots__ = ("_compiled", "_statement")

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, values: Values) -> Any:
        """Execute it.

        Returns:
            The driver's cursor, whose rows are tuples; it is good until the connection's next statement.
        """
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compiled[connection.dialect.name] = self._compile(connection)
        sql, bind = compiled
        return connection.info[EXECUTOR].execute(sql, bind(values))

    def first(self, connection: Connection, values: Values) -> Any:
        """The first of its rows, or None."""
        # A statement that was not read to its end would keep SQLite from ending the transaction.
        rows = self.run(connection, values).fetchall()
        return rows[0] if rows else None

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """All its rows."""
        rows: list[Any] = self.run(connection, values).fetchall()
        return rows

    def _compile(self, connection: Connection) -> _Compiled:
        compiled: Any = self._statement.compile(dialect=connection.dialect)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        names: list[str] | None = compiled.positiontup
        if names is not None:
            ordered = tuple(names)
            if fixed:
                return compiled.string, lambda values: [
                    values[name] if name in values else fixed[name] for name in ordered
                ]
            return compiled.string, lambda values: [values[name] for name in ordered]
        return compiled.string, (lambda values: {**fixed, **values}) if fixed else dict
