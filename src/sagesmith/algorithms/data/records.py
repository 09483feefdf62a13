"""RecordIO-protobuf as batches: records that are laid out alike are a table already, and are only cut into columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.data import protobuf, wire
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted, finite, float32, width
from sagesmith.algorithms.data.protobuf import VALUES, Records, Tensors
from sagesmith.algorithms.data.recordio import MAGIC, Frames, Stream, frames
from sagesmith.algorithms.data.wire import Malformed
from sagesmith.algorithms.errors import Unreadable


def batches(stream: Stream, name: str, wanted: Wanted) -> Iterator[Batch]:
    """The rows of a stream, in batches of the size of a buffer.

    Args:
        name: what the stream is, for errors (`file train/part-0`).

    Raises:
        Unreadable: it is not RecordIO-protobuf, or not what is wanted.
    """
    layout: _Layout | None = None
    for found in frames(stream, name):
        if found.stride and (layout is None or not layout.fits(found)):
            layout = _layout(found)
        if layout is not None and layout.fits(found):
            batch = layout.batch(found, name, wanted)
        else:
            batch = _read(found, name, wanted)
        wanted = wanted.like(batch)
        yield batch


def few(body: bytes, name: str, wanted: Wanted) -> Batch | None:
    """The rows of a request, if its records are all laid out like the first: `batches` without what streams cost.

    Raises:
        Unreadable: they are not what is wanted.
    """
    if len(body) < 8 or int.from_bytes(body[:4], "little") != MAGIC:
        return None
    length = int.from_bytes(body[4:8], "little")
    stride = 8 + length + -length % 4
    if len(body) % stride:
        return None
    starts = np.arange(8, len(body), stride)
    found = Frames(np.frombuffer(body, np.uint8), starts, starts + length, stride, 0, 0)
    if any(body[start - 8 : start] != body[:8] for start in starts[1:].tolist()):
        return None
    layout = _LAYOUTS.get(length)
    if layout is None or not layout.fits(found):
        layout = _layout(found)
        if layout is None or not layout.fits(found):
            return None
        if len(_LAYOUTS) >= _MOST_LAYOUTS:
            _LAYOUTS.clear()
        _LAYOUTS[length] = layout
    return layout.batch(found, name, wanted)


def parsed(found: Frames, name: str) -> Records:
    """What records say, however they are laid out.

    Raises:
        Unreadable: one is no aialgs.data.Record.
    """
    try:
        return protobuf.read(found.buffer, found.starts, found.ends)
    except Malformed as error:
        place = found.place(name, error.message)
        raise Unreadable(place, f"Unable to parse record as aialgs.data.Record protobuf: {error.why}") from None


@dataclass(frozen=True, slots=True)
class _Span:
    """Where in a record its numbers are, and of what type they are; an int32 of one byte is its own value."""

    start: int
    stop: int
    dtype: Any

    def of(self, table: Any) -> Any:
        """The numbers of all records, an array of float32 of its own."""
        return float32(table[:, self.start : self.stop].copy().view(self.dtype))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How records of one length are laid out.

    Attributes:
        record: one of them.
        features, label: where the numbers are.
        same: the slices in between, which are the same in all of them.
    """

    record: Any
    stride: int
    features: _Span
    label: _Span | None
    same: tuple[slice, ...]

    def fits(self, found: Frames) -> bool:
        if found.stride != self.stride or int(found.ends[0] - found.starts[0]) != len(self.record):
            return False
        table = _table(found)
        if not all((table[:, each] == self.record[each]).all() for each in self.same):
            return False
        label = self.label
        return label is None or label.dtype != np.uint8 or bool((table[:, label.start : label.stop] < 0x80).all())

    def batch(self, found: Frames, name: str, wanted: Wanted) -> Batch:
        table = _table(found)
        features = self.features.of(table)
        width(features.shape[1], wanted, found.place(name, 0))
        labels = None
        if self.label is not None and wanted.labels != 0:
            labels = self.label.of(table)
        labels = _labels(labels, wanted, found, name)
        finite(features, wanted.missing, lambda row: found.place(name, row))
        return Batch(features, labels)


_LAYOUTS: dict[int, _Layout] = {}
"""How requests were laid out lately, by the length of a record."""
_MOST_LAYOUTS = 64


def _table(found: Frames) -> Any:
    """Records of one length as the rows of a table of bytes, without a copy."""
    start = int(found.starts[0])
    shape = len(found), int(found.ends[0]) - start
    return np.ndarray(shape, np.uint8, found.buffer, start, (found.stride, 1))


def _layout(found: Frames) -> _Layout | None:
    """How the first record is laid out, if it is a plain one: dense features, and a label or none."""
    start, stop = int(found.starts[0]), int(found.ends[0])
    record = found.buffer[start:stop].copy()
    zero = np.zeros(1, np.int64)
    try:
        one = protobuf.read(record, zero, zero + len(record))
    except Malformed:
        return None
    tensors = [one.features.get(VALUES), one.labels.get(VALUES)]
    if tensors[0] is None or tensors[0].keys is not None or len(one.features) > 1:
        return None
    spans = [None if each is None else _span(record, 1 + place, each) for place, each in enumerate(tensors)]
    features, label = spans
    if features is None or (label is None and one.labels) or len(one.labels) > 1:
        return None
    same, position = [], 0
    for span in sorted((each for each in spans if each is not None), key=lambda each: each.start):
        same.append(slice(position, span.start))
        position = span.stop
    same.append(slice(position, len(record)))
    return _Layout(record, found.stride, features, label, tuple(each for each in same if each.start < each.stop))


def _span(record: Any, number: int, tensor: Tensors) -> _Span | None:
    """Where in a record the numbers of its only feature (1) or label (2) are; None if their length may vary."""
    dtype = tensor.values.dtype
    kind = {"float32": 2, "float64": 3, "int32": 7}[dtype.name]
    start, stop = np.zeros(1, np.int64), np.full(1, len(record))
    for field in (number, 2, kind, 1):
        pieces = wire.fields(record, start, stop).get((field, wire.BYTES))
        if pieces is None or len(pieces) != 1:
            return None
        start, stop = pieces.starts, pieces.stops
    if dtype == np.int32:
        # A varint of one byte is the number itself, as long as it is below 128.
        return (
            _Span(int(start[0]), int(stop[0]), np.dtype(np.uint8)) if stop[0] - start[0] == len(tensor.values) else None
        )
    return _Span(int(start[0]), int(stop[0]), dtype.newbyteorder("<"))


def _read(found: Frames, name: str, wanted: Wanted) -> Batch:
    """The rows of records, however they are laid out."""
    records = parsed(found, name)
    features = _only(records.features, "features", found, name)
    absent = ~features.present
    if absent.any():
        place = found.place(name, int(absent.argmax()))
        raise Unreadable(place, f"The record has no features '{VALUES}'")
    labels = None
    if wanted.labels != 0 and records.labels:
        labels = _label_table(_only(records.labels, "label", found, name), found, name)
    labels = _labels(labels, wanted, found, name)
    if features.keys is None:
        counts = features.counts
        columns = wanted.columns if wanted.columns is not None else int(counts[0])
        uneven = counts != columns
        if uneven.any():
            row = int(uneven.argmax())
            width(int(counts[row]), wanted.of(columns), found.place(name, row))
        table = float32(features.values).reshape(len(found), columns)
    else:
        table = _sparse(features, found, name, wanted)
    finite(table, wanted.missing, lambda row: found.place(name, row))
    return Batch(table.toarray() if wanted.dense and features.keys is not None else table, labels)


def _sparse(features: Tensors, found: Frames, name: str, wanted: Wanted) -> Any:
    from scipy.sparse import csr_matrix

    sizes = np.where(features.sparse, features.sizes, features.counts)
    columns = wanted.columns if wanted.columns is not None else int(sizes[0])
    if columns < 0:
        raise Unreadable(found.place(name, 0), "The record is sparse without a shape, and feature_dim is not given")
    wrong = (sizes != columns) & (sizes >= 0)
    if wrong.any():
        row = int(wrong.argmax())
        width(int(sizes[row]), wanted.of(columns), found.place(name, row))
    rows = np.concatenate(([0], np.cumsum(features.counts)))
    outside = (features.keys < 0) | (features.keys >= columns)
    if outside.any():
        at = int(outside.argmax())
        row = int(np.searchsorted(rows, at, "right")) - 1
        key = int(np.uint64(features.keys[at]))
        raise Unreadable(found.place(name, row), f"Key {key} is outside of the shape of {columns} features")
    return csr_matrix((float32(features.values), features.keys, rows), (len(found), columns))


def _only(tensors: dict[str, Tensors], kind: str, found: Frames, name: str) -> Tensors:
    if VALUES in tensors:
        return tensors[VALUES]
    keys = ", ".join(f"'{key}'" for key in tensors) or "none"
    raise Unreadable(found.place(name, 0), f"The record's {kind} have no '{VALUES}' (it has {keys})")


def _label_table(label: Tensors, found: Frames, name: str) -> Any:
    counts = label.counts
    uneven = counts != counts.max()
    if uneven.any():
        row = int(uneven.argmax())
        raise Unreadable(
            found.place(name, row), f"The record has {counts[row]} labels, where others have {counts.max()}"
        )
    return float32(label.values).reshape(len(found), int(counts[0]))


def _labels(labels: Any, wanted: Wanted, found: Frames, name: str) -> Any:
    """Labels as a batch has them.

    Raises:
        Unreadable: there are fewer than are wanted, or one is not a number.
    """
    have = 0 if labels is None else labels.shape[1]
    if wanted.labels is not None and have != wanted.labels:
        have_them = "no label" if not have else f"{have} label{'s'[: have > 1]}"
        raise Unreadable(found.place(name, 0), f"The record has {have_them}, and the algorithm needs {wanted.labels}")
    if not have:
        return None
    finite(labels, False, lambda row: found.place(name, row), "label")
    return labels[:, 0].copy() if have == 1 else labels
