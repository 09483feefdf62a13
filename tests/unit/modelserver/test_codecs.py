import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sagesmith.modelserver.codecs import acceptable, decode, encode, media_type, to_array
from sagesmith.modelserver.errors import BadInput, HandlerFailed, NotAcceptable, UnsupportedInput


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ("text/csv", ["text/csv"]),
        ("*/*", ["application/json"]),
        ("application/*", ["application/json"]),
        ("text/csv;q=0.1, application/x-npy", ["application/x-npy", "text/csv"]),
        ("text/csv; charset=utf-8; q=0", []),
        ("text/csv;q=none", []),
        ("", []),
        (" TEXT/CSV , ,", ["text/csv"]),
    ],
)
def test_accept_is_read_best_first(header: str, kinds: list[str]) -> None:
    assert acceptable(header) == tuple(kinds)


def test_a_content_types_parameters_do_not_matter() -> None:
    assert media_type("Text/CSV; charset=utf-8") == "text/csv"


def test_a_type_without_a_codec_is_refused_before_the_body_is_looked_at() -> None:
    with pytest.raises(UnsupportedInput, match="image/png"):
        decode(b"", "image/png")
    with pytest.raises(NotAcceptable, match="image/png"):
        encode([1], "image/png")


def test_an_empty_body_is_bad_input() -> None:
    with pytest.raises(BadInput, match="empty"):
        decode("", "text/csv")


def test_a_prediction_that_json_does_not_know_fails_by_its_types_name() -> None:
    with pytest.raises(HandlerFailed, match="object"):
        encode(object(), "application/json")


def read_slowly(text: str) -> Any:
    """What a CSV body stands for by the rules of AWS's container, one cell after the other."""
    array = np.array([row for row in csv.reader(io.StringIO(text), strict=True) if row]).squeeze()
    try:
        return array.astype(np.float64)
    except ValueError:
        return array


def outcome(read: Callable[[str], Any], text: str) -> Any:
    try:
        array = read(text)
    except (ValueError, TypeError, csv.Error) as error:
        return type(error)
    return array.dtype.kind, array.shape, array.tobytes() if array.dtype.kind == "f" else array.tolist()


CELLS = st.one_of(
    st.floats(width=32).map(str),
    st.floats().map(repr),
    st.integers().map(str),
    st.text(alphabet="0123456789.eE+-_ \txXnaif", max_size=6),
    st.sampled_from(["", '"1"', "1_0", "0x1p3", "nan", "inf", "-Infinity", "é", "\u0661", "1\r", "#1"]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=4), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_csv_is_read_fast_as_it_is_read_cell_by_cell(rows: list[list[str]], newline: str) -> None:
    text = newline.join(",".join(row) for row in rows)
    assert outcome(lambda body: to_array(body, "text/csv"), text) == outcome(read_slowly, text)


@settings(max_examples=200, deadline=None)
@given(
    arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_]),
        array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=4),
    )
)
def test_csv_is_written_fast_as_the_csv_module_writes_it(array: Any) -> None:
    text = io.StringIO()
    rows = array.reshape(-1, 1) if array.ndim < 2 else array
    csv.writer(text, lineterminator="\n", strict=True).writerows(rows)
    assert encode(array, "text/csv") == (text.getvalue().encode(), "text/csv")
