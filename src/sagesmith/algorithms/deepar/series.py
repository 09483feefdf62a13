"""Time series as they stand in files and requests."""

import gzip
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sagesmith.algorithms.data.read import Source, no_data, streams
from sagesmith.algorithms.data.recordio import Stream
from sagesmith.algorithms.deepar.calendar import Frequency
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.text import loads

_LONGEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """A time series.

    Attributes:
        start: its first time, as it was given.
        target: float32, NaN where a value is missing.
        categories: int64.
        features: float32, shape (features, steps): as long as the target, and in requests as the forecast besides.
        place: where it stands, for people.
    """

    start: str
    target: Any
    categories: Any
    features: Any
    place: str

    def __len__(self) -> int:
        return len(self.target)

    def until(self, steps: int) -> "Series":
        """Its first steps, with all features."""
        return replace(self, target=self.target[:steps])


def read(source: Source, frequency: Frequency) -> list[Series]:
    """All series of a channel: JSON Lines (also compressed by gzip) or Parquet, by the files' beginnings.

    Raises:
        CustomerError: something is no series; it names file and line.
    """
    found = [
        series(instance, place, frequency)
        for stream, name in streams(source)
        for instance, place in _instances(stream, name)
    ]
    if not found:
        raise no_data(source)
    return found


def series(instance: Any, place: str, frequency: Frequency) -> Series:
    """The series that a JSON object describes.

    Raises:
        CustomerError: it describes none.
    """
    if not isinstance(instance, Mapping):
        raise CustomerError(f"A time series must be an object with start and target ({place}).")
    for member in ("start", "target"):
        if member not in instance:
            raise CustomerError(f"A time series needs '{member}' ({place}).")
    start = instance["start"]
    try:
        if not isinstance(start, str):
            raise ValueError(f"{start!r} is not a time such as '2009-11-01 00:00:00'")
        frequency.times(start, 1)
    except ValueError as error:
        raise CustomerError(f"'start': {error} ({place}).") from None
    target = _numbers(instance["target"], "target", place, missing=True)
    categories = instance.get("cat")
    categories = [] if categories is None else categories if isinstance(categories, list) else [categories]
    if any(type(each) is not int or each < 0 for each in categories):
        raise CustomerError(f"'cat' must be a list of integers from 0 on ({place}).")
    rows = instance.get("dynamic_feat")
    rows = [] if rows is None else rows
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise CustomerError(f"'dynamic_feat' must be a list of lists of numbers ({place}).")
    features = [_numbers(each, f"dynamic_feat[{number}]", place, missing=False) for number, each in enumerate(rows)]
    lengths = {len(each) for each in features}
    if len(lengths) > 1:
        raise CustomerError(f"All lists of 'dynamic_feat' must be of one length ({place}).")
    table = np.stack(features) if features else np.zeros((0, 0), np.float32)
    return Series(start, target, np.array(categories, np.int64), table, place)


def _numbers(values: Any, name: str, place: str, *, missing: bool) -> Any:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise CustomerError(f"'{name}' must be a list of numbers ({place}).")
    if len(values) > _LONGEST:
        raise CustomerError(f"'{name}' has {len(values)} values; {_LONGEST} are the most ({place}).")
    numbers = np.empty(len(values), np.float32)
    for position, value in enumerate(values):
        if type(value) in (int, float):
            try:
                numbers[position] = value
            except OverflowError:
                numbers[position] = np.inf
        elif missing and (value is None or value == "NaN"):
            numbers[position] = np.nan
        else:
            raise CustomerError(f"Value {position + 1} of '{name}' is {value!r}, not a number ({place}).")
    wrong = np.isinf(numbers) if missing else ~np.isfinite(numbers)
    if wrong.any():
        position = int(wrong.argmax())
        raise CustomerError(f"Value {position + 1} of '{name}' is not a finite number of 32 bits ({place}).")
    return numbers


def _instances(stream: Stream, name: str) -> Iterator[tuple[Any, str]]:
    data = b"".join(_pieces(stream))
    if data[:4] == b"PAR1":
        yield from _parquet(data, name)
        return
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise CustomerError(f"The file is not whole: {error} ({name}).") from error
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            place = f"{name}, line {number}"
            try:
                yield loads(line), place
            except ValueError as error:
                raise CustomerError(f"The line is not JSON: {error} ({place}).") from error


def _pieces(stream: Stream) -> Iterator[bytes]:
    buffer = bytearray(1 << 20)
    while count := stream.readinto(buffer) or 0:
        yield bytes(buffer[:count])


def _parquet(data: bytes, name: str) -> Iterator[tuple[Any, str]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise CustomerError(f"The file is not Parquet: {error} ({name}).") from error
    for number, row in enumerate(table.to_pylist(), 1):
        row["start"] = str(row["start"]) if row.get("start") is not None else None
        row["target"] = [None if each is None or math.isnan(each) else each for each in row.get("target") or ()]
        yield {member: value for member, value in row.items() if value is not None}, f"{name}, row {number}"
