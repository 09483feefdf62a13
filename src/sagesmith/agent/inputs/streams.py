"""What a pipe makes of the objects that stream into it: decompressed, and wrapped in RecordIO."""

import tempfile
import zlib
from collections.abc import Iterable, Iterator

from sagesmith.agent.inputs import recordio
from sagesmith.agent.inputs.ahead import Piece
from sagesmith.agent.inputs.failures import download_failed

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 16 << 20
Content = Iterable[tuple[Piece, bytes]]


def plain(content: Content) -> Iterator[bytes]:
    """Objects one right after the other."""
    return (data for _, data in content)


def records(content: Content) -> Iterator[bytes]:
    """Every object as a RecordIO record."""
    for piece, data in content:
        if piece.first:
            yield _header(piece.record, piece.record_size)
        yield data
        if piece.last:
            yield recordio.padding(piece.record_size)


def decompressed(content: Content) -> Iterator[bytes]:
    """Every object's decompressed content, one right after the other."""
    return (data for _, data in _decompress(content))


def decompressed_records(content: Content) -> Iterator[bytes]:
    """Every object's decompressed content as a RecordIO record.

    How long a record is comes before it and is known when all of the object is decompressed: a large one waits on the
    disk.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as spool:
        for piece, data in _decompress(content):
            if data or not piece.last:
                spool.write(data)
                continue
            size = spool.tell()
            yield _header(piece.record, size)
            spool.seek(0)
            yield from iter(lambda: spool.read(_CHUNK_BYTES), b"")
            yield recordio.padding(size)
            spool.seek(0)
            spool.truncate()


def _decompress(content: Content) -> Iterator[tuple[Piece, bytes]]:
    """Chunks of decompressed content; an empty one after an object's last."""
    member = zlib.decompressobj(_GZIP)
    for piece, data in content:
        if piece.first:
            member = zlib.decompressobj(_GZIP)
        rest = data
        try:
            while rest:
                if member.eof:
                    # A file of several members is one content (RFC 1952, 2.2).
                    member = zlib.decompressobj(_GZIP)
                if chunk := member.decompress(rest, _CHUNK_BYTES):
                    yield piece, chunk
                rest = member.unused_data if member.eof else member.unconsumed_tail
        except zlib.error as error:
            raise download_failed(f"{piece.record} is not compressed with gzip, or damaged: {error}") from error
        if piece.last:
            if not member.eof:
                raise download_failed(f"{piece.record} is not compressed with gzip, or ends too early")
            yield piece, b""


def _header(record: str, size: int) -> bytes:
    try:
        return recordio.header(size)
    except ValueError as error:
        raise download_failed(f"{record} cannot be wrapped in RecordIO: {error}") from error
