"""What every format looks after in the same words."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import Unreadable

_MARKS = {
    b"\x0a\x23\xd7\xce": "RecordIO (application/x-recordio-protobuf)",
    b"PAR1": "Parquet (application/x-parquet)",
    b"\x1f\x8b": "a gzip file (the channel's CompressionType is Gzip then)",
    b"PK\x03\x04": "a ZIP file",
    b"\xff\xfe": "text in UTF-16, where UTF-8 is needed",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read of each row.

    Attributes:
        labels: 0 for rows whose labels do not matter, 1 or more for rows that need so many, None for what they have.
        columns: how many features a row has, None to take what the first one has.
        dense: give arrays where the data are sparse.
        missing: NaN stands for a value that is missing; otherwise it is an error.
        said_by: where `columns` comes from, for errors.
    """

    labels: int | None = None
    columns: int | None = None
    dense: bool = False
    missing: bool = False
    said_by: str = "feature_dim is"

    def like(self, batch: Batch) -> "Wanted":
        """The same, and all further rows as those of a batch."""
        if self.columns is not None and self.labels is not None:
            return self
        labels = 0 if batch.labels is None else 1 if batch.labels.ndim == 1 else batch.labels.shape[1]
        return replace(self.of(batch.columns), labels=labels if self.labels is None else self.labels)

    def of(self, columns: int) -> "Wanted":
        """The same, and all rows as wide as the first one is."""
        return self if self.columns is not None else replace(self, columns=columns, said_by="the first row has")


def width(found: int, wanted: Wanted, place: str) -> None:
    """See that a row has as many features as it should.

    Raises:
        Unreadable: it has not.
    """
    if wanted.columns is not None and found != wanted.columns:
        have = f"{found} feature{'s'[: found != 1]}"
        raise Unreadable(place, f"The row has {have}, but {wanted.said_by} {wanted.columns}")


def float32(numbers: Any) -> Any:
    """Numbers of any kind as float32; what is too large becomes infinite, which `finite` finds."""
    with np.errstate(over="ignore"):
        return np.asarray(numbers).astype(np.float32, copy=False)


def other_kind(data: bytes) -> str:
    """What a file that is no text seems to be, for people; nothing if it has no mark."""
    for mark, kind in _MARKS.items():
        if data.startswith(mark):
            return f"; it looks like {kind}"
    return ""


def finite(table: Any, missing: bool, place: Callable[[int], str], noun: str = "feature") -> None:
    """See that all numbers of a table are finite.

    Args:
        table: an array of shape (rows, columns), or a `csr_matrix`.
        missing: NaN is allowed.
        place: where a row stands, for people.

    Raises:
        Unreadable: one is not.
    """
    numbers = table.data if hasattr(table, "indptr") else table
    with np.errstate(over="ignore", invalid="ignore"):
        # One NaN or infinity makes the sum one; a sum that overflows is looked at closely.
        if np.isfinite(numbers.sum()):
            return
    wrong = np.isinf(numbers) if missing else ~np.isfinite(numbers)
    if not wrong.any():
        return
    at = int(wrong.argmax())
    if hasattr(table, "indptr"):
        row, column = int(np.searchsorted(table.indptr, at, "right")) - 1, int(table.indices[at])
    else:
        row, column = divmod(at, table.shape[1])
    value = numbers.flat[at]
    word = "NaN" if np.isnan(value) else "infinite, or too large for 32 bits"
    raise Unreadable(place(row), f"Value {column + 1} of its {noun}s is {word}")
