"""Random Cut Forest, trained and asked as its image does."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained
from tests.algorithms.rows import csv

RNG = np.random.default_rng(0)
USUAL = RNG.normal(size=(3000, 3))
ODD = RNG.normal(size=(30, 3)) * 0.1 + 8


def table(rows: Any, labels: Any = None) -> Channel:
    return Channel({"part-0.csv": csv(rows, labels)}, f"text/csv;label_size={int(labels is not None)}")


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    test = table(np.concatenate([USUAL[2500:], ODD]), [0.0] * 500 + [1.0] * 30)
    channels = {"train": table(USUAL[:2500]), "test": test}
    given = {"feature_dim": 3, "num_trees": 60, "num_samples_per_tree": 64}
    return harness.train("randomcutforest", tmp_path_factory.mktemp("forest"), given, channels)


def scores(trained: Trained, rows: Any) -> list[float]:
    answer = json.loads(trained.answer(csv(rows), "text/csv"))
    assert list(answer) == ["scores"]
    return [each["score"] for each in answer["scores"]]


def test_rows_far_from_all_others_score_highest(forest: Trained) -> None:
    usual, odd = scores(forest, USUAL[2500:]), scores(forest, ODD)
    assert min(odd) > np.mean(usual) + 3 * np.std(usual)


def test_labels_of_a_test_channel_are_measured_with(forest: Trained) -> None:
    assert forest.metrics["test:f1"][0] > 0.8, forest.log
    assert forest.metrics["test:recall"] == [1.0]
    assert forest.metrics["test:accuracy"][0] > 0.97


def test_only_metrics_that_are_asked_for_are_reported(tmp_path: Path) -> None:
    given = {"feature_dim": 3, "num_trees": 50, "num_samples_per_tree": 16, "eval_metrics": '["accuracy"]'}
    channels = {"train": table(USUAL[:100]), "test": table(USUAL[:50], [0.0] * 50)}
    assert list(harness.train("randomcutforest", tmp_path, given, channels).metrics) == ["test:accuracy"]


def test_a_score_is_the_expected_displacement(tmp_path: Path) -> None:
    # Of two points 0 and 1, a cut parts 2 from them with probability 1/2, which scores 1; else they are parted, and it
    # is parted from 1 below, which scores 1/2. AWS scales by the logarithm of the tree's size and one.
    given = {"feature_dim": 1, "num_trees": 50, "num_samples_per_tree": 2}
    trained = harness.train("randomcutforest", tmp_path, given, {"train": table([[0.0], [1.0]])})
    assert scores(trained, [[2.0]]) == pytest.approx([0.75 * math.log2(3)], rel=1e-6)


def test_the_same_job_makes_the_same_model(forest: Trained, tmp_path: Path) -> None:
    given = {"feature_dim": 3, "num_trees": 60, "num_samples_per_tree": 64}
    again = harness.train("randomcutforest", tmp_path, given, {"train": table(USUAL[:2500])})
    assert scores(again, USUAL[:5]) == scores(forest, USUAL[:5])


def test_malignant_cells_are_found_as_well_as_by_the_bare_library(tmp_path: Path) -> None:
    rows, benign = load_breast_cancer(return_X_y=True)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    channels = {"train": table(rows[benign == 1])}
    trained = harness.train("randomcutforest", tmp_path, {"feature_dim": 30, "num_samples_per_tree": 128}, channels)
    # The bare library's is .96 to .97, with a seed or another.
    assert roc_auc_score(benign == 0, scores(trained, rows)) > 0.95


def test_answers_have_the_forms_of_awss_page(forest: Trained) -> None:
    rows = csv(ODD[:2])
    as_lines = forest.answer(rows, "text/csv", "application/jsonlines").decode().splitlines()
    assert [list(json.loads(line)) for line in as_lines] == [["score"], ["score"]]
    as_csv = forest.answer(rows, "text/csv", "text/csv").decode().split()
    assert [float(cell) for cell in as_csv] == pytest.approx(scores(forest, ODD[:2]))
    request = json.dumps({"instances": [{"features": [0, 0, 0]}, {"data": {"features": {"values": [9, 9, 9]}}}]})
    low, high = json.loads(forest.answer(request, "application/json"))["scores"]
    assert low["score"] < high["score"]


def test_a_label_that_is_neither_normal_nor_anomalous_is_refused(tmp_path: Path) -> None:
    given = {"feature_dim": 3, "num_trees": 50, "num_samples_per_tree": 8}
    channels = {"train": table(USUAL[:20]), "test": table(USUAL[:2], [0.0, 3.0])}
    trained = harness.train("randomcutforest", tmp_path, given, channels)
    assert trained.failure.startswith("ClientError: Labels of the test channel must be 0")
    assert trained.exit_code == 2


@pytest.mark.parametrize("whole", [False, True], ids=["cut", "changed"])
def test_a_broken_forest_is_refused(forest: Trained, tmp_path: Path, whole: bool) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_bytes((forest.root / "model" / "model.json").read_bytes())
    data = (forest.root / "model" / "forest.msgpack").read_bytes()
    changed = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:] if whole else data[:5000]
    (model / "forest.msgpack").write_bytes(changed)
    asked = Trained("randomcutforest", tmp_path, 0, "", "").ask("1,2,3", "text/csv")
    assert b"ClientError: The model artifact is not one of Random Cut Forest" in asked.stderr


def test_a_job_that_is_stopped_while_its_trees_grow_keeps_what_has_grown(tmp_path: Path) -> None:
    rows = RNG.normal(size=(30_000, 3))
    given = {"feature_dim": 3, "num_trees": 400, "num_samples_per_tree": 256}
    harness.prepare(tmp_path, given, {"train": table(rows)}, "algo-1", ["algo-1"])
    process = harness.start("randomcutforest", tmp_path)
    harness.stop_once(process, "Growing 400 trees")
    ended = harness.finish("randomcutforest", tmp_path, process)
    assert ended.exit_code == 0, ended.failure
    assert "asked to stop" in ended.log and "100 %" not in ended.log
    assert scores(ended, [[9.0, 9.0, 9.0]])[0] > scores(ended, [[0.0, 0.0, 0.0]])[0]


def test_a_row_that_has_no_score_is_refused(forest: Trained) -> None:
    refused = forest.ask("3e38,3e38,-3e38", "text/csv")
    assert refused.returncode != 0
    assert b"too large for 32 bits. Scale the features." in refused.stderr
