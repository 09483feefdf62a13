"""K-Means trains and answers as its image does."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine

from tests.algorithms.harness import Channel, Trained, train

WINE = load_wine().data.astype(np.float32)
NO_LABEL = "text/csv;label_size=0"


def csv(rows: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> str:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    channels = {
        "train": Channel({"part-1.csv": csv(WINE[:100]), "more/part-2.csv": csv(WINE[100:])}, NO_LABEL),
        "test": Channel({"all.csv": csv(WINE)}, NO_LABEL),
    }
    given = {"k": 3, "feature_dim": "auto", "epochs": 2, "eval_metrics": '["msd","ssd"]'}
    trained = train("kmeans", tmp_path_factory.mktemp("ml"), given, channels)
    assert trained.exit_code == 0, trained.log
    return trained


def test_metrics_are_those_of_scikit_learn(wine: Trained) -> None:
    inertia = KMeans(3, n_init=10, random_state=0).fit(WINE).inertia_
    assert wine.metrics["train:ssd"][-1] <= 1.01 * inertia
    assert wine.metrics["test:ssd"] == pytest.approx(wine.metrics["train:ssd"][-1:], rel=1e-4)
    assert wine.metrics["test:msd"][0] == pytest.approx(wine.metrics["test:ssd"][0] / len(WINE))


def test_answers_are_those_of_the_page(wine: Trained) -> None:
    answered = json.loads(wine.answer(csv(WINE[:2]), "text/csv", "application/json"))["predictions"]
    assert [list(each) for each in answered] == [["closest_cluster", "distance_to_cluster"]] * 2
    lines = wine.answer(csv(WINE[:2]), "text/csv", "text/csv").decode().splitlines()
    assert lines == [f"{each['closest_cluster']},{each['distance_to_cluster']}" for each in answered]


def refused(tmp_path: Path, content: str, **given: object) -> str:
    trained = train(
        "kmeans", tmp_path, {"k": 3, "feature_dim": 2} | given, {"train": Channel({"a.csv": content}, NO_LABEL)}
    )
    assert trained.exit_code == 2, trained.log
    assert trained.failure.startswith("ClientError: ")
    assert not list((tmp_path / "model").iterdir())
    return trained.failure


def test_more_clusters_than_rows_are_refused(tmp_path: Path) -> None:
    assert "k=3, is larger than the number of rows in the training data, 2" in refused(tmp_path, "1,2\n3,4\n")


def test_a_word_in_a_column_of_numbers_is_refused_with_its_place(tmp_path: Path) -> None:
    said = refused(tmp_path, "1,2\n3,x\n5,6\n7,8\n")
    assert "a.csv, line 2, column 2" in said


def test_hyperparameters_are_refused_before_the_data_is_read(tmp_path: Path) -> None:
    assert "init_method" in refused(tmp_path, "", init_method="best")
