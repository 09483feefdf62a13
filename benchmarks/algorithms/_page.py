"""Rows as Markdown, and a page whose table keeps what was measured last of each algorithm."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.algorithms import Row

HEAD = "| algorithm | data | metric | Sagesmith | reference | | ratio |\n|---|---|---|---|---|---|---|\n"


def line(row: Row) -> str:
    """A row of the table."""
    return (
        f"| {row.algorithm} | {row.data} | {row.metric} | {row.ours:.4g} | {row.theirs:.4g} | "
        f"{row.reference} | {row.ratio:.3f} |\n"
    )


def renewed(page: str, rows: Iterable[Row]) -> str:
    """A page with rows in the place of those of the same algorithm, data, metric and reference,
    and new ones behind its others.

    Raises:
        ValueError: it has no table.
    """
    before, head, after = page.partition(HEAD)
    if not head:
        raise ValueError(f"The page has no table that begins so:\n{HEAD}")
    table = _table(after)
    rest = after[len(table) :]
    lines = {_key(each): each for each in table.splitlines(keepends=True)}
    for row in rows:
        lines[_key(line(row))] = line(row)
    order = {name: place for place, name in reversed(list(enumerate(key[0] for key in lines)))}
    ordered = sorted(lines, key=lambda key: order[key[0]])
    return before + head + "".join(lines[key] for key in ordered) + rest


def renew(path: Path, rows: Iterable[Row]) -> None:
    """The same of a file."""
    path.write_text(renewed(path.read_text(encoding="utf-8"), rows), encoding="utf-8")


def _table(text: str) -> str:
    lines = text.splitlines(keepends=True)
    count = next((number for number, each in enumerate(lines) if not each.startswith("|")), len(lines))
    return "".join(lines[:count])


def _key(text: str) -> tuple[str, ...]:
    """What a row is of: algorithm, data, metric, reference."""
    cells = [each.strip() for each in text.strip().strip("|").split("|")]
    return cells[0], cells[1], cells[2], cells[5]
