"""RecordIO, the framing of MXNet's data: whole records out of a stream, many at a time.

A record is a magic number, its length, its data and up to three zero bytes, so that it ends on a multiple of four. The
upper three bits of the length say which part of a record follows: MXNet's own writer cuts a record where its data has
the magic number at a multiple of four, and leaves that out; the SageMaker SDK's does not.

Source: https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading (binary record)
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import numpy as np

from sagesmith.algorithms.errors import Unreadable

MAGIC = 0xCED7230A
CHUNK_BYTES = 4 << 20
HEAD_BYTES = 8
_HEAD = struct.Struct("<II")
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_FLAG_SHIFT = 29
_LENGTH = (1 << _FLAG_SHIFT) - 1
_WHOLE, _BEGIN, _MIDDLE, _END = range(4)
# Fewer records alike are not worth looking for.
_RUN = 16


class Stream(Protocol):
    """What records are read from."""

    def readinto(self, buffer: Any, /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Frames:
    """Some whole records, one after the other.

    Attributes:
        buffer: a uint8 array that they lie in. It is written anew when the next ones are asked for.
        starts, ends: int64 arrays, where in the buffer each record's data begins and ends.
        stride: the distance from each to the next, where all have the same length; else 0.
        first: the number of the first in its file, from 0.
        offset: where in its file the buffer begins, in bytes; -1 for records that were put together of parts.
    """

    buffer: Any
    starts: Any
    ends: Any
    stride: int
    first: int
    offset: int

    def __len__(self) -> int:
        return len(self.starts)

    def place(self, name: str, index: int) -> str:
        """Where one of them stands, for people. `name` is the file's."""
        byte = "" if self.offset < 0 else f" (byte {self.offset + int(self.starts[index])})"
        return f"{name}, record {self.first + index + 1}{byte}"

    def __iter__(self) -> Iterator[bytes]:
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield self.buffer[start:end].tobytes()


def frames(stream: Stream, name: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Frames]:
    """All records of a stream, as many at a time as a buffer of about `chunk_bytes` holds.

    Args:
        name: what the stream is, for errors (`file train/part-0`).

    Raises:
        Unreadable: it is not RecordIO, or is cut off within a record.
    """
    buffer = bytearray(room(stream, max(chunk_bytes, 64)))
    filled = offset = records = 0
    ended = False
    while not ended:
        while filled < len(buffer) and not ended:
            with memoryview(buffer) as view:
                read = stream.readinto(view[filled:])
            ended = not read
            filled += read or 0
        position = 0
        for found, position in _records(buffer, filled, records, offset, name):  # noqa: B007 used after the loop
            records += len(found)
            yield found
        rest = filled - position
        if ended and rest:
            raise cut(
                bytes(buffer[position : position + 8]), rest, f"{name}, record {records + 1} (byte {offset + position})"
            )
        # A buffer that arrays look into cannot be made longer.
        whole = buffer if rest < len(buffer) else bytearray(2 * len(buffer))
        whole[:rest] = buffer[position:filled]
        buffer, filled, offset = whole, rest, offset + position


def head(data: bytes) -> tuple[int, int]:
    """What follows a header: the part of a record, 0 for all and 3 for its end, and its bytes; -1 if it is none."""
    magic, length = _HEAD.unpack(data) if len(data) == HEAD_BYTES else (0, 0)
    return (length >> _FLAG_SHIFT, length & _LENGTH) if magic == MAGIC else (-1, 0)


def room(stream: Stream, size: int) -> int:
    """How large a buffer should be to begin with: a request's body needs no megabytes."""
    return min(size, len(stream.getbuffer()) + 1) if isinstance(stream, BytesIO) else size


def write(records: Iterable[bytes]) -> bytes:
    """Records framed as the SageMaker SDK frames them, each in one part.

    Raises:
        ValueError: one is longer than 512 MiB.
    """
    parts: list[bytes] = []
    for record in records:
        if len(record) > _LENGTH:
            raise ValueError(f"a RecordIO record has at most {_LENGTH} bytes, not {len(record)}")
        parts += (_HEAD.pack(MAGIC, len(record)), record, bytes(-len(record) % 4))
    return b"".join(parts)


class Wrapped:
    """The data of one record as a stream of its own, however long it is.

    Raises:
        Unreadable: the stream that it is read from ends within it.
    """

    def __init__(self, stream: Stream, length: int, place: str) -> None:
        self._stream = stream
        self._rest = length
        self._place = place

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            return 0
        with memoryview(buffer) as view:
            read = self._stream.readinto(view[: self._rest]) or 0
        if not read:
            raise Unreadable(self._place, f"The stream ends within a RecordIO record, {self._rest} bytes early")
        self._rest -= read
        return read

    def skip(self) -> None:
        """Read what is left of it."""
        rest = bytearray(1 << 16)
        while self.readinto(rest):
            pass


def wrapped(stream: Stream, name: str) -> Iterator[Wrapped]:
    """Each record of a stream as a stream: the objects that Pipe mode wrapped, none of them ever whole in memory.

    Raises:
        Unreadable: it is not RecordIO, or is cut off.
    """
    number = 0
    while head := _exactly(stream, 8):
        number += 1
        place = f"{name}, object {number}"
        if not head.startswith(_MAGIC_BYTES):
            raise not_recordio(place)
        if len(head) < 8:
            raise Unreadable(place, "The stream ends within a RecordIO header")
        length = _HEAD.unpack(head)[1] & _LENGTH
        record = Wrapped(stream, length, place)
        yield record
        record.skip()
        _exactly(stream, -length % 4)


def _exactly(stream: Stream, size: int) -> bytes:
    """So many bytes, fewer at the stream's end."""
    data = bytearray(size)
    filled = 0
    with memoryview(data) as view:
        while filled < size and (read := stream.readinto(view[filled:])):
            filled += read
    return bytes(data[:filled])


def _records(buffer: bytearray, filled: int, first: int, offset: int, name: str) -> Iterator[tuple[Frames, int]]:
    """The whole records at the beginning of a buffer, and after each lot the position behind it."""
    view = np.frombuffer(buffer, np.uint8, filled)
    position = 0
    while (run := _alike(view, position)) >= _RUN:
        length = int.from_bytes(buffer[position + 4 : position + 8], "little")
        stride = 8 + length + -length % 4
        starts = np.arange(position + 8, position + 8 + run * stride, stride)
        position += run * stride
        yield Frames(view, starts, starts + length, stride, first, offset), position
        first += run
    yield from _different(view, buffer, position, first, offset, name)


def _alike(view: Any, position: int) -> int:
    """How many whole records from a position on have the same header as the first."""
    if len(view) - position < 8:
        return 0
    head = view[position : position + 8]
    magic, length = _HEAD.unpack(head)
    stride = 8 + length + -length % 4
    count = (len(view) - position) // stride
    if magic != MAGIC or length > _LENGTH or count < _RUN:
        return 0
    heads = view[position : position + count * stride].reshape(count, stride)[:, :8]
    same = (heads == head).all(axis=1)
    return count if same.all() else int(same.argmin())


def _different(
    view: Any, buffer: bytearray, position: int, first: int, offset: int, name: str
) -> Iterator[tuple[Frames, int]]:
    starts: list[int] = []
    ends: list[int] = []
    parts: list[bytes] = []
    begun, size = position, len(view)
    while position + 8 <= size:
        magic, length = _HEAD.unpack_from(buffer, position)
        flag, length = length >> _FLAG_SHIFT, length & _LENGTH
        if magic != MAGIC:
            raise not_recordio(f"{name}, record {first + len(starts) + 1} (byte {offset + position})")
        start = position + 8
        end = start + length
        following = end + -length % 4
        if following > size:
            break
        if flag == _WHOLE and not parts:
            starts.append(start)
            ends.append(end)
            begun = following
        elif (flag == _BEGIN) == (not parts) and flag in (_BEGIN, _MIDDLE, _END):
            parts.append(bytes(buffer[start:end]))
            if flag == _END:
                if starts:
                    yield _frames(view, starts, ends, first, offset), begun
                    first, starts, ends = first + len(starts), [], []
                whole = np.frombuffer(_MAGIC_BYTES.join(parts), np.uint8)
                yield _frames(whole, [0], [len(whole)], first, -1), following
                first, parts, begun = first + 1, [], following
        else:
            place = f"{name}, record {first + len(starts) + 1} (byte {offset + position})"
            raise Unreadable(place, f"Unable to parse record: part {flag} of a RecordIO record is out of order")
        position = following
    if starts:
        yield _frames(view, starts, ends, first, offset), begun


def _frames(buffer: Any, starts: list[int], ends: list[int], first: int, offset: int) -> Frames:
    return Frames(buffer, np.array(starts, np.int64), np.array(ends, np.int64), 0, first, offset)


def cut(head: bytes, rest: int, place: str) -> Unreadable:
    """The error of a file that ends within a record, of whose `head` and data it has `rest` bytes."""
    if rest >= 4 and not head.startswith(_MAGIC_BYTES):
        return not_recordio(place)
    if rest < 8:
        return Unreadable(place, f"The file ends within a RecordIO header, of which it has {rest} of 8 bytes")
    length = int.from_bytes(head[4:8], "little") & _LENGTH
    return Unreadable(
        place, f"The file ends within a RecordIO record, of whose {length} bytes it has {min(rest - 8, length)}"
    )


def not_recordio(place: str) -> Unreadable:
    """The error of what is no record."""
    return Unreadable(
        place,
        "Unable to parse record: The Record IO header does not start with the magic number. "
        "Please verify the data matches the requested content-type",
    )
