"""Channels as batches, in every format and mode."""

import io
import json
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyarrow import parquet

from sagesmith.algorithms.data import protobuf, recordio, text_csv
from sagesmith.algorithms.data.checks import Wanted
from sagesmith.algorithms.data.read import Source, batches, peek_columns, whole
from sagesmith.algorithms.errors import CustomerError, NoData

TABLE = np.arange(60, dtype="float32").reshape(15, 4)


def csv(table):
    return "".join(",".join(f"{each:g}" for each in row) + "\n" for row in table)


def channel(folder, content_type, files, **options):
    """A channel with these files."""
    root = folder / "train"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    root.mkdir(exist_ok=True)
    return Source("train", root, content_type, **options)


def test_files_are_read_in_the_order_of_their_paths_without_hidden_ones_and_markers(tmp_path):
    source = channel(
        tmp_path,
        "text/csv;label_size=0",
        {"b.csv": csv(TABLE[10:]), "a/2.csv": csv(TABLE[5:10]), "a/1.csv": csv(TABLE[:5]), ".x": "?", "_SUCCESS": ""},
    )
    found = list(batches(source, rows=4))
    assert [len(each) for each in found] == [4, 4, 4, 3]
    assert np.array_equal(np.concatenate([each.features for each in found]), TABLE)


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; label_size=1", "text/csv;charset=utf-8;label_size=1"])
def test_the_first_column_of_csv_is_the_label_unless_the_content_type_says_otherwise(tmp_path, content_type):
    batch = whole(channel(tmp_path, content_type, {"part": csv(TABLE)}))
    assert np.array_equal(batch.labels, TABLE[:, 0])
    assert np.array_equal(batch.features, TABLE[:, 1:])


def test_several_label_columns_are_labels_of_several_columns(tmp_path):
    batch = whole(channel(tmp_path, "text/csv;label_size=2", {"part": csv(TABLE)}))
    assert np.array_equal(batch.labels, TABLE[:, :2])


def test_csv_is_taken_quoted_signed_spaced_with_other_line_ends_and_without_the_last(tmp_path):
    text = '\ufeff"1.5", +2 ,3e2\r\n\r\n-4,.5,"6"\n   \n7,8,9'
    batch = whole(channel(tmp_path, "text/csv;label_size=0", {"part": text}))
    assert batch.features.tolist() == [[1.5, 2, 300], [-4, 0.5, 6], [7, 8, 9]]


def test_missing_cells_are_nan_where_they_may_be(tmp_path):
    source = channel(tmp_path, "text/csv", {"part": "1,,3\n0,nan,\n"})
    assert np.array_equal(whole(source, missing=True).features, [[np.nan, 3], [np.nan, np.nan]], equal_nan=True)


def test_libsvm_is_sparse_with_indices_as_they_are(tmp_path):
    source = channel(tmp_path, "text/libsvm", {"a": "1 0:1.5 3:2\n\n-1\n", "b": "0 5:7 \n"})
    assert peek_columns(source) == 6
    batch = whole(source)
    assert batch.labels.tolist() == [1, -1, 0]
    assert batch.features.toarray().tolist() == [[1.5, 0, 0, 2, 0, 0], [0] * 6, [0, 0, 0, 0, 0, 7]]


def test_libsvm_is_taken_with_weights_comments_and_tabs(tmp_path):
    batch = whole(channel(tmp_path, "text/libsvm", {"a": "1:0.5\t1:2 # first\n# none\n0 0:1\n"}))
    assert batch.weights.tolist() == [0.5, 1]
    assert batch.features.toarray().tolist() == [[0, 2], [1, 0]]


def test_parquet_has_its_label_first(tmp_path):
    batch = whole(channel(tmp_path, "application/x-parquet", {"a": parquet_of(TABLE)}))
    assert np.array_equal(batch.labels, TABLE[:, 0])
    assert np.array_equal(batch.features, TABLE[:, 1:])


def test_json_lines_are_taken_in_every_layout(tmp_path):
    lines = (
        '{"features": [1, 2.5], "label": 3}\n'
        '{"data": {"features": {"values": [4, 5]}}, "label": 6}\n\n'
        '{"data": {"features": {"keys": [1], "shape": [2], "values": [7]}}, "label": 0}\n'
    )
    batch = whole(channel(tmp_path, "application/jsonlines", {"a": lines}), labels=1, dense=True)
    assert batch.features.tolist() == [[1, 2.5], [4, 5], [0, 7]]
    assert batch.labels.tolist() == [3, 6, 0]


@pytest.mark.parametrize("wrapper", ["None", "RecordIO"])
def test_a_pipe_gives_each_epoch_once_wrapped_or_not(tmp_path, wrapper):
    source = channel(tmp_path, "text/csv;label_size=0", {}, mode="Pipe", record_wrapper=wrapper)
    objects = [csv(TABLE[:7]).encode(), csv(TABLE[7:])[:-1].encode()]
    content = recordio.write(objects) if wrapper == "RecordIO" else b"".join(objects)
    for epoch in range(2):
        fifo = tmp_path / f"train_{epoch}"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(content,))
        writer.start()
        found = np.concatenate([each.features for each in batches(source, rows=4, epoch=epoch)])
        writer.join()
        assert np.array_equal(found, TABLE)


def test_protobuf_streams_through_a_pipe(tmp_path):
    source = channel(tmp_path, "application/x-recordio-protobuf", {}, mode="Pipe")
    os.mkfifo(tmp_path / "train_0")
    content = recordio.write(protobuf.write({"values": row}) for row in TABLE)
    writer = threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(content,))
    writer.start()
    assert np.array_equal(whole(source).features, TABLE)
    writer.join()


def test_rows_are_shuffled_by_seed_and_epoch_and_stay_with_their_labels(tmp_path):
    source = channel(tmp_path, "text/csv", {name: csv(TABLE[at * 5 : at * 5 + 5]) for at, name in enumerate("abc")})

    def order(epoch, seed=3):
        found = list(batches(source, rows=4, epoch=epoch, shuffle_seed=seed))
        labels = np.concatenate([each.labels for each in found])
        assert np.array_equal(np.concatenate([each.features for each in found])[:, 0], labels + 1)
        return labels.tolist()

    assert order(0) == order(0)
    assert len({tuple(order(0)), tuple(order(1)), tuple(order(0, 4))}) == 3
    assert sorted(order(0)) == TABLE[:, 0].tolist()


@pytest.mark.parametrize(
    ("files", "columns"),
    [({"a": "1,2,3\n"}, 2), ({"a": "1,2\n1,2,x\n"}, 1)],
)
def test_the_first_row_tells_how_many_features_there_are(tmp_path, files, columns):
    assert peek_columns(channel(tmp_path, "text/csv", files)) == columns


CSV = "text/csv"
RECORDIO = "application/x-recordio-protobuf"


@pytest.mark.parametrize(
    ("content_type", "files", "columns", "message"),
    [
        (CSV, {"a.csv": "1,2,3\n4,abc,6\n"}, None, "file train/a.csv, line 2, column 2: 'abc' is not a number"),
        (CSV, {"a": "1,2\n", "b": "\n1,2\n\n3\n"}, None, "file train/b, line 4: The row has 1 column, and no features"),
        (CSV, {"a": "1,2,3\n1,2\n"}, None, "file train/a, line 2: The row has 1 column for features and 1 for labels"),
        (CSV, {"a": "1,2,3\n"}, 5, "file train/a, line 1: The row has 2 columns for features .*, but feature_dim is 5"),
        (CSV, {"a": "1,2,3\n", "b": "1,2,3,4\n"}, None, "file train/b, line 1: .* but the first row has 2"),
        (CSV, {"a": "age,income\n1,2\n"}, None, "line 1, column 1: 'age' is not a number. It looks like a header row"),
        (CSV, {"a": "1,nan\n"}, None, "line 1, column 2: 'nan' is not allowed"),
        (CSV, {"a": "1,\n"}, None, "line 1, column 2: The cell is empty"),
        (CSV, {"a": "1,inf\n"}, None, "line 1, column 2: 'inf' is infinite"),
        (CSV, {"a": "1,1e39\n"}, None, "line 1, column 2: '1e39' is infinite, or too large for 32 bits"),
        (CSV, {"a": "1,1_0\n"}, None, "line 1, column 2: '1_0' is not a number"),
        (CSV, {"a": '1,"2\n3,4\n'}, None, "file train/a, line 1, column 2: "),
        (CSV, {"a": b"1,\xff2\n"}, None, "file train/a, line 1: Byte 0xff is not UTF-8 text"),
        (CSV, {"a": recordio.write([b"\xff"])}, None, r"it looks like RecordIO \(application/x-recordio-protobuf\)"),
        (CSV, {"a": "1,2\n", "b": ""}, None, "file train/b: The file is empty"),
        (CSV, {}, None, "channel 'train': it has no data"),
        ("text/csv;label_size=x", {"a": "1,2\n"}, None, "label_size of content type"),
        ("image/png", {"a": "1"}, None, r"No iterator has been registered for ContentType \('image/png', '1.0'\)"),
        ("text/libsvm", {"a": "1 1:2\n0 1:x\n"}, None, "file train/a, line 2, column 2: 'x' is not a number"),
        ("text/libsvm", {"a": "1 1:2\n\n0 7:1\n"}, 3, "line 3: Index 7 is outside of the features: feature_dim is 3"),
        ("text/libsvm", {"a": "1,2,3\n"}, None, "file train/a, line 1, column 1: '1,2,3' is not a number"),
        ("text/libsvm", {"a": "1 2 3\n"}, None, "line 1, column 2: '2' is not of the form index:value"),
        ("text/libsvm", {"a": "1 2:nan\n"}, None, "file train/a, line 1: Value 3 of its features is NaN"),
        ("application/x-parquet", {"a": "1,2,3\n"}, None, "file train/a: The file is not Parquet"),
        ("application/jsonlines", {"a": '{"features": [1]}\n{"features"'}, None, "line 2, character 12: .*not JSON"),
        ("application/jsonlines", {"a": '{"features": [1, "x"]}'}, None, "column 2: \"x\" in 'features' is"),
        (RECORDIO, {"a": "1,2,3\n"}, None, "file train/a, record 1 .*magic number"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_line_and_column(tmp_path, content_type, files, columns, message):
    with pytest.raises(CustomerError, match=message):
        whole(channel(tmp_path, content_type, files), columns=columns)


def parquet_of(table):
    target = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({str(at): column for at, column in enumerate(table.T)}), target)
    return target.getvalue().to_pybytes()


WRITTEN = {
    "text/csv": lambda table: "\n".join(",".join(map(str, row)) for row in table).encode(),
    "application/x-parquet": parquet_of,
    "application/jsonlines": lambda table: b"".join(
        json.dumps({"features": row[1:].tolist(), "label": float(row[0])}).encode() + b"\n" for row in table
    ),
    "text/libsvm": lambda table: "\n".join(
        f"{row[0]} " + " ".join(f"{at}:{each}" for at, each in enumerate(row[1:])) for row in table
    ).encode(),
    RECORDIO: lambda table: recordio.write(
        protobuf.write({"values": row[1:]}, {"values": row[:1]}) for row in table
    ),
}  # fmt: skip


@given(
    st.sampled_from(sorted(WRITTEN)),
    arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(2, 6)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    ),
    st.integers(1, 50),
)
def test_numbers_of_every_format_are_read_to_the_last_bit(content_type, table, rows):
    with tempfile.TemporaryDirectory() as folder:
        source = channel(Path(folder), content_type, {"part": WRITTEN[content_type](table)})
        found = list(batches(source, rows=rows, labels=1, dense=True))
    assert all(len(each) == rows for each in found[:-1])
    assert np.array_equal(np.concatenate([each.labels for each in found]), table[:, 0])
    assert np.array_equal(np.concatenate([each.dense() for each in found]), table[:, 1:])


@given(
    st.sampled_from(sorted(WRITTEN)),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3),
    st.integers(0),
)
def test_flipped_bytes_and_cut_files_are_read_or_refused_in_our_words(content_type, flips, cut):
    data = bytearray(WRITTEN[content_type](TABLE))
    for at, value in flips:
        data[at % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        source = channel(Path(folder), content_type, {"part": bytes(data[: len(data) - cut % len(data)])})
        for columns in (3, None):
            try:
                batch = whole(source, labels=1, columns=columns)
            except CustomerError:
                continue
            assert batch.columns == columns or columns is None


_CELLS = st.sampled_from(
    [
        *("1", "-2.5", "+1", "1e5", "1.", ".5", "3.4028235e38", "1e39", "1e-400", "0x1", "1_0", "", " ", "nan", "-nan"),
        *("nan(1)", "+nan", "inf", "x", '"1"', '" 2"', '""', " 1", "1\t", "1\0", "\ufeff1", "٣", '4"', "0" * 400 + "7"),
    ]
)


@given(
    st.lists(st.lists(_CELLS, min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1),
)
@example([["1", "nan(1)"]], "\n", True, True, 0)
@example([["1"], ['""']], "\n", True, True, 0)
def test_no_reader_of_csv_takes_what_is_refused_cell_by_cell(rows, end, last, missing, labels):
    data = (end.join(",".join(row) for row in rows) + end * last).encode()

    def read():
        try:
            found = list(text_csv.batches(io.BytesIO(data), "f", Wanted(labels, missing=missing)))
        except CustomerError as error:
            return str(error)
        return [(each.features.tolist(), each.labels is not None and each.labels.tolist()) for each in found]

    found = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_csv, "_plain", lambda *_: None)
        patch.setattr(text_csv, "_fast", lambda *_: None)
        # As text: NaN is not itself.
        assert str(read()) == str(found)


@pytest.mark.parametrize(("files", "empty"), [({"a.csv": " \n"}, True), ({"a.csv": "1,2\n", "b.csv": ""}, False)])
def test_a_channel_without_rows_is_told_from_one_with_an_empty_file(tmp_path, files, empty):
    with pytest.raises(CustomerError, match="The file is empty") as caught:
        whole(channel(tmp_path, "text/csv", files))
    assert isinstance(caught.value, NoData) == empty


def test_rows_with_values_missing_are_read_as_fast_as_others(tmp_path, monkeypatch):
    source = channel(tmp_path, "text/csv", {"a.csv": "1,,3\n2,NaN,4\n"})
    monkeypatch.setattr(text_csv, "_exactly", lambda *_: pytest.fail("read cell by cell"))
    assert np.array_equal(whole(source, missing=True).features, [[np.nan, 3], [np.nan, 4]], equal_nan=True)


@pytest.mark.parametrize("row", ["1,,inf", ",,3", "nan,2,3", "1,,1e39"])
def test_what_is_wrong_beside_a_missing_value_is_found(tmp_path, row):
    with pytest.raises(CustomerError, match=r"line 2, column"):
        whole(channel(tmp_path, "text/csv", {"a.csv": f"1,,3\n{row}\n"}), missing=True)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("1,2\n3,4", [[1, 2], [3, 4]]),
        ("1e+05,-1e-3\n+1,.5\n", [[1e5, -1e-3], [1, 0.5]]),
        ("1,2\n\n3,4\n", None),
        ("1, 2\n", None),
        ("1,\n", None),
        ("1,x\n", None),
        ("1,1_0\n", None),
        ("1,2,3\n4\n", None),
    ],
)
def test_plain_lines_are_cut_into_numbers_and_all_others_are_left_to_other_readers(text, table):
    found = text_csv._plain(text.encode(), 2)
    assert found is None if table is None else np.array_equal(found, np.float32(table))


def test_lines_that_several_threads_cut_are_in_their_order(monkeypatch):
    monkeypatch.setattr(text_csv, "_PART_BYTES", 100)
    rows = np.arange(2000, dtype=np.float32).reshape(-1, 2)
    assert np.array_equal(text_csv._plain(csv(rows).encode(), 2), rows)
