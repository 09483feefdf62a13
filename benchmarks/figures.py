"""One measured figure, what it is held against, and the table that shows all of them."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

ROUNDS = 5

_COLUMNS = (
    ("figure", 47),
    ("measured", 12),
    ("peer", 12),
    ("peer is", 23),
    ("compared", 9),
    ("reach", 9),
    ("", 4),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its bound.

    Attributes:
        unit: of `measured` and `peer`: `s`, `ms`, `MiB`, `MB/s`, `/s`.
        bound: what is compared with `reach`: `most` the figure itself, which may be `reach` at the most; `over` by how
            much it exceeds the peer's, which may be `reach` at the most; `times` how many times the peer's it is,
            `reach` at the least; `within` the same, `reach` at the most.
        peer: the peer's figure, of the same run.
        peer_name: what the peer is.
    """

    name: str
    unit: str
    measured: float
    bound: Literal["most", "over", "times", "within"]
    reach: float
    peer: float | None = None
    peer_name: str = ""

    @property
    def compared(self) -> float:
        match self.bound:
            case "most":
                return self.measured
            case "over":
                return self.measured - (self.peer or 0.0)
            case "times" | "within":
                return self.measured / self.peer if self.peer else float("inf")

    @property
    def reached(self) -> bool:
        return self.compared >= self.reach if self.bound == "times" else self.compared <= self.reach

    def row(self) -> str:
        """Its line of a Markdown table."""
        more = "× " if self.bound in ("times", "within") else ""
        less = "≥ " if self.bound == "times" else "≤ "
        sign = "+" if self.bound == "over" and self.compared >= 0 else ""
        compared = "" if self.bound == "most" else f"{sign}{self.compared:.2f} {more or self.unit}".strip()
        reach = f"{less}{self.reach:g} {more or self.unit}".strip()
        cells = (
            self.name,
            _shown(self.measured, self.unit),
            _shown(self.peer, self.unit) if self.peer is not None else "",
            self.peer_name,
            compared,
            reach,
            "ok" if self.reached else "MISS",
        )
        return _line(cells)


def heading() -> str:
    """The first two lines of the table."""
    return _line([name for name, _ in _COLUMNS]) + "\n" + _line(["-" * width for _, width in _COLUMNS])


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternate(ours: Callable[[int], float], peer: Callable[[int], float], rounds: int = ROUNDS) -> tuple[float, float]:
    """The medians of both over rounds that alternate, so that what else the machine does hits both.

    Args:
        ours, peer: measure one round, given its number.
    """
    pairs = []
    for number in range(rounds):
        gc.collect()
        pairs.append((ours(number), peer(number)))
    return median(each[0] for each in pairs), median(each[1] for each in pairs)


Figures = Iterator[Figure]


def _shown(value: float, unit: str) -> str:
    return f"{value:.{2 if unit in ('s', 'ms') else 0}f} {unit}".replace(" /s", "/s")


def _line(cells: list[str] | tuple[str, ...]) -> str:
    padded = [cell.ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True)]
    return f"| {' | '.join(padded)} |"
