"""Requests as rows for XGBoost, in which values may be missing."""

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np

from sagesmith.algorithms.data.decode import decode
from sagesmith.algorithms.declaration import CSV, LIBSVM
from sagesmith.algorithms.errors import BadRequest, NoContent
from sagesmith.algorithms.xgboost.declaration import X_LIBSVM

_SNIFFED = 512
_LARGEST = float(np.finfo(np.float32).max)


def rows(body: bytes, kind: str, content_type: str, columns: int) -> Any:
    """The rows of a request: an array of shape (rows, columns), or a csr_matrix of it.

    Args:
        kind: its media type.
        columns: the model's number of features.

    Raises:
        BadRequest: the body is not what its type says, or its rows are not as wide as the model's.
        NoContent: there is no body.
    """
    if not body:
        raise NoContent("The request is empty: it has no rows.")
    if not body.strip():
        raise BadRequest("The request has no rows.")
    if kind == CSV:
        return _csv(body, columns)
    if kind in (LIBSVM, X_LIBSVM):
        return _libsvm(body, columns)
    return decode(body, content_type, columns, dense=False).features


def _csv(body: bytes, columns: int) -> Any:
    lines = [line for line in body.splitlines() if line.strip()]
    separator = _separator(lines[0]) if columns > 1 else b","
    table = np.empty((len(lines), columns), np.float32)
    with np.errstate(over="ignore"):
        _fill(table, lines, separator)
    # Python alone takes 1_000 for a number.
    if b"_" in body or np.isinf(table).any():
        _find_wrong(lines, separator)
    return table


def _fill(table: Any, lines: Sequence[bytes], separator: bytes) -> None:
    columns = table.shape[1]
    for number, line in enumerate(lines):
        cells = line.split(separator)
        if len(cells) != columns:
            raise BadRequest(
                f"Feature size of csv inference data {len(cells)} is not consistent with feature size of trained model "
                f"{columns}. (line {number + 1})"
            )
        try:
            table[number] = cells
        except ValueError:
            table[number] = [_number(cell, number + 1, column) for column, cell in enumerate(cells, 1)]


def _find_wrong(lines: Sequence[bytes], separator: bytes) -> None:
    for number, line in enumerate(lines, 1):
        for column, cell in enumerate(line.split(separator), 1):
            if b"_" in cell or abs(_number(cell, number, column)) > _LARGEST:
                raise _unreadable(cell, number, column)


def _number(cell: bytes, line: int, column: int) -> float:
    text = cell.strip().strip(b'"')
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise _unreadable(cell, line, column) from None


def _unreadable(cell: bytes, line: int, column: int) -> BadRequest:
    word = cell.decode("utf-8", "replace")[:40]
    return BadRequest(
        f"Loading csv data failed with Exception, please ensure data is in csv format: line {line}, column {column}: "
        f"'{word}' is not a number, or not one of 32 bits"
    )


def _separator(line: bytes) -> bytes:
    """What divides a line: a comma, or what AWS's container would find."""
    if b"," in line:
        return b","
    try:
        found = csv.Sniffer().sniff(line[:_SNIFFED].decode("utf-8", "replace")).delimiter
    except csv.Error:
        return b","
    return b"," if found.isalnum() or found in ".+-" else found.encode()


def _libsvm(body: bytes, columns: int) -> Any:
    """Rows of `[label] index:value …`; a label is of no use here, and features without a value are missing."""
    from scipy.sparse import csr_matrix

    data: list[float] = []
    indices: list[int] = []
    starts = [0]
    for number, line in enumerate((each for each in body.splitlines() if each.strip()), 1):
        for place, token in enumerate(line.split()):
            index, colon, value = token.partition(b":")
            if not colon and place == 0:
                continue
            try:
                indices.append(int(index))
                data.append(float(value))
            except ValueError:
                word = token.decode("utf-8", "replace")[:40]
                raise BadRequest(
                    "Loading libsvm data failed with Exception, please ensure data is in libsvm format: line "
                    f"{number}, column {place + 1}: '{word}' is not of the form index:value"
                ) from None
        starts.append(len(data))
    widest = max(indices, default=-1) + 1
    if widest > columns or min(indices, default=0) < 0:
        raise BadRequest(
            f"Feature size of libsvm inference data {widest} is larger than feature size of trained model {columns}."
        )
    return csr_matrix((np.array(data, np.float32), indices, starts), (len(starts) - 1, columns))
