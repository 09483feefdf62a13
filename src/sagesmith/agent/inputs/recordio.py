"""RecordIO, the framing that MXNet reads and that Pipe mode wraps objects in.

A record is a magic number, its length, its data and up to three zero bytes, so that it ends on a multiple of four. It
is written in one part, as the SageMaker SDK does: whoever reads record by record needs no escape of the magic number.

Source: https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading (binary record)
"""

import struct

_MAGIC = 0xCED7230A
MAX_RECORD_BYTES = (1 << 29) - 1
"""The upper three bits of a record's length are a flag."""


def header(size: int) -> bytes:
    """What comes before a record's data.

    Raises:
        ValueError: no record can be as large.
    """
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"a RecordIO record has at most {MAX_RECORD_BYTES} bytes, not {size}")
    return struct.pack("<II", _MAGIC, size)


def padding(size: int) -> bytes:
    """What comes after it."""
    return bytes(-size % 4)
