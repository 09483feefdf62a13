"""The few expressions that SQLite and PostgreSQL spell differently."""

from typing import Any

from sqlalchemy import Boolean, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class Contains(GenericFunction[bool]):
    """Contains(text, part): whether `part` stands in `text`, by code points and without wildcards."""

    type = Boolean()
    inherit_cache = True
    name = "sagesmith_contains"


@compiles(Contains, "sqlite")
def _contains_sqlite(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"


@compiles(Contains, "postgresql")
def _contains_postgresql(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"


class Holds(GenericFunction[bool]):
    """Holds(bytes, part): whether the bytes of `part` stand in others."""

    type = Boolean()
    inherit_cache = True
    name = "sagesmith_holds"


@compiles(Holds, "sqlite")
def _holds_sqlite(element: Holds, compiler: SQLCompiler, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"


@compiles(Holds, "postgresql")
def _holds_postgresql(element: Holds, compiler: SQLCompiler, **options: Any) -> str:
    whole, part = (compiler.process(each, **options) for each in element.clauses)
    return f"(position({part} IN {whole}) > 0)"


class Unindexed(GenericFunction[Any]):
    """A column that the planner is not to choose an index by.

    SQLite has no statistics of our data and takes any equality for selective; a unary plus keeps it off
    (https://www.sqlite.org/optoverview.html, "Disqualifying WHERE Clause Terms Using Unary-"+""). PostgreSQL knows its
    data and is left to choose.
    """

    inherit_cache = True
    name = "sagesmith_unindexed"


@compiles(Unindexed, "sqlite")
def _unindexed_sqlite(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


@compiles(Unindexed, "postgresql")
def _unindexed_postgresql(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


class Integers(GenericFunction[Any]):
    """Integers(json): a table with the integers of a JSON array in its column `value`; one bound parameter for many
    rows."""

    inherit_cache = True
    name = "sagesmith_integers"


@compiles(Integers, "sqlite")
def _integers_sqlite(element: Integers, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(Integers, "postgresql")
def _integers_postgresql(element: Integers, compiler: SQLCompiler, **options: Any) -> str:
    parameter = compiler.process(element.clauses, **options)
    return f"(SELECT CAST(json_array_elements_text(CAST({parameter} AS json)) AS bigint) AS value)"


class Gathered(GenericFunction[str]):
    """Gathered(integers): all of a column as a JSON array, which costs a tenth of fetching as many rows."""

    type = Text()
    inherit_cache = True
    name = "sagesmith_gathered"


@compiles(Gathered, "sqlite")
def _gathered_sqlite(element: Gathered, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **options)})"


@compiles(Gathered, "postgresql")
def _gathered_postgresql(element: Gathered, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(coalesce(json_agg({compiler.process(element.clauses, **options)}), '[]') AS text)"
