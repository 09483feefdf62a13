"""JSONPath as batch transform jobs know it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.jsonpath import JsonPath, NotFound, PathInvalid

RECORD: dict[str, Any] = {
    "id": 7,
    "features": [1, 2, 3, 4],
    "who": {"name": "ada", "age": 36},
    "many": [{"a": 1}, {"a": 2}],
    "SageMakerOutput": {"label": 1},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ('$["id"]', 7),
        ("$.features", [1, 2, 3, 4]),
        ("$.features[0]", 1),
        ("$.features[-1]", 4),
        ("$.features[1:3]", [2, 3]),
        ("$.features[:-1]", [1, 2, 3]),
        ("$.features[2:]", [3, 4]),
        ("$.features[0,2]", [1, 3]),
        ("$.features[0,2:]", [1, 3, 4]),
        ("$.features[*]", [1, 2, 3, 4]),
        ("$.who.*", ["ada", 36]),
        ("$.who['name','age']", {"name": "ada", "age": 36}),
        ("$.who.['name','age']", {"name": "ada", "age": 36}),
        ("$['id','SageMakerOutput']", {"id": 7, "SageMakerOutput": {"label": 1}}),
        ("$['id', 'features']", {"id": 7, "features": [1, 2, 3, 4]}),
        ("$.many[*].a", [1, 2]),
        ("$.many[1].a", 2),
    ],
)
def test_an_expression_takes_a_part_of_a_record(path: str, found: Any) -> None:
    assert JsonPath.parse(path).select(RECORD) == found


@pytest.mark.parametrize(
    "path", ["", "id", "$.", "$..id", "$[", "$[]", "$[1:2:3]", "$[?(@.a)]", "$.a[b]", "$['a'", "$ .a", "$[1,]"]
)
def test_what_is_not_supported_is_refused(path: str) -> None:
    with pytest.raises(PathInvalid):
        JsonPath.parse(path)


@pytest.mark.parametrize(
    "path", ["$.nobody", "$['id','nobody']", "$.features[4]", "$.features[-5]", "$.features[4:]", "$.id[0]", "$.id.*"]
)
def test_what_a_record_has_not_is_an_error(path: str) -> None:
    with pytest.raises(NotFound):
        JsonPath.parse(path).select(RECORD)


@given(st.lists(st.text(), min_size=1), st.data())
def test_of_a_row_an_expression_takes_what_python_does(row: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(-len(row), len(row) - 1))
    start = data.draw(st.integers(-9, len(row) - 1))
    end = data.draw(st.integers(-9, 9))
    assert JsonPath.parse(f"$[{index}]").select_row(row) == [row[index]]
    assert JsonPath.parse(f"$[{start}:{end}]").select_row(row) == row[start:end]
    assert JsonPath.parse(f"$[{index},{start}:]").select_row(row) == [row[index], *row[start:]]
    assert JsonPath.parse("$").select_row(row) == row
