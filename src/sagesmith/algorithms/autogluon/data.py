"""Tables whose columns are numbers or text, as pandas has them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/autogluon-tabular.html ("Input and output interface")
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sagesmith.algorithms.errors import CustomerError, Unreadable

TARGET = "target"
_FIELD_BYTES = 1 << 24
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})


def features(count: int) -> list[str]:
    """The names of so many features, which a file does not have."""
    return [f"feature_{number}" for number in range(1, count + 1)]


def read(folder: Path, channel: str) -> tuple[Any, list[str]]:
    """All files of a folder, the target first: their cells as text, None where one is missing; and each row's place.

    Raises:
        CustomerError: a file is not CSV, has a header, or a row of another width; there are no rows.
    """
    rows, places = list[list[str]](), list[str]()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith((".", "_")):
            name = f"file {channel}/{path.relative_to(folder)}"
            found = list(lines(path.read_bytes(), name, len(rows[0]) if rows else None))
            _refuse_header(found)
            rows += [cells for _, cells in found]
            places += [place for place, _ in found]
    if not rows:
        raise CustomerError(f"Unable to read data channel '{channel}': it has no CSV files with rows")
    if len(rows[0]) < 2:
        raise Unreadable(places[0], "The row has one column, and no features after the target")
    return table(rows, [TARGET, *features(len(rows[0]) - 1)]), places


def lines(data: bytes, name: str, columns: int | None) -> Iterable[tuple[str, list[str]]]:
    """The rows of a CSV file, and where each stands.

    Args:
        columns: how many cells each must have, None for those of the first.

    Raises:
        Unreadable: it is no CSV, or a row has another number of cells.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{name}, line {line}", f"Byte 0x{data[error.start]:02x} is not UTF-8 text") from None
    csv.field_size_limit(_FIELD_BYTES)
    reader, begun = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    try:
        for cells in reader:
            place = f"{name}, line {begun}"
            begun = reader.line_num + 1
            if not cells:
                continue
            columns = len(cells) if columns is None else columns
            if len(cells) != columns:
                raise Unreadable(place, f"The row has {len(cells)} columns, and not {columns}")
            yield place, cells
    except csv.Error as error:
        raise Unreadable(f"{name}, line {begun}", f"The row is not CSV: {error}") from None


def table(rows: Sequence[Sequence[str]], names: Sequence[str]) -> Any:
    """Cells as a table of text, with None for those that are missing."""
    cells = [[None if cell.strip().lower() in _MISSING else cell for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=list(names), dtype=object)


def numbers(column: Any) -> Any:
    """A column of text as numbers; None if it has other text."""
    try:
        found = pd.to_numeric(column)
    except (ValueError, TypeError):
        return None
    if found.dtype == object:
        return found.astype(float)
    return None if found.dtype.kind == "f" and np.isinf(found).any() else found


def strange(column: Any) -> int | None:
    """The first cell of a column of text without missing ones that `numbers` does not take; None if there is none."""
    wrong = ~np.isfinite(pd.to_numeric(column, errors="coerce").to_numpy(float))
    return int(wrong.argmax()) if wrong.any() else None


def _refuse_header(found: Sequence[tuple[str, Sequence[str]]]) -> None:
    """See that a file does not begin with names: a word in each column, where the next line has numbers."""
    if len(found) > 1:
        (place, first), (_, second) = found[:2]
        words = all(cell.strip().lower() not in _MISSING and not _is_number(cell) for cell in first)
        if words and any(map(_is_number, second)):
            raise Unreadable(place, "The file must not have a header: its first line has no numbers, unlike the next")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
