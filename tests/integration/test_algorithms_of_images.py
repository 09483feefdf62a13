"""As `test_algorithms.py`, of the algorithms that are networks and see images."""

import pytest

from tests.integration import pages
from tests.integration.conftest import Running
from tests.integration.programs import Seen, run_algorithm

pytestmark = pytest.mark.sdk
PAGES = ("image-classification", "object-detection", "semantic-segmentation")


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return pages.run(platform, PAGES, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def program(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return run_algorithm(platform, "images", tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("page", PAGES)
def test_a_transform_job_gives_the_answer_of_the_endpoint(seen: Seen, page: str) -> None:
    pages.check_transform(seen[page])


@pytest.mark.parametrize("page", PAGES)
def test_a_tuning_job_finds_the_objective_of_its_best_training_job_in_the_log(seen: Seen, page: str) -> None:
    pages.check_tuning(seen[page])


@pytest.mark.parametrize("page", PAGES)
def test_a_tuning_job_for_what_an_algorithm_has_not_is_refused(seen: Seen, page: str) -> None:
    pages.check_refusals(seen[page])


def test_image_classification_tells_colours(seen: Seen) -> None:
    page = seen["image-classification"]
    assert page["metrics"]["validation:accuracy"] > 0.9
    assert page["printed"][0][1] > 0.5


def test_object_detection_finds_squares(seen: Seen) -> None:
    page = seen["object-detection"]
    assert page["metrics"]["validation:mAP"] > 0.5
    found, true = page["printed"]
    corner = [true["left"], true["top"], true["left"] + true["width"], true["top"] + true["height"]]
    assert max(abs(one - other) for one, other in zip(found, corner, strict=True)) < 4


def test_semantic_segmentation_paints_squares(seen: Seen) -> None:
    assert seen["semantic-segmentation"]["metrics"]["validation:mIOU"] > 0.7


def test_image_classification_goes_on_from_a_model_with_a_piped_manifest(program: Seen) -> None:
    assert program["train"]["validation:accuracy"] > 0.9
    assert program["piped"]["validation:accuracy"] > 0.9


def test_object_detection_begins_with_what_imagenet_taught_by_awss_defaults(program: Seen) -> None:
    names = {"validation:mAP", "train:cross_entropy", "train:smooth_l1", "train:progress"}
    assert names <= set(program["pretrained"]["metrics"])
    assert "EFFICIENTNET-LITE0 TAKES ITS PLACE" in program["pretrained"]["warning"]
