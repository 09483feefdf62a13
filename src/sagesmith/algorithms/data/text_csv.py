"""text/csv: numbers without a header row, labels first.

A block of plain lines is cut at its commas and line ends, and Arrow makes numbers of what is between them. One with
more in it (quotes, spaces, cells without a value) is read by Arrow's own reader of CSV. One that Arrow does not take,
or that has what is no number, is read once more cell by cell, to take what is right nevertheless or to say where it is
wrong.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

import csv
import io
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from sagesmith.algorithms.cores import pool
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted
from sagesmith.algorithms.data.lines import Block, blocks
from sagesmith.algorithms.data.recordio import Stream
from sagesmith.algorithms.errors import Unreadable

_ARROW_BYTES = 1 << 18
_PEEKED_BYTES = 1 << 16
_PART_BYTES = 1 << 20
_LINE_END, _PLUS, _COMMA = b"\n+,"


def batches(stream: Stream, name: str, wanted: Wanted) -> Iterator[Batch]:
    """The rows of a stream, in batches of the size of a block. Lines that are empty are left out.

    Args:
        name: what the stream is, for errors (`file train/part-0.csv`).
        wanted: `labels` None stands for one label column.

    Raises:
        Unreadable: it is not CSV of numbers, or not what is wanted.
    """
    labels = 1 if wanted.labels is None else wanted.labels
    for block in blocks(stream):
        table = _table(block, name, wanted, labels)
        if len(table):
            batch = _batch(table, labels)
            wanted = wanted.like(batch)
            yield batch


def first_row(stream: Stream, name: str, labels: int) -> int | None:
    """How many features the first row has, None of no rows; little more of the stream is read.

    Raises:
        Unreadable: the row is not one of numbers.
    """
    for block in blocks(stream, _PEEKED_BYTES):
        line = block.line
        for text in io.BytesIO(block.data):
            for row in _exactly(Block(text, line), name, Wanted(labels, missing=True), labels):
                return len(row) - labels
            line += 1
    return None


def _cells(line: bytes) -> int:
    try:
        return len(next(csv.reader(io.StringIO(line.decode(errors="replace"), newline="")), ()))
    except csv.Error:
        return 0


def _batch(table: Any, labels: int) -> Batch:
    if not labels:
        return Batch(table)
    first = table[:, 0].copy() if labels == 1 else np.ascontiguousarray(table[:, :labels])
    return Batch(np.ascontiguousarray(table[:, labels:]), first)


def _table(block: Block, name: str, wanted: Wanted, labels: int) -> Any:
    if wanted.columns is None:
        first = next((line for line in io.BytesIO(block.data) if line.strip()), b"")
        cells = _cells(first)
    else:
        cells = wanted.columns + labels
    table = None
    if cells > labels:
        table = _plain(block.data, cells)
        table = _fast(block.data, cells) if table is None else table
    if table is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(table.sum()) or (wanted.missing and _only_missing(table, labels, block.data)):
                return table
    return np.array(list(_exactly(block, name, wanted, labels)), np.float32).reshape(-1, max(cells, 1))


def _only_missing(table: Any, labels: int, data: bytes) -> bool:
    """Whether what is not finite in a table are features without a value.

    Arrow takes `nan(1)` for one, and a line of quotes alone, where there is one column, for a row.
    """
    if table.shape[1] == 1 or b"(" in data:
        return False
    return bool(np.isfinite(table[:, :labels]).all()) and not np.isinf(table[:, labels:]).any()


def _plain(data: bytes, cells: int) -> Any:
    """All cells of plain lines as a table of float32; None if there is more in them than numbers and commas."""
    data = data if data.endswith(b"\n") else data + b"\n"
    parts = _parts(data)
    found = [_cast(parts[0], cells)] if len(parts) == 1 else list(pool().map(partial(_cast, cells=cells), parts))
    if any(each is None for each in found):
        return None
    return found[0] if len(found) == 1 else np.concatenate(found)


def _parts(data: bytes) -> list[memoryview]:
    """The same lines in parts for as many threads as there are."""
    whole, cuts = memoryview(data), [0]
    while len(data) - cuts[-1] > _PART_BYTES:
        end = data.find(b"\n", cuts[-1] + _PART_BYTES) + 1
        cuts.append(end or len(data))
    return [whole[start:stop] for start, stop in pairwise([*cuts, len(data)]) if start < stop]


def _cast(data: memoryview, cells: int) -> Any:
    import pyarrow

    text = np.frombuffer(data, np.uint8)
    # Of the characters up to the comma, numbers have the plus sign.
    ends = np.flatnonzero(text <= _COMMA)
    kinds = text[ends]
    if (kinds == _PLUS).any():
        ends, kinds = ends[kinds != _PLUS], kinds[kinds != _PLUS]
    rows, rest = divmod(len(ends), cells)
    if rest or not (kinds[cells - 1 :: cells] == _LINE_END).all() or (kinds == _COMMA).sum() != rows * (cells - 1):
        return None
    # Strings one behind the other: a cell, what ends it, a cell, and so on; every other one is none.
    offsets = np.empty(2 * len(ends) + 1, np.int32)
    offsets[0] = 0
    offsets[1::2] = ends
    offsets[2::2] = ends + 1
    there = np.full(-(-2 * len(ends) // 8), 0b01010101, np.uint8)
    buffers = (pyarrow.py_buffer(each) for each in (offsets, text, there))
    strings = pyarrow.StringArray.from_buffers(2 * len(ends), *buffers, len(ends))
    try:
        numbers = strings.cast(pyarrow.float32())
    except pyarrow.ArrowException:
        return None
    return np.ascontiguousarray(np.frombuffer(numbers.buffers()[1], np.float32, 2 * len(ends))[::2]).reshape(
        rows, cells
    )


def _fast(data: bytes, cells: int) -> Any:
    """All cells as a table of float32, NaN for empty ones; None if something is not a number or a row not as long."""
    import pyarrow
    from pyarrow import csv as arrow

    names = [str(each) for each in range(cells)]
    try:
        read = arrow.read_csv(
            pyarrow.BufferReader(data),
            arrow.ReadOptions(column_names=names, block_size=_ARROW_BYTES),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.float32()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pyarrow.ArrowException:
        return None
    table = np.empty((read.num_rows, cells), np.float32)
    at = 0
    for piece in read.to_batches():
        if piece.num_rows:
            table[at : at + piece.num_rows] = piece.to_tensor(null_to_nan=True, row_major=True).to_numpy()
            at += piece.num_rows
    return table


def _exactly(block: Block, name: str, wanted: Wanted, labels: int) -> Iterator[list[float]]:
    """Rows one by one, up to the first that is wrong."""
    reader = csv.reader(io.StringIO(block.text(name), newline=""))
    while True:
        line = block.line + reader.line_num
        place = f"{name}, line {line}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Unreadable(place, f"The line is not CSV: {error}") from None
        if cells is None:
            return
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            continue
        if line == 1 and _header(cells):
            raise Unreadable(
                f"{place}, column 1",
                f"'{_short(cells[0])}' is not a number. It looks like a header row, which these algorithms do not take",
            )
        wanted = _as_wide(cells, place, wanted, labels)
        yield [_number(cell, wanted.missing and column > labels, place, column) for column, cell in enumerate(cells, 1)]


def _as_wide(cells: list[str], place: str, wanted: Wanted, labels: int) -> Wanted:
    if len(cells) <= labels:
        raise Unreadable(
            place,
            f"The row has {len(cells)} column{'s'[: len(cells) != 1]}, and no features after {labels} for labels. "
            "If it has no label, the content type is 'text/csv;label_size=0'",
        )
    found = len(cells) - labels
    if wanted.columns is not None and found != wanted.columns:
        of = f" and {labels} for labels" if labels else ""
        raise Unreadable(
            place,
            f"The row has {found} column{'s'[: found != 1]} for features{of}, but {wanted.said_by} {wanted.columns}",
        )
    return wanted.of(found)


def _number(cell: str, missing: bool, place: str, column: int) -> float:
    cell = cell.strip()
    try:
        value = float(cell) if cell or not missing else np.nan
    except ValueError:
        value = None
    # Python alone takes 1_000 for a number.
    if value is None or "_" in cell:
        why = f"'{_short(cell)}' is not a number" if cell else "The cell is empty"
    elif np.isnan(value) and not missing:
        why = f"'{cell}' is not allowed: values must be numbers"
    elif abs(value) >= _INFINITE:
        why = f"'{_short(cell)}' is infinite, or too large for 32 bits"
    else:
        return value
    raise Unreadable(f"{place}, column {column}", why)


_INFINITE = float(2**128 - 2**103)
"""What is no less rounds to no number of 32 bits."""


def _header(cells: list[str]) -> bool:
    """Whether a file's first line has names: something in it, and no number."""
    return any(cell.strip() for cell in cells) and not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _short(cell: str) -> str:
    return cell if len(cell) <= 40 else f"{cell[:37]}..."
