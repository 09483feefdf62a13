"""Objects taken apart into requests: no byte is lost, none is doubled, and no request is too large."""

import gzip
import itertools
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.agent.transform.failures import ObjectFailed
from sagesmith.agent.transform.objects import decompressed
from sagesmith.agent.transform.records import Splitting, batches

MAGIC = struct.pack("<I", 0xCED7230A)
# What TensorFlow 2.12 writes of b"abc", b"" and b"hello".
TFRECORDS = bytes.fromhex(
    "0300000000000000b099490e6162636e57f121000000000000000029039807d8ea82a20500000000000000eab2043e68656c6c6fbb1f1c19"
)


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def recordio(record: bytes) -> bytes:
    return MAGIC + struct.pack("<I", len(record)) + record + bytes(-len(record) % 4)


def split(data: bytes, kind: str, single: bool, max_bytes: int, chunk_bytes: int = 7) -> list[bytes]:
    return list(batches(chunked(data, chunk_bytes), Splitting(kind, single, max_bytes)))


LINES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ") + b"\n"), max_size=20)


@given(
    LINES, st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ")), st.integers(21, 60), st.integers(1, 50)
)
def test_batches_of_lines_together_are_the_object(lines: list[bytes], last: bytes, limit: int, size: int) -> None:
    data = b"".join(lines) + last
    found = split(data, "Line", False, limit, size)
    assert b"".join(found) == data
    assert all(0 < len(batch) <= limit for batch in found)
    assert all(batch.endswith(b"\n") for batch in found[:-1])
    # No batch could have had the next one's first line too.
    for batch, following in itertools.pairwise(found):
        assert len(batch) + len(following.split(b"\n", 1)[0]) + 1 > limit


@given(LINES, st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ")), st.integers(1, 50))
def test_single_lines_are_the_lines(lines: list[bytes], last: bytes, size: int) -> None:
    assert split(b"".join(lines) + last, "Line", True, 21, size) == lines + ([last] if last else [])


@given(st.lists(st.binary(max_size=20), max_size=12), st.integers(28, 80), st.integers(1, 50))
def test_recordio_is_split_between_records(records: list[bytes], limit: int, size: int) -> None:
    data = b"".join(map(recordio, records))
    assert b"".join(split(data, "RecordIO", False, limit, size)) == data
    assert all(len(batch) <= limit for batch in split(data, "RecordIO", False, limit, size))
    assert split(data, "RecordIO", True, limit, size) == records


@pytest.mark.parametrize("size", [1, 7, 100])
def test_tfrecords_are_split_between_records(size: int) -> None:
    assert split(TFRECORDS, "TFRecord", True, 100, size) == [b"abc", b"", b"hello"]
    assert split(TFRECORDS, "TFRecord", False, 100, size) == [TFRECORDS]
    assert split(TFRECORDS, "TFRecord", False, 35, size) == [TFRECORDS[:35], TFRECORDS[35:]]


def test_a_recordio_record_of_several_parts_gets_its_magic_numbers_back() -> None:
    data = b"".join(
        MAGIC + struct.pack("<I", flag << 29 | len(part)) + part
        for flag, part in ((1, b"aaaa"), (2, b"bbbb"), (3, b"cccc"))
    )
    assert split(data, "RecordIO", True, 100) == [b"aaaa" + MAGIC + b"bbbb" + MAGIC + b"cccc"]
    assert split(data, "RecordIO", False, 100) == [data]


def test_an_object_that_is_not_split_is_one_request() -> None:
    assert split(b"abc\ndef", "None", False, 7) == [b"abc\ndef"]
    assert split(b"", "None", False, 7) == [b""]


@pytest.mark.parametrize("kind", ["Line", "RecordIO", "TFRecord"])
def test_an_empty_object_has_no_records(kind: str) -> None:
    assert split(b"", kind, False, 10) == []
    assert split(b"", kind, True, 10) == []


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("None", b"x" * 11),
        ("Line", b"ab\n" + b"x" * 10 + b"\n"),
        ("Line", b"ab\n" + b"x" * 11),
        ("RecordIO", recordio(b"x" * 11)),
    ],
    ids=["whole", "line", "last-line", "recordio"],
)
def test_what_is_too_large_for_a_request_fails_the_object(kind: str, data: bytes, single: bool) -> None:
    with pytest.raises(ObjectFailed, match="Too much data for max payload size") as raised:
        split(data, kind, single, 10)
    assert raised.value.fault == "ClientError"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("RecordIO", b"no record at all"),
        ("RecordIO", recordio(b"abcd")[:-1]),
        ("RecordIO", MAGIC),
        ("RecordIO", MAGIC + struct.pack("<I", 1 << 29 | 4) + b"aaaa"),
        ("RecordIO", MAGIC + struct.pack("<I", 3 << 29 | 4) + b"aaaa"),
        ("TFRecord", struct.pack("<QI", 3, 0) + b"abc" + bytes(4)),
        ("TFRecord", b"abc"),
    ],
    ids=["magic", "cut", "head", "unfinished", "end-first", "checksum", "short"],
)
def test_what_is_not_of_its_format_fails_the_object(kind: str, data: bytes) -> None:
    with pytest.raises(ObjectFailed, match=f"is no {kind} file"):
        split(data, kind, True, 100)


def test_gzip_of_several_members_is_one_content() -> None:
    data = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert b"".join(decompressed(chunked(data, 5))) == b"one\ntwo\n"


@pytest.mark.parametrize("data", [b"plain text", gzip.compress(b"one")[:-3], b""], ids=["plain", "cut", "empty"])
def test_what_is_not_gzip_fails_the_object(data: bytes) -> None:
    with pytest.raises(ObjectFailed, match="not compressed with gzip, or damaged"):
        list(decompressed(chunked(data, 5)))
