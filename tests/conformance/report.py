"""The table of a run: which operations of which kinds were called, with how much of what their shapes may hold."""

from collections.abc import Collection, Iterable, Mapping

from tests.conformance.model import Operations, leaves
from tests.conformance.platform import Coverage

_HEAD = ("kind", "operations", "members given", "members answered", "violations")


def table(operations: Mapping[str, Operations], built: Collection[str], coverage: Coverage) -> list[str]:
    """The lines of a Markdown table, one line a kind, and the operations that no kind's tests have called."""
    rows = [_row(noun, each, coverage) for noun, each in operations.items() if coverage.calls[each.create]]
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    lines = [_line(_HEAD, widths), _line(["-" * width for width in widths], widths)]
    lines += [_line(row, widths) for row in rows]
    others = sorted(set(built) - coverage.calls.keys())
    if others:
        lines += ["", f"Built, and not called by a kind's tests: {', '.join(others)}."]
    return lines


def _row(noun: str, operations: Operations, coverage: Coverage) -> tuple[str, ...]:
    every = list(operations)
    called = [each for each in every if coverage.calls[each]]
    return (
        noun,
        f"{len(called)} of {len(every)}",
        _share((coverage.given[each], leaves(each, "input")) for each in every),
        _share((coverage.answered[each], leaves(each, "output")) for each in every),
        str(sum(coverage.violations[each] for each in every)),
    )


def _share(pairs: Iterable[tuple[Collection[str], frozenset[str]]]) -> str:
    found, possible = 0, 0
    for seen, every in pairs:
        found, possible = found + len(every & set(seen)), possible + len(every)
    return f"{found} of {possible}"


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"
