"""DeepAR's series: as they stand in files, and what is none."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.deepar.calendar import Frequency
from sagesmith.algorithms.deepar.series import Series, read
from sagesmith.algorithms.errors import CustomerError

DAY = Frequency(1, "D")
WHOLE = {"start": "2024-01-01 00:00:00", "target": [1, 2.5], "cat": [0, 3], "dynamic_feat": [[1, 2], [3, 4]]}


def given(folder: Path, **files: bytes) -> list[Series]:
    (folder / "train").mkdir()
    for name, content in files.items():
        (folder / "train" / name).write_bytes(content)
    return read(Source("train", folder / "train", "application/jsonlines"), DAY)


def test_missing_values_are_null_or_nan_in_json(tmp_path: Path) -> None:
    lines = [WHOLE, WHOLE | {"target": ["NaN", 2]}, WHOLE | {"target": [None, 2]}]
    found = given(tmp_path, a="\n".join(map(json.dumps, lines)).encode())
    assert [np.isnan(each.target).tolist() for each in found] == [[False, False], [True, False], [True, False]]
    assert found[0].features.tolist() == [[1, 2], [3, 4]]
    assert found[0].categories.tolist() == [0, 3]


def test_parquet_is_read_as_lines_are(tmp_path: Path) -> None:
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([WHOLE | {"target": [1.0, float("nan")]}]), file)
    (found,) = given(tmp_path, a=file.getvalue())
    assert np.isnan(found.target).tolist() == [False, True]
    assert found.features.tolist() == [[1, 2], [3, 4]]
    assert found.place == "file train/a, row 1"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"start": "2024-01-01 00:00:00+01:00"}, "has a time zone"),
        ({"start": "2024-01-01T00:00:00Z"}, "has a time zone"),
        ({"start": "2024-13-01"}, "'2024-13-01' is not a time such as '2009-11-01 00:00:00'"),
        ({"start": 20240101}, "20240101 is not a time"),
        ({"target": [1, True]}, "Value 2 of 'target' is True, not a number"),
        ({"target": [1, float("inf")]}, "Value 2 of 'target' is not a finite number"),
        ({"target": "12"}, "'target' must be a list of numbers"),
        ({"cat": [-1]}, "'cat' must be a list of integers from 0 on"),
        ({"cat": [0.5]}, "'cat' must be a list of integers from 0 on"),
        ({"dynamic_feat": [[1, "NaN"]]}, "Value 2 of 'dynamic_feat[0]' is 'NaN', not a number"),
        ({"dynamic_feat": [[1, 2], [3]]}, "All lists of 'dynamic_feat' must be of one length"),
        ({"dynamic_feat": 7}, "'dynamic_feat' must be a list of lists of numbers"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_is_no_series_is_refused_with_its_line(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    lines = [WHOLE, WHOLE | changed]
    with pytest.raises(CustomerError) as raised:
        given(tmp_path, a="\n".join(map(json.dumps, lines)).encode())
    assert message in str(raised.value)
    assert "file train/a, line 2" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Unable to read data channel 'train': it has no data"),
        (b"start,target\n", "The line is not JSON"),
        (b"[1, 2]\n", "A time series must be an object with start and target (file train/a, line 1)"),
        (b"\x1f\x8b cut", "The file is not whole"),
        (b"PAR1 cut", "The file is not Parquet"),
    ],
    ids=["empty", "csv", "list", "gzip", "parquet"],
)
def test_files_that_have_no_series_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CustomerError) as raised:
        given(tmp_path, a=content)
    assert message in str(raised.value)
