"""RecordIO and the message in it, written and read."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

from sagesmith.algorithms.data import protobuf, recordio, records
from sagesmith.algorithms.data.assemble import joined
from sagesmith.algorithms.data.checks import Wanted
from sagesmith.algorithms.errors import Unreadable

RANDOM = np.random.default_rng(1)


def read(data, **wanted):
    return joined(list(records.batches(io.BytesIO(data), "file train/part-0", Wanted(**wanted))))


def dense(table, labels=None):
    return recordio.write(
        protobuf.write({"values": row}, None if labels is None else {"values": labels[at : at + 1]})
        for at, row in enumerate(table)
    )


def sparse(table, labels=None):
    rows = (table[[at]] for at in range(table.shape[0]))
    return recordio.write(
        protobuf.write(
            {"values": protobuf.Sparse(row.data, row.indices, table.shape[1])},
            None if labels is None else {"values": labels[at : at + 1]},
        )
        for at, row in enumerate(rows)
    )


@given(st.lists(st.binary(max_size=60), max_size=80), st.integers(1, 300))
def test_records_come_out_of_frames_as_they_went_in_whatever_the_buffer_holds(contents, size):
    stream = io.BytesIO(recordio.write(contents))
    assert [each for found in recordio.frames(stream, "file", size) for each in found] == contents


def test_a_record_that_mxnet_wrote_in_parts_is_put_together_with_the_magic_number_between_them():
    magic = struct.pack("<I", recordio.MAGIC)

    def part(flag, data):
        return magic + struct.pack("<I", flag << 29 | len(data)) + data + bytes(-len(data) % 4)

    data = recordio.write([b"one"]) + part(1, b"abcd") + part(2, b"efgh") + part(3, b"ij") + recordio.write([b"three"])
    for size in (1, 20, 4096):
        found = [each for frames in recordio.frames(io.BytesIO(data), "file", size) for each in frames]
        assert found == [b"one", b"abcd" + magic + b"efgh" + magic + b"ij", b"three"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("label", ["float32", "float64", "int32", None])
def test_dense_rows_are_read_as_they_were_written(dtype, label):
    table = (RANDOM.normal(size=(500, 7)) * 100).astype(dtype)
    labels = None if label is None else RANDOM.integers(-3, 1000, 500).astype(label)
    batch = read(dense(table, labels))
    assert np.array_equal(batch.features, table.astype("float32"))
    assert batch.labels is None if labels is None else np.array_equal(batch.labels, labels)
    assert batch.features.flags.c_contiguous


def test_sparse_rows_are_read_as_they_were_written_empty_ones_too():
    table = csr_matrix(random_array((300, 5000), density=0.002, rng=RANDOM, dtype="float32"))
    batch = read(sparse(table, np.arange(300)))
    assert batch.sparse
    assert batch.features.shape == table.shape
    assert (batch.features != table).nnz == 0
    assert batch.labels.tolist() == list(range(300))
    assert np.array_equal(read(sparse(table), dense=True).features, table.toarray())


def test_rows_of_all_kinds_after_one_another_are_one_table():
    table = RANDOM.integers(0, 100, (40, 5))
    data = b"".join(
        (
            dense(table[:20].astype("float32")),
            dense(table[20:25].astype("float64")),
            dense(table[25:30]),
            sparse(csr_matrix(table[30:].astype("float32"))),
        )
    )
    assert np.array_equal(read(data, dense=True).dense(), table)


def test_the_first_of_other_features_is_named_where_there_are_no_values():
    with pytest.raises(Unreadable, match=r"features have no 'values' \(it has 'source', 'target'\)"):
        read(recordio.write([protobuf.write({"source": np.arange(3), "target": np.arange(2)})]))


def test_several_features_of_a_record_are_read_by_key():
    rows = [(np.arange(at), np.arange(2 * at, dtype="float32")) for at in range(30)]
    framed = recordio.write(protobuf.write({"in0": left, "in1": right}, uid=str(len(left))) for left, right in rows)
    found = next(recordio.frames(io.BytesIO(framed), "file"))
    parsed = records.parsed(found, "file")
    assert parsed.features["in0"].counts.tolist() == list(range(30))
    assert np.array_equal(parsed.features["in1"].values, np.concatenate([right for _, right in rows]))


def test_what_the_format_allows_and_few_write_is_read_too():
    def field(number, wire, data):
        return protobuf.varint(number << 3 | wire) + data

    def nested(number, data):
        return field(number, 2, protobuf.varint(len(data)) + data)

    unpacked = b"".join(field(1, 5, struct.pack("<f", value)) for value in (1.5, 2.5)) + nested(1, struct.pack("<f", 4))
    record = (
        nested(1, nested(2, nested(2, unpacked)) + nested(1, b"values")) + nested(9, b"unknown") + field(10, 0, b"\x05")
    )
    assert read(recordio.write([record])).features.tolist() == [[1.5, 2.5, 4.0]]


TABLE = np.arange(12, dtype="float32").reshape(4, 3)


@pytest.mark.parametrize(
    ("data", "wanted", "message"),
    [
        (dense(TABLE)[:-5], {}, r"record 4 \(byte 108\): The file ends within a RecordIO record, of whose 28 bytes"),
        (dense(TABLE)[:-33], {}, r"record 4 \(byte 108\): The file ends within a RecordIO header"),
        (b"1,2,3\n4,5,6\n", {}, r"record 1 \(byte 0\): .*does not start with the magic number.*content-type"),
        (dense(TABLE), {"columns": 4}, r"record 1 .*: The row has 3 features, but feature_dim is 4"),
        (dense(TABLE) + dense(TABLE[:, :2]), {}, r"record 5 .*: The row has 2 features, but the first row has 3"),
        (dense(TABLE), {"labels": 1}, r"record 1 .*: The record has no label, and the algorithm needs 1"),
        (recordio.write([b"no protobuf"]), {}, r"record 1 .*: Unable to parse record as aialgs.data.Record protobuf"),
        (recordio.write([b""]), {}, r"record 1 .*features have no 'values'"),
        (dense(np.where(TABLE == 7, np.nan, TABLE)), {}, r"record 3 .*: Value 2 of its features is NaN"),
        (sparse(csr_matrix(TABLE)), {"columns": 2}, r"record 1 .*: The row has 3 features, but feature_dim is 2"),
        (
            recordio.write([protobuf.write({"values": protobuf.Sparse([1.0], [9], 3)})]),
            {},
            r"record 1 .*: Key 9 is outside of the shape of 3 features",
        ),
        (recordio.write([protobuf.write({"values": b"jpeg"})]), {}, r"'values' is bytes"),
    ],
    ids=[
        "cut", "cut-in-header", "text", "feature-dim", "ragged", "no-label", "no-protobuf", "empty", "nan",
        "sparse-feature-dim", "key", "bytes",
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(data, wanted, message):
    with pytest.raises(Unreadable, match=message):
        read(data, **wanted)


WHOLE = [
    dense(RANDOM.normal(size=(40, 3)).astype("float32"), np.arange(40)),
    sparse(csr_matrix(random_array((20, 50), density=0.1, rng=RANDOM, dtype="float32")), np.arange(20.0)),
]


@given(
    st.sampled_from(range(len(WHOLE))),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3),
    st.integers(0),
)
def test_flipped_bytes_and_cut_files_are_read_or_refused_in_our_words(which, flips, cut):
    data = bytearray(WHOLE[which])
    for at, value in flips:
        data[at % len(data)] = value
    try:
        batch = read(bytes(data[: len(data) - cut % len(data)]), missing=True)
    except Unreadable:
        return
    assert len(batch) <= 60
