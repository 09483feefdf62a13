"""Objects taken apart into what is sent to a model server at once: mini-batches of whole records.

Records keep their framing, so that a file's batches one after the other are the file; only a RecordIO or TFRecord
record that is sent alone is sent without.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformInput.html (SplitType);
https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading (RecordIO);
https://www.tensorflow.org/tutorials/load_data/tfrecord ("TFRecords format details")
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sagesmith.agent.inputs import recordio
from sagesmith.agent.transform.failures import ObjectFailed

SINGLE, MULTI = "SingleRecord", "MultiRecord"
_RECORDIO_MAGIC = 0xCED7230A
_RECORDIO_FLAG_SHIFT = 29
_WHOLE, _BEGINS, _ENDS = 0, 1, 3
_CRC32C_POLYNOMIAL = 0x82F63B78


@dataclass(frozen=True, slots=True)
class Splitting:
    """How objects are taken apart.

    Attributes:
        split: the SplitType.
        single: one record at a time, instead of as many as have room.
        max_bytes: what one request may have.
    """

    split: str
    single: bool
    max_bytes: int


def batches(chunks: Iterable[bytes], how: Splitting) -> Iterator[bytes]:
    """The payloads of an object's requests, in order.

    Args:
        chunks: the object's content, in pieces of any size.

    Raises:
        ObjectFailed: a record is larger than a request may be, or the content is not what the split type says.
    """
    return _SPLITTERS[how.split](chunks, how)


def too_large(max_bytes: int) -> ObjectFailed:
    hint = "Give a larger MaxPayloadInMB, or a SplitType if the object has several records."
    said = f"a payload has more than {max_bytes >> 20} MB (MaxPayloadInMB). {hint}"
    return ObjectFailed("ClientError", "ClientError: Too much data for max payload size", "Message:", said)


def _whole(chunks: Iterable[bytes], how: Splitting) -> Iterator[bytes]:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > how.max_bytes:
            raise too_large(how.max_bytes)
    yield bytes(content)


def _lines(chunks: Iterable[bytes], how: Splitting) -> Iterator[bytes]:
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        if how.single:
            yield from _cut_each(rest, how)
        else:
            yield from _cut_full(rest, how)
    if rest:
        yield bytes(rest)


def _cut_full(rest: bytearray, how: Splitting) -> Iterator[bytes]:
    """As many lines as have room, as long as there are more."""
    while len(rest) > how.max_bytes:
        end = rest.rfind(b"\n", 0, how.max_bytes) + 1
        if not end:
            raise too_large(how.max_bytes)
        yield bytes(rest[:end])
        del rest[:end]


def _cut_each(rest: bytearray, how: Splitting) -> Iterator[bytes]:
    start = 0
    while end := rest.find(b"\n", start) + 1:
        if end - start > how.max_bytes:
            raise too_large(how.max_bytes)
        yield bytes(rest[start:end])
        start = end
    del rest[:start]
    if len(rest) > how.max_bytes:
        raise too_large(how.max_bytes)


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of a binary format.

    Attributes:
        framed: with its framing.
        data: without.
    """

    framed: bytes
    data: bytes


class _Source:
    """Reads so many bytes of chunks at a time, and never holds many more than that."""

    def __init__(self, chunks: Iterable[bytes], kind: str) -> None:
        self._chunks = iter(chunks)
        self._kind = kind
        self._rest = bytearray()
        self._start = 0

    def take(self, size: int) -> bytes:
        """The next bytes; none at the end.

        Raises:
            ObjectFailed: the content ends before.
        """
        while len(self._rest) - self._start < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                if len(self._rest) == self._start:
                    return b""
                raise self.damaged("it ends in the middle of a record")
            del self._rest[: self._start]
            self._start = 0
            self._rest += chunk
        taken = bytes(self._rest[self._start : self._start + size])
        self._start += size
        return taken

    def more(self, size: int) -> bytes:
        """The next bytes, which must be there."""
        taken = self.take(size)
        if size and not taken:
            raise self.damaged("it ends in the middle of a record")
        return taken

    def damaged(self, why: str) -> ObjectFailed:
        return ObjectFailed("ClientError", f"ClientError: the object is no {self._kind} file: {why}")


def _recordio(source: _Source, max_bytes: int) -> Iterator[_Record]:
    framed, parts = bytearray(), list[bytes]()
    while head := source.take(8):
        magic, length = struct.unpack("<II", head)
        if magic != _RECORDIO_MAGIC:
            raise source.damaged("a record does not begin with the magic number")
        flag, size = length >> _RECORDIO_FLAG_SHIFT, length & recordio.MAX_RECORD_BYTES
        if len(framed) + size > max_bytes:
            raise too_large(max_bytes)
        if (flag in (_WHOLE, _BEGINS)) == bool(parts):
            raise source.damaged("the parts of a record are not in their order")
        data = source.more(size)
        framed += head + data + source.more(len(recordio.padding(size)))
        parts.append(data)
        if flag in (_WHOLE, _ENDS):
            # A record is cut where it has the magic number, which is left out.
            yield _Record(bytes(framed), struct.pack("<I", _RECORDIO_MAGIC).join(parts))
            framed, parts = bytearray(), []
    if parts:
        raise source.damaged("its last record has no end")


def _tfrecord(source: _Source, max_bytes: int) -> Iterator[_Record]:
    while head := source.take(12):
        size, checksum = struct.unpack("<QI", head)
        if checksum != _masked_crc32c(head[:8]):
            raise source.damaged("the checksum of a record's length is wrong")
        if size > max_bytes:
            raise too_large(max_bytes)
        data = source.more(size)
        yield _Record(head + data + source.more(4), data)


def _binary(
    kind: str, records: Callable[[_Source, int], Iterator[_Record]]
) -> Callable[[Iterable[bytes], Splitting], Iterator[bytes]]:
    def split(chunks: Iterable[bytes], how: Splitting) -> Iterator[bytes]:
        batch = bytearray()
        for record in records(_Source(chunks, kind), how.max_bytes):
            if how.single:
                yield record.data
                continue
            if len(record.framed) > how.max_bytes:
                raise too_large(how.max_bytes)
            if len(batch) + len(record.framed) > how.max_bytes:
                yield bytes(batch)
                batch.clear()
            batch += record.framed
        if batch:
            yield bytes(batch)

    return split


_SPLITTERS: Mapping[str, Callable[[Iterable[bytes], Splitting], Iterator[bytes]]] = {
    "None": _whole,
    "Line": _lines,
    "RecordIO": _binary("RecordIO", _recordio),
    "TFRecord": _binary("TFRecord", _tfrecord),
}


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CRC32C_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def _masked_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
