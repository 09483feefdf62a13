"""The channels of JumpStart's tabular algorithms: what is read of them, and what is refused."""

import io
import json
from pathlib import Path

import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.log import Log
from sagesmith.algorithms.tabular import data


def job(root: Path, files: dict[str, str], channels: tuple[str, ...] = ("training",)) -> Job:
    """A job whose channels lie side by side in `root`; files are named by channel and path."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    sources = {name: Source(name, root / name, "text/csv") for name in channels}
    log = Log("algo-1", "LightGBM", io.StringIO())
    return Job(catalogue.algorithm("lightgbm"), {}, {}, sources, ("algo-1",), "algo-1", root, log)


def test_folders_of_one_channel_are_training_and_validation_data(tmp_path: Path) -> None:
    files = {
        "training/train/a.csv": "7,1,2\n3,3,4\n",
        "training/validation/a.csv": "3,5,6\n",
        "training/categorical_index.json": json.dumps({"cat_index_list": [2]}),
    }
    table = data.read(job(tmp_path, files))
    assert table.classes == (3, 7)
    assert table.train.labels.tolist() == [1, 0]
    assert table.validation.features.tolist() == [[5, 6]]
    assert table.categories == (1,)


def test_a_category_that_is_no_csv_is_the_word_that_it_is(tmp_path: Path) -> None:
    files = {
        "training/a.csv": '0,a\n1,"b"\rc\n' * 5,
        "training/categorical_index.json": json.dumps({"cat_index_list": [1]}),
    }
    table = data.read(job(tmp_path, files))
    assert table.words == {0: ['"b"\rc', "a"]}
    assert table.train.features[:, 0].tolist() == [1 - each for each in table.train.labels]


def test_categories_whose_numbers_32_bits_do_not_tell_apart_stay_apart(tmp_path: Path) -> None:
    files = {
        "training/a.csv": "0,123456789\n1,123456790\n" * 5,
        "training/categorical_index.json": json.dumps({"cat_index_list": [1]}),
    }
    table = data.read(job(tmp_path, files))
    assert table.train.features[:, 0].tolist() == table.train.labels.tolist()


def test_a_fifth_is_held_out_where_there_are_no_validation_data(tmp_path: Path) -> None:
    table = data.read(job(tmp_path, {"train/a.csv": "".join(f"{row % 2},{row}\n" for row in range(50))}, ("train",)))
    assert (len(table.train), len(table.validation)) == (40, 10)
    assert not set(table.train.features[:, 0]) & set(table.validation.features[:, 0])


def test_the_target_of_a_regression_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGESMITH_REPOSITORY", "lightgbm-regression-model")
    files = {"train/a.csv": "1.5,1\n2.5,\n", "validation/a.csv": "9,1\n"}
    table = data.read(job(tmp_path, files, ("train", "validation")))
    assert table.classes is None
    assert table.train.labels.tolist() == [1.5, 2.5]


def test_one_channel_of_training_data_is_needed(tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match="Exactly one of the channels 'training' and 'train'"):
        data.read(job(tmp_path, {}, ("validation",)))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train/a.csv": "0,1\n1,x\n"}, "file training/a.csv, line 2, column 2"),
        ({"train/a.csv": "y,x\n1,2\n"}, "header"),
        ({"train/a.csv": "1,2\n1,3\n"}, "has one value alone"),
        ({"train/a.csv": ""}, "it has no CSV files with rows"),
        ({"train/a.csv": "0,1\n1,2\n", "validation/a.csv": "3,1\n"}, "which the training data have not"),
        ({"train/a.csv": "0,1\n1,2\n", "validation/a.csv": "1,2,3\n"}, "the training data have 1"),
        (
            {"a.csv": "0,1\n1,2\n", "categorical_index.json": '{"cat_index_list": [0]}'},
            "numbers of columns from 1 on",
        ),
        (
            {"a.csv": "0,1\n1,2\n", "categorical_index.json": '{"cat_index_list": [2]}'},
            "numbers of columns from 1 to 1",
        ),
    ],
    ids=["text", "header", "one class", "empty", "label", "columns", "target", "categories"],
)
def test_data_that_are_wrong_are_refused_with_their_place(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(CustomerError) as caught:
        data.read(job(tmp_path, {f"training/{name}": content for name, content in files.items()}))
    assert words in str(caught.value)
