"""As `test_algorithms.py`, of the algorithms that have environments of their own."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.integration import pages
from tests.integration.conftest import Running
from tests.integration.programs import Seen, run_algorithm

pytestmark = pytest.mark.sdk
PAGES = ("blazingtext", "catboost", "lightgbm", "xgboost")


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return pages.run(platform, PAGES, tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("page", PAGES)
def test_a_transform_job_gives_the_answer_of_the_endpoint(seen: Seen, page: str) -> None:
    pages.check_transform(seen[page])


@pytest.mark.parametrize("page", PAGES)
def test_a_tuning_job_finds_the_objective_of_its_best_training_job_in_the_log(seen: Seen, page: str) -> None:
    pages.check_tuning(seen[page])


@pytest.mark.parametrize("page", ("blazingtext", "xgboost"))
def test_a_tuning_job_for_what_an_algorithm_has_not_is_refused(seen: Seen, page: str) -> None:
    pages.check_refusals(seen[page])


def test_xgboost_without_a_script_learns_products_of_features(seen: Seen) -> None:
    page = seen["xgboost"]
    assert page["metrics"]["validation:rmse"] < 0.5
    assert len(page["printed"][0].split(",")) == 3
    assert page["nothing"] == ""


def test_blazingtext_tells_what_texts_are_about(seen: Seen) -> None:
    page = seen["blazingtext"]
    assert page["metrics"]["validation:accuracy"] == 1.0
    ((answer,),) = page["printed"]
    assert answer["label"] == ["__label__good", "__label__bad"]
    assert sum(answer["prob"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("page", ("catboost", "lightgbm"))
def test_a_tabular_model_of_jumpstart_is_found_trained_and_deployed_by_its_id(seen: Seen, page: str) -> None:
    ((answer,),) = (each["probabilities"] for each in seen[page]["printed"])
    assert sum(answer) == pytest.approx(1, abs=1e-6)
    # 1,2,3,4: the first two add up to what is more than 0.
    assert answer[1] > 0.5


def test_the_bucket_of_jumpstart_is_written_by_nobody(platform: Running) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        platform.client("s3").put_object(Bucket="jumpstart-cache-prod-us-east-1", Key="models_manifest.json", Body=b"")


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


def test_the_page_of_a_text_model_of_jumpstart_runs_as_it_stands(platform: Running, tmp_path: Path) -> None:
    (answer,) = pages.run_alone(platform, ["text-classification"], tmp_path)["text-classification"]
    assert sum(answer["probabilities"]) == pytest.approx(1)
