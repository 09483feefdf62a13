"""application/x-parquet: columns of numbers, labels first."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted, finite, width
from sagesmith.algorithms.data.recordio import Stream
from sagesmith.algorithms.errors import Unreadable

_ROWS = 1 << 16
_NUMBERS = ("floating", "integer", "boolean", "decimal")


def batches(stream: Stream, name: str, wanted: Wanted) -> Iterator[Batch]:
    """The rows of a file. One that cannot be sought in, as in Pipe mode, is read into memory whole.

    Args:
        name: what the stream is, for errors.
        wanted: `labels` None stands for one label column.

    Raises:
        Unreadable: it is not Parquet, or not what is wanted.
    """
    import pyarrow
    from pyarrow import parquet

    labels = 1 if wanted.labels is None else wanted.labels
    row = 0
    try:
        file = parquet.ParquetFile(stream if isinstance(stream, io.IOBase) and stream.seekable() else _whole(stream))
        fields = list(file.schema_arrow)
        for number, field in enumerate(fields, 1):
            if not any(getattr(pyarrow.types, f"is_{kind}")(field.type) for kind in _NUMBERS):
                place = f"{name}, column {number} ('{field.name}')"
                raise Unreadable(place, f"The column is of type {field.type}, and only numbers are taken")
        if len(fields) <= labels:
            raise Unreadable(name, f"The file has {len(fields)} columns, and no features after {labels} for labels")
        width(len(fields) - labels, wanted, name)
        for piece in file.iter_batches(_ROWS):
            table = np.empty((piece.num_rows, len(fields)), np.float32)
            for at, column in enumerate(piece.columns):
                table[:, at] = column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
            yield _batch(table, labels, wanted.missing, f"{name}, row ", row)
            row += piece.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(name, f"The file is not Parquet that can be read: {error}") from None


def _batch(table: Any, labels: int, missing: bool, place: str, row: int) -> Batch:
    features = np.ascontiguousarray(table[:, labels:])
    finite(features, missing, lambda at: f"{place}{row + at + 1}")
    if not labels:
        return Batch(features)
    label = np.ascontiguousarray(table[:, :labels])
    finite(label, False, lambda at: f"{place}{row + at + 1}", "label")
    return Batch(features, label[:, 0].copy() if labels == 1 else label)


def _whole(stream: Stream) -> io.BytesIO:
    data = io.BytesIO()
    buffer = bytearray(1 << 20)
    while read := stream.readinto(buffer):
        data.write(memoryview(buffer)[:read])
    data.seek(0)
    return data
