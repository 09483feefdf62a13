"""Each built-in algorithm that has an environment of its own by the SDK v2; the others are in `test_algorithms.py`."""

from pathlib import Path

import pytest

from tests.integration.conftest import Running
from tests.integration.programs import run_algorithm

pytestmark = pytest.mark.sdk


def test_xgboost_without_a_script_learns_which_quadrants_are_positive(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "xgboost", tmp_path)
    assert seen["train"]["validation:auc"] > 0.9
    answers, labels = seen["predict"]["answers"], seen["predict"]["labels"]
    assert sum((answer > 0.5) == label for answer, label in zip(answers, labels, strict=True)) >= 18
    assert seen["predict"]["empty"] == [200, ""]


def test_blazingtext_tells_what_texts_are_about(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "blazingtext", tmp_path)
    assert seen["train"]["validation:accuracy"] > 0.95
    assert [each["label"][0] for each in seen["predict"]] == ["__label__metal", "__label__fruit"]
    assert all(len(each["prob"]) == 2 for each in seen["predict"])


def test_a_tabular_model_of_jumpstart_is_found_trained_and_deployed_by_its_id(
    platform: Running, tmp_path: Path
) -> None:
    seen = run_algorithm(platform, "jumpstart", tmp_path)
    assert seen["refuse"] == "AccessDenied"
    assert seen["train"]["binary_logloss"] < 0.4
    answer = seen["predict"]
    assert answer["labels"] == [0, 1]
    right = [found == target for found, target in zip(answer["predicted_label"], answer["target"], strict=True)]
    assert sum(right) >= 45


def test_a_text_model_of_jumpstart_is_fine_tuned_and_deployed_by_its_id(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "text_classification", tmp_path)
    assert seen["train"]["validation:accuracy"] > 0.9
    assert [each["predicted_label"] for each in seen["predict"]] == [1, 0]
    assert all(each["labels"] == [0, 1] and len(each["probabilities"]) == 2 for each in seen["predict"])
    assert seen["retrieve"]["image"].endswith("/huggingface-spc:1")
    assert seen["retrieve"]["epochs"] == "3"


def test_a_notebooks_tuner_and_a_jumpstart_estimator_learn_from_words(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "jumpstart_tuned", tmp_path)
    assert seen["tune"] > 0.8
    farming, sales, _ = seen["boost"]
    assert farming[1] > 0.5 > sales[1]


def test_autogluons_model_of_jumpstart_is_trained_and_deployed_by_its_id(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "autogluon", tmp_path)
    assert seen["train"]["presets"] == "medium_quality"
    answer = seen["predict"]
    assert answer["labels"] == ["over", "under"]
    right = [found == target for found, target in zip(answer["predicted_label"], answer["target"], strict=True)]
    assert sum(right) >= 80
