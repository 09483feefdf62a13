"""Each built-in algorithm by the SDK v2, from `record_set` or an upload to predictions of an endpoint."""

from pathlib import Path

import pytest

from tests.integration.conftest import Running
from tests.integration.programs import run_algorithm

pytestmark = pytest.mark.sdk


def test_kmeans_finds_the_groups_that_there_are(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "kmeans", tmp_path)
    assert 0.2 < seen["train"]["metrics"]["train:msd"] < 1.0
    assert "train:msd" in seen["train"]["definitions"]
    clusters = [each["closest_cluster"][0] for each in seen["predict"]]
    assert clusters[0] == clusters[1]
    assert len(set(clusters)) == 3
    assert all(each["distance_to_cluster"][0] < 3 for each in seen["predict"])


def test_knn_finds_the_classes_that_neighbors_have(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "knn", tmp_path)
    assert seen["train"]["test:accuracy"] > 0.85
    right = [found == label for found, label in zip(seen["predict"]["found"], seen["predict"]["labels"], strict=True)]
    assert sum(right) >= 16


def test_random_cut_forest_scores_what_is_unusual_highest(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "randomcutforest", tmp_path)
    assert seen["train"]["test:recall"] == 1.0
    *usual, one, other = seen["predict"]
    assert min(one, other) > 1.5 * max(usual)


def test_pca_projects_on_the_directions_that_there_are(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "pca", tmp_path)
    assert seen["train"]["train:explained_variance"] > 0.999
    smallest, largest = seen["predict"]["variance"]
    assert smallest < largest
    assert abs(smallest + largest - seen["predict"]["rows"]) < 0.01 * seen["predict"]["rows"]


def test_ip_insights_tells_an_entitys_address_from_another(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "ipinsights", tmp_path)
    assert seen["train"]["train:cross_entropy"] < 0.5
    own, other = seen["predict"]
    assert own > other


def test_lda_finds_the_topics_that_documents_were_made_of(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "lda", tmp_path)
    assert "train:pwll" in seen["train"]
    assert seen["predict"] < 0.05


def test_linear_learner_tells_on_which_side_of_a_plane_rows_lie(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "linear_learner", tmp_path)
    assert seen["train"]["test:binary_f_beta"] > 0.95
    assert seen["train"]["validation:objective_loss:final"] < 0.2
    found, labels = seen["predict"]["found"], seen["predict"]["labels"]
    assert sum(each == label for each, label in zip(found, labels, strict=True)) >= 95
    assert all(0 <= score <= 1 for score in seen["predict"]["scores"])


def test_factorization_machines_learn_who_likes_what(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "factorization_machines", tmp_path)
    assert seen["train"]["test:rmse"] < 0.3
    pairs = zip(seen["predict"]["scores"], seen["predict"]["ratings"], strict=True)
    assert sum(abs(score - rating) for score, rating in pairs) / 200 < 0.3
