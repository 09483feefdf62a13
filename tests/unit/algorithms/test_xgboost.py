"""XGBoost's hyperparameters, requests and answers, as far as they need no XGBoost."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, LIBSVM, RECORDIO
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.xgboost import answers, requests, tables
from sagesmith.algorithms.xgboost.hyperparameters import SCHEMA

SOFTPROB = np.array([[0.5, 0.25, 0.25]], np.float32)


def read(**given: object) -> dict[str, Any]:
    return SCHEMA.read({"num_round": "1", **{name: str(value) for name, value in given.items()}})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class'"),
        ({"objective": "reg:quantileerror"}, "Require input for parameter 'quantile_alpha'"),
        ({"objective": "reg:quantileerror", "quantile_alpha": "[0.5, 1.5]"}, "a number between 0 and 1"),
        ({"eval_metric": "auc", "objective": "reg:squarederror"}, "Metric 'auc' can only be applied"),
        ({"eval_metric": "aft-nloglik"}, "Metric 'aft-nloglik' can only be applied"),
        ({"eval_metric": "rmse@2"}, "Metric 'rmse@2' is not supported"),
        ({"eval_metric": "ndcg@x"}, "Threshold value 't' in 'ndcg@t' expects float input"),
        ({"monotone_constraints": "(1,0)"}, "monotone_constraints can be used only when"),
        ({"monotone_constraints": "(1,2)", "tree_method": "hist"}, "it must be a tuple of -1, 0 and 1"),
        ({"interaction_constraints": "[[0,1]]"}, "interaction_constraints can be used only when"),
        ({"interaction_constraints": "__import__('os')", "tree_method": "hist"}, "could not parse value"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "only one tree grow plugin"),
        ({"updater": "shotgun"}, "gblinear takes one of"),
        ({"subsample": "0"}, "less than or equal to the exclusive minimum of 0"),
        ({"eta": "0.1", "learning_rate": "0.2"}, "'learning_rate' is another name of 'eta'"),
        ({"depth": "3"}, "'depth' was unexpected"),
    ],
)
def test_hyperparameters_that_do_not_go_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(CustomerError, match=r"Failed to validate hyperparameters") as caught:
        read(**given)
    assert words in str(caught.value)


def test_hyperparameters_have_the_other_names_that_the_container_knows() -> None:
    values = read(learning_rate=0.5, reg_alpha=2, min_split_loss=3, reg_lambda=4)
    assert (values["eta"], values["alpha"], values["gamma"], values["lambda"]) == (0.5, 2, 3, 4)


def test_lists_of_hyperparameters_are_read() -> None:
    values = read(eval_metric="error@0.3, auc", objective="binary:logistic", updater="grow_colmaker,prune")
    assert values["eval_metric"] == ["error@0.3", "auc"]
    assert values["updater"] == "grow_colmaker,prune"


def test_a_cell_without_a_value_is_a_missing_one() -> None:
    rows = requests.rows(b"1,,3\n4,5,6\n", CSV, CSV, 3)
    assert np.array_equal(rows, np.array([[1, np.nan, 3], [4, 5, 6]], np.float32), equal_nan=True)


def test_the_separator_of_csv_is_found_out() -> None:
    assert requests.rows(b"1;2.5;3\n", CSV, CSV, 3).tolist() == [[1, 2.5, 3]]


def test_libsvm_may_have_labels_and_lacks_what_is_missing() -> None:
    rows = requests.rows(b"1 0:2 2:3\n1:4\n", LIBSVM, LIBSVM, 4)
    assert rows.shape == (2, 4)
    assert rows.toarray().tolist() == [[2, 0, 3, 0], [0, 4, 0, 0]]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", CSV, "it has no rows"),
        (b"1,2\n", CSV, "Feature size of csv inference data 2 is not consistent"),
        (b"1,2,3\n1,2,x\n", CSV, "line 2, column 3: 'x' is not a number"),
        (b"7:1\n", LIBSVM, "Feature size of libsvm inference data 8 is larger"),
        (b"1:2 1=3\n", LIBSVM, "line 1, column 2: '1=3' is not of the form"),
    ],
)
def test_requests_that_are_not_what_they_say_are_refused(body: bytes, kind: str, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        requests.rows(body, kind, kind, 3)
    assert words in str(caught.value)


def test_answers_are_in_one_line_of_csv_and_in_a_batch_in_a_line_each() -> None:
    numbers = np.array([0.5, 0.25], np.float32)
    assert answers.encode(numbers, CSV, False) == b"0.5,0.25"
    assert answers.encode(numbers, CSV, True) == b"0.5\n0.25\n"
    assert answers.encode(SOFTPROB, CSV, False) == b"[0.5, 0.25, 0.25]"
    assert answers.encode(numbers, JSON, False) == b"[0.5, 0.25]"
    assert answers.encode(numbers, JSON_LINES, False).splitlines() == [b'{"score": 0.5}', b'{"score": 0.25}']


def test_what_is_selected_of_classes_is_answered_in_its_order() -> None:
    keys = ("predicted_label", "labels", "probability", "probabilities", "predicted_score")
    (found,) = answers.select(SOFTPROB, keys, "multi:softprob", 3)
    assert math.isnan(found.pop("predicted_score"))
    assert found == {
        "predicted_label": 0,
        "labels": [0, 1, 2],
        "probability": 0.5,
        "probabilities": [0.5, 0.25, 0.25],
    }
    assert answers.encode_selected([found], keys[:4], CSV, False) == b'0,"[0, 1, 2]",0.5,"[0.5, 0.25, 0.25]"'
    assert answers.encode_selected([found], keys[:4], RECORDIO, False)


def test_binary_answers_have_the_probabilities_of_both_classes() -> None:
    (found,) = answers.select(np.array([0.75], np.float32), ("probabilities", "predicted_label"), "binary:logistic", 0)
    assert found == {"probabilities": [0.25, 0.75], "predicted_label": 1}


def test_nothing_can_be_selected_of_rankings() -> None:
    with pytest.raises(CustomerError, match="`rank:ndcg` unsupported for selectable inference"):
        answers.check("rank:ndcg")


def channel(folder: Path, content: str, content_type: str) -> Source:
    (folder / "part.csv").write_text(content)
    return Source("train", folder, content_type)


@pytest.mark.parametrize(
    ("content", "content_type", "words"),
    [
        ("a,b\n1,2\n", "text/csv", "header"),
        ("1,2\n1,x\n", "text/csv", "file train/part.csv, line 2, column 2"),
        ("1,2\n", "text/csv;label_size=0", "Optional parameter label_size must be equal to 1"),
        ("1 1:2 1=3\n", "libsvm", "file train/part.csv, line 1"),
        ("1,2\n", "csv", "a row has a label, a weight and features; it has 2 columns"),
    ],
    ids=["header", "text", "no label", "libsvm", "no weight"],
)
def test_data_that_are_wrong_are_refused_with_their_place(
    tmp_path: Path, content: str, content_type: str, words: str
) -> None:
    with pytest.raises(CustomerError) as caught:
        tables.read(channel(tmp_path, content, content_type), weighted=True)
    assert words in str(caught.value)


def test_weights_are_the_second_column_and_empty_cells_are_missing(tmp_path: Path) -> None:
    rows = tables.read(channel(tmp_path, "1,2,3,\n4,5,6,7\n", "csv"), weighted=True)
    assert rows.labels.tolist() == [1, 4]
    assert rows.weights.tolist() == [2, 5]
    assert np.array_equal(rows.features, np.array([[3, np.nan], [6, 7]], np.float32), equal_nan=True)


@pytest.mark.parametrize(
    ("objective", "labels", "words"),
    [
        ("binary:logistic", [0, 2], "label must be in [0,1] for logistic regression: row 2"),
        ("multi:softmax", [0, 3], "label must be in [0, num_class): row 2"),
        ("multi:softmax", [0.5, 1], "label must be in [0, num_class): row 1"),
        ("count:poisson", [1, -1], "label must be nonnegative: row 2"),
    ],
)
def test_labels_that_the_objective_cannot_have_are_refused(objective: str, labels: list[float], words: str) -> None:
    with pytest.raises(CustomerError) as caught:
        tables.check_labels(np.array(labels, np.float32), objective, 3, "train")
    assert words in str(caught.value)


def test_a_channel_of_hidden_and_empty_files_has_no_data(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").write_text("x")
    source = channel(tmp_path, "", "csv")
    assert not tables.has_data(source)


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e39", "9" * 400, "1_000"])
def test_a_request_of_csv_has_no_more_numbers_than_the_training_data(cell: str) -> None:
    with pytest.raises(BadRequest, match="line 2, column 2"):
        requests.rows(f"1,2,3\n1,{cell},3\n".encode(), CSV, CSV, 3)
