"""The wire format of protocol buffers, read for many messages at once, an array operation a field.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

VARINT, FIXED64, BYTES, _GROUP, _END_GROUP, FIXED32 = range(6)
_LONGEST_VARINT = 10


class Malformed(Exception):
    """A message is not one.

    Attributes:
        message: its number among those that were read.
        why: what is wrong.
    """

    def __init__(self, message: int, why: str) -> None:
        super().__init__(why)
        self.message = message
        self.why = why


@dataclass(frozen=True, slots=True)
class Spans:
    """Pieces of a buffer that belong to messages: one field's data, wherever it occurs.

    Attributes:
        owners: of each piece, the message that it belongs to; they ascend.
        starts, stops: where in the buffer it is, in bytes.
    """

    owners: Any
    starts: Any
    stops: Any

    def __len__(self) -> int:
        return len(self.owners)

    def last(self) -> "Spans":
        """Of each owner the last piece, as the format has it for what may occur once."""
        if len(self) < 2:
            return self
        keep = np.append(self.owners[1:] != self.owners[:-1], True)
        return self if keep.all() else Spans(self.owners[keep], self.starts[keep], self.stops[keep])


def fields(buffer: Any, starts: Any, stops: Any) -> dict[tuple[int, int], Spans]:
    """The fields of messages by number and wire type.

    Args:
        buffer: a uint8 array.
        starts, stops: where in it each message begins and ends.

    Returns:
        For each field the pieces that are its data, `owners` being places in `starts`. A number's data is its
        encoding: the bytes of a varint, the four or eight of a fixed one.

    Raises:
        Malformed: a message is cut off, or has something that no message has.
    """
    found: dict[tuple[int, int], list[tuple[Any, Any, Any]]] = {}
    owners = np.flatnonzero(starts < stops)
    position, stop = starts[owners], stops[owners]
    while len(owners):
        tags, position = varints(buffer, position, stop, owners)
        for tag in np.unique(tags) if (tags != tags[0]).any() else tags[:1]:
            which = slice(None) if len(tags) == 1 or (tags == tag).all() else tags == tag
            number, wire = int(tag) >> 3, int(tag) & 7
            begin, end = _extent(buffer, wire, position[which].copy(), stop[which], owners[which])
            found.setdefault((number, wire), []).append((owners[which], begin, end))
            position[which] = end
        more = position < stop
        if not more.all():
            owners, position, stop = owners[more], position[more], stop[more]
    return {key: _together(pieces) for key, pieces in found.items()}


def varints(buffer: Any, position: Any, stop: Any, owners: Any) -> tuple[Any, Any]:
    """The varint that begins at each position, and the position behind it.

    Raises:
        Malformed: one is longer than ten bytes or than its message.
    """
    last = len(buffer) - 1
    byte = buffer[np.minimum(position, last)]
    value = (byte & 0x7F).astype(np.int64)
    more = byte >= 0x80
    length = np.ones(len(position), np.int64)
    for step in range(1, _LONGEST_VARINT):
        if not more.any():
            break
        byte = buffer[np.minimum(position + step, last)]
        value |= np.where(more, (byte & 0x7F).astype(np.int64) << (7 * step), 0)
        length += more
        more &= byte >= 0x80
    end = position + length
    wrong = more | (end > stop)
    if wrong.any():
        raise Malformed(int(owners[wrong.argmax()]), "a message ends within a number")
    return value, end


def gathered(buffer: Any, starts: Any, lengths: Any) -> Any:
    """The bytes of pieces, one after the other."""
    total = int(lengths.sum())
    if len(starts) and (lengths == lengths[0]).all():
        return buffer[starts[:, None] + np.arange(int(lengths[0]))].reshape(total)
    before = np.cumsum(lengths) - lengths
    return buffer[np.arange(total) + np.repeat(starts - before, lengths)]


def packed_varints(buffer: Any, pieces: Spans) -> tuple[Any, Any]:
    """The numbers of packed fields, one after the other, and how many each piece has.

    Raises:
        Malformed: one is cut off.
    """
    lengths = pieces.stops - pieces.starts
    data = gathered(buffer, pieces.starts, lengths)
    ends = data < 0x80
    after = np.cumsum(lengths)
    wrong = (lengths > 0) & ~ends[np.maximum(after, 1) - 1] if len(data) else np.zeros(len(lengths), bool)
    if wrong.any():
        raise Malformed(int(pieces.owners[wrong.argmax()]), "a list of numbers ends within one")
    stops = np.flatnonzero(ends)
    counted = np.concatenate(([0], np.cumsum(ends)))
    counts = counted[after] - counted[after - lengths]
    begins = np.concatenate(([0], stops[:-1] + 1)) if len(stops) else stops
    sizes = stops - begins + 1
    longest = int(sizes.max()) if len(sizes) else 0
    if longest > _LONGEST_VARINT:
        raise Malformed(int(np.repeat(pieces.owners, counts)[sizes.argmax()]), "a number has more than ten bytes")
    values = np.zeros(len(stops), np.int64)
    for step in range(longest):
        have = sizes > step
        part = (data[np.where(have, begins + step, 0)] & 0x7F).astype(np.int64)
        values |= np.where(have, part << (7 * step), 0)
    return values, counts


def _extent(buffer: Any, wire: int, position: Any, stop: Any, owners: Any) -> tuple[Any, Any]:
    """Where fields of one wire type begin and end, given the position behind their tags."""
    if wire == VARINT:
        return position, varints(buffer, position, stop, owners)[1]
    if wire == BYTES:
        length, position = varints(buffer, position, stop, owners)
    elif wire in (FIXED32, FIXED64):
        length = np.full(len(position), 4 if wire == FIXED32 else 8)
    else:
        raise Malformed(int(owners[0]), f"a message has a field of wire type {wire}")
    # A length of sixty-four bits may be negative here, or wrap where it is added.
    wrong = (length < 0) | (length > stop - position)
    if wrong.any():
        raise Malformed(int(owners[wrong.argmax()]), "a field is longer than its message")
    return position, position + length


def _together(pieces: list[tuple[Any, Any, Any]]) -> Spans:
    if len(pieces) == 1:
        return Spans(*pieces[0])
    owners, starts, stops = (np.concatenate(each) for each in zip(*pieces, strict=True))
    order = np.argsort(owners, kind="stable")
    return Spans(owners[order], starts[order], stops[order])
