"""`aialgs.data.Record`, the message that SageMaker's algorithms train on and answer with.

    message Value  { oneof value { Float32Tensor float32_tensor = 2; Float64Tensor float64_tensor = 3;
                                   Int32Tensor int32_tensor = 7; Bytes bytes = 9; } }
    message Record { map<string, Value> features = 1; map<string, Value> label = 2;
                     string uid = 3; string metadata = 4; string configuration = 5; }

A tensor has packed `values = 1`, and where it is sparse `keys = 2` and `shape = 3`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sagesmith.algorithms.data import wire
from sagesmith.algorithms.data.wire import BYTES, FIXED32, FIXED64, VARINT, Malformed, Spans

VALUES = "values"
"""The key of features and labels that algorithms with one input look for."""
_FEATURES, _LABEL, _UID, _METADATA, _CONFIGURATION = 1, 2, 3, 4, 5
_STRINGS = (_UID, _METADATA, _CONFIGURATION)
_FLOAT32, _FLOAT64, _INT32, _BYTES = 2, 3, 7, 9
_FIXED: dict[int, tuple[int, Any]] = {_FLOAT32: (FIXED32, np.dtype("<f4")), _FLOAT64: (FIXED64, np.dtype("<f8"))}


@dataclass(frozen=True, slots=True)
class Tensors:
    """One feature (or label) of many records.

    Attributes:
        values: float32 or float64, or int32, of all records one after the other.
        counts: int64 array of shape (records,), how many of them are each record's.
        present: bool array, which records have it at all.
        keys: int64, for each value its place in its record; None where no record is sparse.
        sparse: bool array, which records are; None where none is.
        sizes: int64 array, the product of each record's shape, -1 for a record without.
    """

    values: Any
    counts: Any
    present: Any
    keys: Any
    sparse: Any
    sizes: Any


@dataclass(frozen=True, slots=True)
class Records:
    """What records say, by key."""

    count: int
    features: dict[str, Tensors]
    labels: dict[str, Tensors]


class Sparse(NamedTuple):
    """A sparse vector to write: values, their places, and the vector's length."""

    values: Any
    keys: Any
    size: int


def read(buffer: Any, starts: Any, stops: Any) -> Records:
    """Read records.

    Args:
        buffer: a uint8 array.
        starts, stops: where in it each record begins and ends.

    Raises:
        Malformed: one is no such message.
    """
    found = wire.fields(buffer, starts, stops)
    for number, kind in found:
        known = number in (_FEATURES, _LABEL) or number in _STRINGS
        if known and kind != BYTES:
            raise Malformed(int(found[number, kind].owners[0]), "it is not an aialgs.data.Record")
    count = len(starts)
    return Records(count, *(_map(buffer, found.get((number, BYTES)), count) for number in (_FEATURES, _LABEL)))


def write(
    features: Mapping[str, Any] | None = None,
    labels: Mapping[str, Any] | None = None,
    *,
    uid: str = "",
    metadata: str = "",
    configuration: str = "",
) -> bytes:
    """One record. Values are vectors or `Sparse`: float64 and integers keep their kind, others become float32."""
    parts = [_field(_FEATURES, _entry(key, value)) for key, value in (features or {}).items()]
    parts += [_field(_LABEL, _entry(key, value)) for key, value in (labels or {}).items()]
    texts = zip(_STRINGS, (uid, metadata, configuration), strict=True)
    parts += [_field(number, text.encode()) for number, text in texts if text]
    return b"".join(parts)


def _map(buffer: Any, entries: Spans | None, count: int) -> dict[str, Tensors]:
    if entries is None:
        return {}
    found = _nested(buffer, entries)
    values = found.get((2, BYTES))
    if values is None:
        return {}
    values = values.last()
    tensors: dict[str, Tensors] = {}
    keys = _keys(buffer, found.get((1, BYTES)), entries)
    names = keys[values.owners]
    for name in dict.fromkeys(names.tolist()):
        of_name = names == name
        owners = entries.owners[values.owners[of_name]]
        pieces = Spans(owners, values.starts[of_name], values.stops[of_name]).last()
        tensors[name] = _tensors(buffer, pieces, count, name)
    return tensors


def _nested(buffer: Any, messages: Spans) -> dict[tuple[int, int], Spans]:
    """The fields of messages within messages, by number and wire type; `owners` are places in `messages`."""
    try:
        return wire.fields(buffer, messages.starts, messages.stops)
    except Malformed as error:
        raise Malformed(int(messages.owners[error.message]), error.why) from None


def _keys(buffer: Any, spans: Spans | None, entries: Spans) -> Any:
    """The key of each entry of a map, an array of strings."""
    keys = np.full(len(entries), "", object)
    if spans is None:
        return keys
    spans = spans.last()
    lengths = spans.stops - spans.starts
    if len(spans) == len(entries) and (lengths == lengths[0]).all():
        texts = buffer[spans.starts[:, None] + np.arange(int(lengths[0]))]
        if (texts == texts[0]).all():
            keys[:] = _text(texts[0].tobytes(), int(entries.owners[0]))
            return keys
    pieces = zip(spans.owners.tolist(), spans.starts.tolist(), spans.stops.tolist(), strict=True)
    for owner, start, stop in pieces:
        keys[owner] = _text(buffer[start:stop].tobytes(), int(entries.owners[owner]))
    return keys


def _text(data: bytes, message: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed(message, "a key is not text") from None


def _tensors(buffer: Any, pieces: Spans, count: int, name: str) -> Tensors:
    """A value of each record that has one, whose kind of tensor may differ from record to record."""
    found = _nested(buffer, pieces)
    kinds = [number for number, kind in found if kind == BYTES and number in (*_FIXED, _INT32)]
    if (_BYTES, BYTES) in found:
        owner = pieces.owners[int(found[_BYTES, BYTES].owners[0])]
        raise Malformed(int(owner), f"'{name}' is bytes, where a tensor of numbers is needed")
    each = [_tensor(buffer, kind, found[kind, BYTES].last(), pieces, count) for kind in kinds]
    if len(each) == 1:
        return each[0]
    return _merged(each, count)


def _tensor(buffer: Any, kind: int, spans: Spans, pieces: Spans, count: int) -> Tensors:
    records = pieces.owners[spans.owners]
    found = _nested(buffer, Spans(records, spans.starts, spans.stops))
    try:
        values, counts = _numbers(buffer, found, 1, kind, len(spans))
        keys, key_counts = _numbers(buffer, found, 2, _INT32, len(spans))
        shape, dimensions = _numbers(buffer, found, 3, _INT32, len(spans))
    except Malformed as error:
        raise Malformed(int(records[error.message]), error.why) from None
    sizes = np.full(len(spans), -1, np.int64)
    have = dimensions > 0
    if have.any():
        sizes[have] = np.multiply.reduceat(shape, (np.cumsum(dimensions) - dimensions)[have])
    sparse = (key_counts > 0) | ((counts == 0) & have)
    uneven = sparse & (key_counts != counts)
    if uneven.any():
        which = int(uneven.argmax())
        raise Malformed(int(records[which]), f"a sparse tensor has {key_counts[which]} keys for {counts[which]} values")
    if not sparse.any():
        keys = None
    elif not sparse.all():
        keys = _with_places(keys, counts, sparse)
    present = np.zeros(count, bool)
    present[records] = True
    return Tensors(
        values.astype(np.int32) if kind == _INT32 else values,
        _at(records, counts, count, 0),
        present,
        keys,
        None if keys is None else _at(records, sparse, count, False),
        _at(records, sizes, count, -1),
    )


def _numbers(buffer: Any, found: dict[tuple[int, int], Spans], number: int, kind: int, count: int) -> tuple[Any, Any]:
    """All numbers of a repeated field, packed or not, and how many each message has of them."""
    single, dtype = _FIXED.get(kind, (VARINT, np.dtype(np.int64)))
    lots = [found[number, each] for each in (BYTES, single) if (number, each) in found]
    counts = np.zeros(count, np.int64)
    if not lots:
        return np.zeros(0, dtype), counts
    spans = lots[0] if len(lots) == 1 else _sorted(lots)
    if kind in _FIXED:
        lengths = spans.stops - spans.starts
        odd = lengths % dtype.itemsize != 0
        if odd.any():
            raise Malformed(int(spans.owners[odd.argmax()]), "a list of numbers ends within one")
        values, each = wire.gathered(buffer, spans.starts, lengths).view(dtype), lengths // dtype.itemsize
    else:
        values, each = wire.packed_varints(buffer, spans)
    np.add.at(counts, spans.owners, each)
    return values, counts


def _sorted(lots: list[Spans]) -> Spans:
    owners, starts, stops = (np.concatenate([getattr(lot, part) for lot in lots]) for part in Spans.__slots__)
    order = np.lexsort((starts, owners))
    return Spans(owners[order], starts[order], stops[order])


def _at(records: Any, values: Any, count: int, empty: Any) -> Any:
    whole = np.full(count, empty, values.dtype)
    whole[records] = values
    return whole


def _with_places(keys: Any, counts: Any, sparse: Any) -> Any:
    """Keys for all values: those of dense vectors count up."""
    whole = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    whole[np.repeat(sparse, counts)] = keys
    return whole


def _merged(each: Sequence[Tensors], count: int) -> Tensors:
    """Tensors of different kinds, or none, as one of float64."""
    counts = np.sum([one.counts for one in each], axis=0, dtype=np.int64) if each else np.zeros(count, np.int64)
    begins = np.cumsum(counts) - counts
    values = np.zeros(int(counts.sum()))
    places = np.arange(len(values)) - np.repeat(begins, counts)
    keys = places.copy()
    present, sparse, sizes = np.zeros(count, bool), np.zeros(count, bool), np.full(count, -1, np.int64)
    for one in each:
        if (present & one.present).any():
            raise Malformed(int((present & one.present).argmax()), "a value has tensors of two kinds")
        where = np.arange(len(one.values)) - np.repeat(np.cumsum(one.counts) - one.counts - begins, one.counts)
        values[where] = one.values
        present |= one.present
        sizes = np.where(one.present, one.sizes, sizes)
        if one.keys is not None:
            keys[where] = one.keys
            sparse |= one.sparse
    mixed = bool(sparse.any())
    return Tensors(values, counts, present, keys if mixed else None, sparse if mixed else None, sizes)


def _entry(key: str, value: Any) -> bytes:
    return _field(1, key.encode()) + _field(2, _value(value))


def _value(value: Any) -> bytes:
    if isinstance(value, bytes):
        return _field(_BYTES, _field(1, value))
    sparse = isinstance(value, Sparse)
    values = np.atleast_1d(np.asarray(value.values if sparse else value))
    if values.dtype.kind in "iub":
        kind, data = _INT32, b"".join(map(varint, values.astype(np.int64).tolist()))
    elif values.dtype == np.float64:
        kind, data = _FLOAT64, values.astype("<f8").tobytes()
    else:
        kind, data = _FLOAT32, values.astype("<f4").tobytes()
    tensor = _field(1, data) if data else b""
    if sparse:
        if len(value.keys):
            tensor += _field(2, b"".join(map(varint, np.asarray(value.keys).tolist())))
        tensor += _field(3, varint(value.size))
    return _field(kind, tensor)


def _field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def varint(value: int) -> bytes:
    """A number as a message has it; a negative one as its two's complement of 64 bits."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= (1 << 64) - 1
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_SMALL = [struct.pack("B", value) for value in range(0x80)]
