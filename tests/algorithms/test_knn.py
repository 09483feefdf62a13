"""K-Nearest Neighbors, trained and asked as its image does."""

import json
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained
from tests.algorithms.rows import csv

DIGITS: dict[str, object] = {"feature_dim": 64, "k": 5, "sample_size": 2000, "predictor_type": "classifier"}


def digits() -> tuple[Any, Any, Any, Any]:
    rows, labels = load_digits(return_X_y=True)
    return rows[:1400], labels[:1400], rows[1400:], labels[1400:]


def table(rows: Any, labels: Any = None, content_type: str = "text/csv") -> Channel:
    return Channel({"part-0.csv": csv(rows, labels)}, content_type)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    rows, labels, others, theirs = digits()
    channels = {"train": table(rows, labels), "test": table(others, theirs)}
    return harness.train("knn", tmp_path_factory.mktemp("flat"), DIGITS, channels)


def test_classes_are_those_that_scikit_learn_finds(flat: Trained) -> None:
    rows, labels, others, theirs = digits()
    expected = KNeighborsClassifier(5, algorithm="brute").fit(rows, labels)
    assert flat.metrics["test:accuracy"][0] >= expected.score(others, theirs) - 0.003
    answer = json.loads(flat.answer(csv(others), "text/csv"))["predictions"]
    same = [each["predicted_label"] == label for each, label in zip(answer, expected.predict(others), strict=True)]
    # Neighbors that are equally far may come in another order.
    assert sum(same) >= len(same) - 2


def test_a_verbose_answer_has_the_neighbors(flat: Trained) -> None:
    rows, labels, others, _ = digits()
    answer = json.loads(flat.answer(csv(others[:1]), "text/csv", "application/json; verbose=true"))
    (found,) = answer["predictions"]
    distances, places = KNeighborsClassifier(5).fit(rows, labels).kneighbors(others[:1])
    assert found["distances"] == pytest.approx(distances[0].tolist(), rel=1e-5)
    assert sorted(found["labels"]) == sorted(labels[places[0]])
    assert list(found) == ["predicted_label", "distances", "labels"]


def test_a_rows_answer_does_not_depend_on_the_others_of_its_request(flat: Trained) -> None:
    _, _, others, _ = digits()
    accept = "application/jsonlines; verbose=true"
    together = flat.answer(csv(others[:60]), "text/csv", accept).splitlines()
    assert flat.answer(csv(others[7:8]), "text/csv", accept).splitlines() == [together[7]]


@pytest.mark.parametrize(
    "given",
    [
        {"index_type": "faiss.IVFFlat"},
        {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": 12},
        {"dimension_reduction_type": "sign", "dimension_reduction_target": 40},
        {"dimension_reduction_type": "fjlt", "dimension_reduction_target": 40},
        {"index_metric": "COSINE"},
    ],
    ids=["IVFFlat", "IVFPQ", "sign", "fjlt", "COSINE"],
)
def test_other_indexes_and_fewer_dimensions_find_nearly_the_same(given: dict[str, object], tmp_path: Path) -> None:
    rows, labels, others, theirs = digits()
    channels = {"train": table(rows, labels), "test": table(others, theirs)}
    trained = harness.train("knn", tmp_path, DIGITS | given, channels)
    assert trained.metrics["test:accuracy"][0] >= 0.93, trained.log
    assert b"predicted_label" in trained.answer(csv(others[:2]), "text/csv")


def test_numbers_are_the_mean_of_the_neighbors(tmp_path: Path) -> None:
    rows, labels = load_diabetes(return_X_y=True)
    given: dict[str, object] = {"feature_dim": 10, "k": 15, "sample_size": 1000, "predictor_type": "regressor"}
    channels = {"train": table(rows[:340], labels[:340]), "test": table(rows[340:], labels[340:])}
    trained = harness.train("knn", tmp_path, given, channels)
    expected = KNeighborsRegressor(15).fit(rows[:340], labels[:340]).predict(rows[340:])
    error = float(((expected - labels[340:]) ** 2).mean())
    assert trained.metrics["test:mse"] == pytest.approx([error], rel=0.005)
    assert f"#test_score (algo-1) : ('mse', {trained.metrics['test:mse'][0]!r})" in trained.log


def test_more_neighbors_than_rows_are_refused(tmp_path: Path) -> None:
    rows, labels, _, _ = digits()
    trained = harness.train("knn", tmp_path, DIGITS | {"k": 30}, {"train": table(rows[:20], labels[:20])})
    assert trained.failure == "ClientError: k (30) is greater than the number of training rows (20)."


def test_more_lists_than_rows_are_refused(tmp_path: Path) -> None:
    rows, labels, _, _ = digits()
    given = DIGITS | {"k": 3, "index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": 21}
    trained = harness.train("knn", tmp_path, given, {"train": table(rows[:20], labels[:20])})
    said = "ClientError: faiss_index_ivf_nlists (21) is greater than the number of sampled rows (20)."
    assert trained.failure == said


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("1,2,3\n0,x,1\n", ("train/a.csv", "line 2", "column 2", "x")),
        ("1,2,3\n0,1\n", ("train/a.csv", "line 2")),
        ("1,2,nan\n", ("train/a.csv", "line 1")),
        ("", ("train/a.csv", "empty")),
        ("1,2,3,4\n", ("train/a.csv", "3")),
    ],
    ids=["text", "ragged", "missing", "empty", "wide"],
)
def test_data_that_are_wrong_are_named(content: str, named: tuple[str, ...], tmp_path: Path) -> None:
    given = DIGITS | {"feature_dim": 2, "k": 1}
    trained = harness.train("knn", tmp_path, given, {"train": Channel({"a.csv": content}, "text/csv")})
    assert trained.exit_code == 2
    assert trained.failure.startswith("ClientError: ")
    assert all(each in trained.failure for each in named), trained.failure


def test_a_model_of_another_algorithm_is_refused(flat: Trained) -> None:
    asked = Trained("randomcutforest", flat.root, 0, "", "").ask("1,2", "text/csv")
    assert asked.returncode != 0
    assert b"The model artifact is not one of Random Cut Forest: it is a model of knn" in asked.stderr


def test_a_request_of_another_width_is_refused(flat: Trained) -> None:
    asked = flat.ask("1,2,3", "text/csv")
    assert asked.returncode != 0
    assert b"64" in asked.stderr
    assert b"Traceback" not in asked.stderr


def test_a_row_beyond_all_distances_is_refused(flat: Trained) -> None:
    refused = flat.ask(csv([[1e30] * 64]), "text/csv")
    assert refused.returncode != 0
    assert b"too large for 32 bits. Scale the features." in refused.stderr
    assert b"Traceback" not in refused.stderr


def test_a_request_of_many_short_rows_takes_little_memory() -> None:
    found = harness.program("knn", "knn_memory.py")
    # All rows' counts of all classes at once would be 1.6 GB.
    assert found["labels"] == 200_000
    assert found["grown_bytes"] < 600 << 20
