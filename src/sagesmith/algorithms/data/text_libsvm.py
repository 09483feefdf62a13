"""text/libsvm: `label[:weight] index:value …`, indices as they are, from 0 on.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html#InputOutput-XGBoost
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted, finite, float32
from sagesmith.algorithms.data.lines import Block, blocks
from sagesmith.algorithms.data.recordio import Stream
from sagesmith.algorithms.errors import Unreadable

_SEPARATORS = b": \t\r\n"
_TO_LINES = bytes.maketrans(_SEPARATORS, b"\n" * len(_SEPARATORS))
_IS_SEPARATOR = np.zeros(256, bool)
_IS_SEPARATOR[list(_SEPARATORS)] = True


class _Rows(NamedTuple):
    """A block's rows: labels, weights or None, indices, values, and where among these each row's begin."""

    labels: Any
    weights: Any
    indices: Any
    values: Any
    begins: Any


def batches(stream: Stream, name: str, wanted: Wanted) -> Iterator[Batch]:
    """The rows of a stream, in batches of the size of a block: sparse unless `wanted.dense`.

    Args:
        name: what the stream is, for errors.
        wanted: without `columns`, a batch is as wide as its largest index says.

    Raises:
        Unreadable: it is not libsvm, or not what is wanted.
    """
    from scipy.sparse import csr_matrix

    for block in blocks(stream):
        labels, weights, indices, values, begins = _fast(block.data) or _exactly(block, name)
        if not len(labels):
            continue
        columns = wanted.columns if wanted.columns is not None else int(indices.max(initial=-1)) + 1
        outside = indices >= columns
        if outside.any():
            at = int(outside.argmax())
            place = _place(block, name, int(np.searchsorted(begins, at, "right")) - 1)
            raise Unreadable(place, f"Index {int(indices[at])} is outside of the features: {wanted.said_by} {columns}")
        table = csr_matrix((values, indices, begins), (len(labels), columns))
        if wanted.labels != 0:
            finite(labels[:, None], False, partial(_place, block, name), "label")
        finite(table, wanted.missing, partial(_place, block, name))
        yield Batch(table.toarray() if wanted.dense else table, None if wanted.labels == 0 else labels, weights)


def highest_index(stream: Stream, name: str) -> int:
    """The largest index of a stream, -1 if it has none.

    Raises:
        Unreadable: it is not libsvm.
    """
    found = (_fast(block.data) or _exactly(block, name) for block in blocks(stream))
    return max((int(rows.indices.max(initial=-1)) for rows in found), default=-1)


def _fast(data: bytes) -> _Rows | None:
    """A block's rows, None if a line is not quite plain."""
    import pyarrow
    from pyarrow import csv as arrow

    data = data if data.endswith(b"\n") else data + b"\n"
    options = arrow.ConvertOptions(column_types={"0": pyarrow.float64()}, null_values=[])
    try:
        read = arrow.read_csv(
            pyarrow.BufferReader(data.translate(_TO_LINES)),
            arrow.ReadOptions(column_names=["0"]),
            arrow.ParseOptions(delimiter="\x01", quote_char=False),
            options,
        )
    except pyarrow.ArrowException:
        return None
    numbers = read.column(0).to_numpy()
    text = np.frombuffer(data, np.uint8)
    separator = _IS_SEPARATOR[text]
    # A number ends where a separator follows something else.
    ends = np.flatnonzero(separator[1:] & ~separator[:-1]) + 1
    if len(ends) != len(numbers):
        return None
    newlines = np.flatnonzero(text == ord("\n"))
    rows = np.searchsorted(newlines, ends)
    first = np.concatenate(([True], rows[1:] != rows[:-1])) if len(rows) else np.zeros(0, bool)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(ends)))
    within = np.arange(len(ends)) - np.repeat(starts, lengths)
    is_index = within % 2 == 1
    colon = text[ends] == ord(":")
    if not np.array_equal(colon, is_index) or int((text == ord(":")).sum()) != int(is_index.sum()):
        return None
    indices = numbers[is_index]
    if not (lengths % 2 == 1).all() or not ((indices >= 0) & (indices < 2**31) & (indices == np.floor(indices))).all():
        return None
    values = float32(numbers[(within > 0) & ~is_index])
    begins = np.concatenate(([0], np.cumsum((lengths - 1) // 2)))
    return _Rows(float32(numbers[first]), None, indices.astype(np.int64), values, begins)


def _exactly(block: Block, name: str) -> _Rows:
    labels: list[float] = []
    weights: list[float] = []
    indices: list[int] = []
    values: list[float] = []
    begins = [0]
    for number, line in enumerate(block.text(name).split("\n"), block.line):
        place = f"{name}, line {number}"
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        label, _, weight = tokens[0].partition(":")
        labels.append(_number(label, f"{place}, column 1"))
        weights.append(_number(weight, f"{place}, column 1") if weight else 1.0)
        for column, token in enumerate(tokens[1:], 2):
            index, colon, value = token.partition(":")
            where = f"{place}, column {column}"
            if not colon or not index.isascii() or not index.isdecimal() or int(index) >= 2**31:
                raise Unreadable(where, f"'{token[:40]}' is not of the form index:value")
            indices.append(int(index))
            values.append(_number(value, where))
        begins.append(len(indices))
    weighted = float32(weights) if any(weight != 1 for weight in weights) else None
    return _Rows(float32(labels), weighted, np.array(indices, np.int64), float32(values), np.array(begins))


def _number(text: str, place: str) -> float:
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise Unreadable(place, f"'{text[:40]}' is not a number")


def _place(block: Block, name: str, row: int) -> str:
    """Where the so-maniest row of a block stands; empty lines and comments are none."""
    lines = block.data.decode(errors="replace").split("\n")
    numbers = [number for number, line in enumerate(lines) if line.partition("#")[0].strip()]
    return f"{name}, line {block.line + numbers[row]}"
