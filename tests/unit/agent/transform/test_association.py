"""Filters, joins and inference ids, by the examples of AWS's page and at their edges."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.agent.transform.association import Association
from sagesmith.agent.transform.failures import ObjectFailed
from sagesmith.compute.base import Transform

STARTED_AT = 1_661_820_555.0


def association(content_type: str | None, **changes: Any) -> Association:
    members = {"content_type": content_type, "accept": content_type, "split": "Line", **changes}
    return Association(Transform("run", "s3://in/", "s3://out/", **members), STARTED_AT)


def sent(transform: Association, batch: bytes) -> bytes:
    return transform.prepare(batch).payload


def stored(transform: Association, batch: bytes, answer: bytes, content_type: str | None = None) -> bytes:
    return transform.finish(transform.prepare(batch), answer, content_type)


def test_without_data_processing_every_byte_goes_through() -> None:
    plain = association("text/csv")
    assert sent(plain, b"\xff\r\n\n") == b"\xff\r\n\n"
    assert stored(plain, b"x", b"\xfe") == b"\xfe"


def test_columns_are_left_out_and_joined() -> None:
    select = association("text/csv", input_filter="$[1:]", join_input=True, output_filter="$[0,-1]")
    batch = b'id-1,1,2\n"id, 2",3,4\n'
    assert sent(select, batch) == b"1,2\n3,4\n"
    assert stored(select, batch, b"0.5\n0.75\n") == b'id-1,0.5\n"id, 2",0.75'


def test_all_columns_are_followed_by_the_answer() -> None:
    assert stored(association("text/csv", join_input=True), b"1,2,3\n", b"1\n") == b"1,2,3,1"


ROWS = st.lists(
    st.lists(
        st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), min_size=1),
        min_size=2,
        max_size=4,
    ),
    min_size=1,
)


@given(ROWS)
def test_a_join_keeps_every_cell(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    answers = "".join(f"{number}\n" for number in range(len(rows)))
    joined = stored(association("text/csv", join_input=True), text.getvalue().encode(), answers.encode())
    assert list(csv.reader(io.StringIO(joined.decode()))) == [[*row, str(n)] for n, row in enumerate(rows)]


def test_an_object_gets_the_output_as_a_member() -> None:
    join = association("application/json", split="None", join_input=True)
    assert json.loads(stored(join, b'{"key": 1}', b'{"label": 1}')) == {"key": 1, "SageMakerOutput": {"label": 1}}


def test_what_is_no_object_becomes_one() -> None:
    join = association("application/json", split="None", join_input=True)
    assert json.loads(stored(join, b"[1, 2]", b"3")) == {"SageMakerInput": [1, 2], "SageMakerOutput": 3}


def test_a_document_may_stand_on_several_lines() -> None:
    join = association("application/json", join_input=True)
    assert json.loads(stored(join, b'{"a":1}\n', b'{\n  "label": 1\n}\n'))["SageMakerOutput"] == {"label": 1}


def test_json_lines_are_filtered_one_by_one() -> None:
    batch = b'{"id": 1, "features": [1, 2]}\n\n{"id": 2, "features": [3]}\n'
    select = association(
        "application/jsonlines",
        input_filter="$.features",
        join_input=True,
        output_filter="$['id','SageMakerOutput']",
    )
    assert sent(select, batch) == b"[1,2]\n[3]\n"
    lines = stored(select, batch, b'{"label": "\xc3\xa9"}\n{"label": 0}\n').split(b"\n")
    assert [json.loads(line) for line in lines] == [
        {"id": 1, "SageMakerOutput": {"label": "é"}},
        {"id": 2, "SageMakerOutput": {"label": 0}},
    ]


def test_an_output_filter_alone_looks_at_the_answer() -> None:
    choose = association("text/csv", accept="application/json", output_filter="$['class']")
    assert stored(choose, b"1,2\n3,4\n", b'{"class":1,"p":0.5}\n{"class":0,"p":0.1}\n') == b"1\n0"


def test_without_accept_the_answer_says_what_it_is() -> None:
    choose = association("text/csv", accept=None, output_filter="$[0]")
    assert stored(choose, b"1\n", b"7,8\n", "text/csv; charset=utf-8") == b"7"


def test_every_record_gets_an_id_of_its_own_and_the_time_of_the_job() -> None:
    identify = association("text/csv", inference_ids=True)
    rows = [line.split(",") for line in stored(identify, b"1\n2\n", b"0\n1\n").decode().split("\n")]
    assert [(row[0], row[2]) for row in rows] == [("0", "2022-08-30T00:49:15Z"), ("1", "2022-08-30T00:49:15Z")]
    assert len({row[1] for row in rows}) == 2
    found = json.loads(stored(association("application/jsonlines", inference_ids=True), b"1\n", b'{"output": 0}'))
    assert found.keys() == {"output", "SageMakerInferenceId", "SageMakerInferenceTime"}


@pytest.mark.parametrize(
    ("changes", "batch", "answer", "fault", "said"),
    [
        (
            {"join_input": True},
            b"1\n2\n",
            b"1\n",
            "AlgorithmError",
            "does not match the number of records in the input",
        ),
        ({"input_filter": "$[3]"}, b"1,2\n", b"", "ClientError", "there is no index 3"),
        ({"output_filter": "$[5:]"}, b"1\n", b"1,2\n", "ClientError", "there is no index 5"),
        ({"output_filter": "$.a"}, b"1\n", b"1,2\n", "ClientError", "OutputFilter"),
        ({"join_input": True}, b'"x\n', b"1\n", "ClientError", "Failed to parse the input as CSV"),
        ({"join_input": True}, b"\xff\n", b"1\n", "ClientError", "Failed to parse the input as CSV"),
        (
            {"content_type": "application/json", "accept": "application/json", "join_input": True},
            b"{}\n",
            b"oops",
            "AlgorithmError",
            "Failed to parse output from the algorithm as JSON",
        ),
        ({"accept": "image/png", "output_filter": "$[0]"}, b"1\n", b"x", "AlgorithmError", "Accept must be one of"),
    ],
    ids=["number", "input-index", "output-index", "output-name", "quotes", "utf-8", "json", "format"],
)
def test_what_does_not_fit_fails_the_object(
    changes: dict[str, Any], batch: bytes, answer: bytes, fault: str, said: str
) -> None:
    transform = association(changes.pop("content_type", "text/csv"), **changes)
    with pytest.raises(ObjectFailed) as raised:
        stored(transform, batch, answer)
    assert raised.value.fault == fault
    assert said in " ".join(raised.value.lines)
