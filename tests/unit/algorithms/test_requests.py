"""Requests decoded and answers encoded."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.algorithms.data import protobuf, recordio, records
from sagesmith.algorithms.data.decode import decode
from sagesmith.algorithms.data.encode import encode
from sagesmith.algorithms.errors import BadRequest, UnsupportedAccept, UnsupportedContentType

TABLE = [[1.5, 16.0], [14.0, 23.0]]
SPARSE = '{"data": {"features": {"keys": [0, 1], "shape": [2], "values": [1.5, 16]}}}'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("1.5,16\n14,23", "text/csv"),
        ("1.5,16.0\r\n14,23\r\n", "text/csv"),
        ('"1.5",16.0\n14,23\n', "text/csv; charset=utf-8"),
        ('{"instances": [{"features": [1.5, 16]}, {"features": [14, 23]}]}', "application/json"),
        ('{"instances": [{"data": {"features": {"values": [1.5, 16]}}}, {"features": [14, 23]}]}', "application/json"),
        (f'{{"instances": [{SPARSE}, {{"features": [14, 23]}}]}}', "application/json"),
        ('{"features": [1.5, 16]}\n{"data": {"features": {"values": [14, 23]}}}\n', "application/jsonlines"),
        (f'{SPARSE}\n{{"features": [14, 23]}}', "application/jsonlines"),
        ("0 0:1.5 1:16\n0 0:14 1:23\n", "text/libsvm"),
        (recordio.write(protobuf.write({"values": np.array(row)}) for row in TABLE), "application/x-recordio-protobuf"),
    ],
    ids=range(10),
)
def test_rows_come_out_of_every_content_type(body, content_type):
    batch = decode(body.encode() if isinstance(body, str) else body, content_type, 2)
    assert batch.features.tolist() == TABLE
    assert batch.features.dtype == np.float32


def test_protobuf_of_other_layouts_and_one_length_is_told_apart_from_request_to_request():
    wide = recordio.write([protobuf.write({"values": np.arange(4, dtype="float32")})])
    double = recordio.write([protobuf.write({"values": np.arange(2.0)})])
    named = recordio.write([protobuf.write({"valuez": np.arange(4, dtype="float32")})])
    kind = "application/x-recordio-protobuf"
    assert len(wide) == len(double) == len(named)
    for _ in range(2):
        assert decode(wide, kind, None).features.tolist() == [[0, 1, 2, 3]]
        assert decode(double, kind, None).features.tolist() == [[0, 1]]
        with pytest.raises(BadRequest, match="have no 'values'"):
            decode(named, kind, None)
    with pytest.raises(BadRequest, match=r"record 2 .*: The row has 2 features, but the first row has 4"):
        decode(wide + double, kind, None)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ("1,2,3", "text/csv", "the request, line 1: The row has 3 columns for features, but the model takes 2"),
        (
            "1,2\n1,x",
            "text/csv",
            "Unable to evaluate payload provided: the request, line 2, column 2: 'x' is not a number",
        ),
        ("1,nan", "text/csv", "line 1, column 2: 'nan' is not allowed"),
        ("", "text/csv", "the request has no rows"),
        ("{}", "application/json", "an object with a list of 'instances'"),
        ("[1", "application/json", "the request, character 3: The text is not JSON"),
        ('{"instances": []}', "application/json", "the request has no rows"),
        (
            '{"instances": [{"features": [1, 2]}, {"x": 1}]}',
            "application/json",
            "the request, instance 2: An instance is ",
        ),
        ('{"instances": [{"features": [1, null]}]}', "application/json", "instance 1, column 2: null in 'features'"),
        ('{"instances": [{"features": [true, 1]}]}', "application/json", "instance 1, column 1: true in 'features'"),
        ('{"features": [1]}', "application/jsonlines", "line 1: The row has 1 feature, but the model takes 2"),
        ("1,2", "application/x-recordio-protobuf", "the request, record 1"),
    ],
    ids=range(12),
)
def test_a_bad_request_is_told_where_it_is_wrong(body, content_type, message):
    with pytest.raises(BadRequest, match=message):
        decode(body.encode(), content_type, 2)


def test_other_content_types_are_refused_by_a_list_of_those_that_there_are():
    with pytest.raises(UnsupportedContentType, match=r"image/png is not supported\. Supported types: text/csv"):
        decode(b"", "image/png", 2)
    with pytest.raises(UnsupportedAccept, match="Accept type image/png is not supported"):
        encode([], "image/png")


PREDICTIONS = [
    {"predicted_label": 1.0, "score": [np.float32(0.25), 0.75]},
    {"predicted_label": np.int64(0), "score": np.array([1.0, 0.0])},
]


def test_answers_are_written_as_the_documentation_has_them():
    plain = [{"predicted_label": 1.0, "score": [0.25, 0.75]}, {"predicted_label": 0, "score": [1.0, 0.0]}]
    body, kind = encode(PREDICTIONS, "application/json")
    assert (json.loads(body), kind) == ({"predictions": plain}, "application/json")
    body, _ = encode(PREDICTIONS, "application/jsonlines")
    assert [json.loads(line) for line in body.splitlines()] == plain
    assert encode(PREDICTIONS, "text/csv") == (b"1.0,0.25,0.75\n0,1.0,0.0\n", "text/csv")


def test_an_answer_in_protobuf_has_its_members_as_labels():
    body, _ = encode(PREDICTIONS, "application/x-recordio-protobuf")
    found = records.parsed(next(recordio.frames(io.BytesIO(body), "answer")), "answer")
    assert found.count == 2
    assert found.labels["predicted_label"].values.tolist() == [1, 0]
    assert found.labels["score"].values.tolist() == [0.25, 0.75, 1, 0]


BODIES = [
    (b"1.5,2\n3,4\n", "text/csv"),
    (f'{{"instances": [{{"features": [1, 2]}}, {SPARSE}]}}'.encode(), "application/json"),
    (b'{"features": [1, 2]}\n{"features": {"values": [1, 2]}}\n', "application/jsonlines"),
    (b"0 0:1 1:2\n1 1:3\n", "text/libsvm"),
    (recordio.write(protobuf.write({"values": np.array(row)}) for row in TABLE), "application/x-recordio-protobuf"),
]  # fmt: skip


@given(
    st.sampled_from(range(len(BODIES))),
    st.lists(st.tuples(st.integers(0), st.sampled_from(b'0129.,:-+e"[]{} \n\r\t\x00\xff')), max_size=4),
    st.integers(0),
)
def test_flipped_bytes_and_cut_requests_are_read_or_refused_in_our_words(which, flips, cut):
    data, content_type = bytearray(BODIES[which][0]), BODIES[which][1]
    for at, value in flips:
        data[at % len(data)] = value
    for columns in (2, None):
        try:
            batch = decode(bytes(data[: len(data) - cut % len(data)]), content_type, columns)
        except BadRequest:
            continue
        assert np.isfinite(batch.features).all()


@pytest.mark.parametrize("shape", [[2**31 - 1] * 2, [2**31 - 1] * 40, [2] * 100_000], ids=("two", "infinite", "many"))
def test_a_shape_that_nobody_has_is_refused(shape):
    tensor = {"keys": [0], "values": [1], "shape": shape}
    with pytest.raises(BadRequest, match="instance 1: 'shape' is too large"):
        decode(json.dumps({"instances": [{"data": {"features": tensor}}]}).encode(), "application/json", 2)
