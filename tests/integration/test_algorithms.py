"""The programs on the built-in algorithms' pages as they stand, and a tuning job and a transform job of each."""

import pytest

from tests.integration import pages
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk
PAGES = ("factorization-machines", "ipinsights", "kmeans", "knn", "lda", "linear-learner", "pca", "randomcutforest")
TUNABLE = tuple(name for name in PAGES if name != "pca")


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return pages.run(platform, PAGES, tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("page", PAGES)
def test_a_transform_job_gives_the_answer_of_the_endpoint(seen: Seen, page: str) -> None:
    pages.check_transform(seen[page])


@pytest.mark.parametrize("page", TUNABLE)
def test_a_tuning_job_finds_the_objective_of_its_best_training_job_in_the_log(seen: Seen, page: str) -> None:
    pages.check_tuning(seen[page])


@pytest.mark.parametrize("page", PAGES)
def test_a_tuning_job_for_what_an_algorithm_has_not_is_refused(seen: Seen, page: str) -> None:
    pages.check_refusals(seen[page])


def test_kmeans_finds_the_groups_that_there_are(seen: Seen) -> None:
    page = seen["kmeans"]
    assert page["metrics"]["train:msd"] < 4.2
    assert set(page["definitions"]) == {"train:msd", "train:ssd", "test:msd", "test:ssd"}
    (one,), (same,), (other,) = page["printed"]
    assert one == same != other


def test_knn_finds_the_classes_that_neighbors_have(seen: Seen) -> None:
    assert seen["knn"]["metrics"]["test:accuracy"] > 0.93
    assert seen["knn"]["printed"] == [0.0, 0.0]


def test_random_cut_forest_scores_what_is_unusual_highest(seen: Seen) -> None:
    page = seen["randomcutforest"]
    assert page["metrics"]["test:recall"] == 1.0
    usual, odd = page["printed"]
    assert odd > 3 * usual


def test_pca_projects_on_the_directions_that_there_are(seen: Seen) -> None:
    assert seen["pca"]["metrics"]["train:explained_variance"] > 0.999
    assert all(len(projection) == 2 for projection in seen["pca"]["printed"])


def test_ip_insights_tells_an_entitys_address_from_another(seen: Seen) -> None:
    page = seen["ipinsights"]
    assert page["metrics"]["train:cross_entropy"] < 0.5
    own, other = (each["dot_product"] for each in page["printed"][0]["predictions"])
    assert own > other
    assert page["tuned"]["objective"]["Value"] > 0.7


def test_lda_finds_topics_that_explain_held_out_documents(seen: Seen) -> None:
    page = seen["lda"]
    assert page["metrics"]["test:pwll"] > -2.9
    assert all(abs(sum(mixture) - 1) < 1e-3 for mixture in page["printed"])


def test_linear_learner_tells_on_which_side_of_a_plane_rows_lie(seen: Seen) -> None:
    page = seen["linear-learner"]
    _, accuracy = page["printed"]
    assert accuracy == pytest.approx(page["metrics"]["validation:binary_classification_accuracy"])
    assert accuracy > 0.97


def test_factorization_machines_learn_who_likes_what(seen: Seen) -> None:
    page = seen["factorization-machines"]
    _, error, _, spread = page["printed"]
    assert error == pytest.approx(page["metrics"]["test:rmse"], rel=1e-3)
    assert error < 0.1 * spread
