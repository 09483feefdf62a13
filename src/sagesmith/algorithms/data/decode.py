"""The rows of a request."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from sagesmith.algorithms.data import json_rows, parquet, records, text_csv, text_libsvm
from sagesmith.algorithms.data.assemble import joined
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted
from sagesmith.algorithms.data.read import Reader, parameters
from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, LIBSVM, PARQUET, RECORDIO
from sagesmith.algorithms.errors import BadRequest, Unreadable, UnsupportedContentType

# Up to here Python's own numbers are made sooner than Arrow is called.
_SMALL_BYTES = 32 << 10
_NAME = "the request"
_LARGEST = float(np.finfo(np.float32).max)


def decode(body: bytes, content_type: str, columns: int | None, *, dense: bool = True, missing: bool = False) -> Batch:
    """The rows of a request, which has no labels; a label that it has all the same does not matter.

    Args:
        columns: how many features each row must have, None to take what the first has.
        dense: arrays also of sparse data.
        missing: features may be missing, which is NaN then.

    Raises:
        BadRequest: the body is not what its content type says, or its rows are not as wide; it names line and column.
        UnsupportedContentType: no algorithm takes that.
    """
    if content_type.startswith(CSV) and len(body) <= _SMALL_BYTES:
        table = _small_csv(body, columns)
        if table is not None:
            return Batch(table)
    kind = parameters(content_type)[0]
    # An alias of the two stands for lines in a channel.
    kind = JSON if content_type.partition(";")[0].strip().lower() == JSON else kind
    reader = _READERS.get(kind)
    if reader is None:
        taken = ", ".join(_READERS)
        raise UnsupportedContentType(f"Content-type {content_type} is not supported. Supported types: {taken}")
    wanted = Wanted(0, columns, dense, missing, "the model takes")
    try:
        if kind == RECORDIO and len(body) <= _SMALL_BYTES and (few := records.few(body, _NAME, wanted)) is not None:
            return few
        pieces = []
        for piece in reader(io.BytesIO(body), _NAME, wanted):
            pieces.append(piece)
            wanted = wanted.like(piece)
    except Unreadable as error:
        raise BadRequest(f"Unable to evaluate payload provided: {error.place}: {error.why}") from None
    if not pieces:
        raise BadRequest("Unable to evaluate payload provided: the request has no rows")
    return joined(pieces)


def _small_csv(body: bytes, columns: int | None) -> Any:
    """A few rows of plain numbers; None if there is anything that needs a closer look."""
    text = body.strip()
    lines = text.splitlines()
    try:
        if len(lines) < 2:
            numbers = np.array([float(cell) for cell in text.split(b",")])
            table = numbers[None]
        else:
            commas = lines[0].count(b",")
            if any(line.count(b",") != commas for line in lines):
                return None
            numbers = np.array([float(cell) for cell in b",".join(lines).split(b",")])
            table = numbers.reshape(len(lines), commas + 1)
    except (ValueError, OverflowError):
        return None
    # Python alone takes 1_000 for a number.
    if b"_" in text or (columns is not None and table.shape[1] != columns):
        return None
    return table.astype(np.float32) if np.add.reduce(np.abs(numbers)) < _LARGEST else None


def _json(stream: io.BytesIO, name: str, wanted: Wanted) -> Iterator[Batch]:
    document = json_rows.loaded(stream.getvalue(), name)
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise Unreadable(name, "A request in JSON is an object with a list of 'instances'")
    if instances:
        yield json_rows.rows(instances, [f"{name}, instance {at}" for at in range(1, len(instances) + 1)], wanted)


_READERS: dict[str, Reader | Any] = {
    CSV: text_csv.batches,
    JSON: _json,
    JSON_LINES: json_rows.batches,
    RECORDIO: records.batches,
    LIBSVM: text_libsvm.batches,
    PARQUET: parquet.batches,
}
