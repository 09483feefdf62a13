"""The tabular algorithms of JumpStart in their images' environments: classes, numbers, categories, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(400, 4))
ROWS[:, 3] = RANDOM.integers(0, 5, 400)
NUMBERS = ROWS[:, 0] + ROWS[:, 1] * 2 + (ROWS[:, 3] == 2) * 5
CLASSES = np.digitize(NUMBERS, [-1, 2]) * 10
FAST = {
    "lightgbm": {"num_boost_round": 40},
    "catboost": {"iterations": 60, "learning_rate": 0.2},
    "tabtransformer": {"n_epochs": 15, "learning_rate": 0.01, "n_blocks": 1, "batch_size": 32, "input_dim": "16"},
}
METRICS = {"lightgbm": "multi_logloss", "catboost": "MultiClass", "tabtransformer": "accuracy_score"}
each = pytest.mark.parametrize("name", list(FAST))


def csv(labels: object, rows: object) -> str:
    table = np.column_stack([np.asarray(labels), np.asarray(rows)])
    return "".join(",".join(f"{value:.7g}" for value in row) + "\n" for row in table)


def body(rows: object) -> str:
    return "".join(",".join(f"{value:.7g}" for value in row) + "\n" for row in np.asarray(rows))


def train(name: str, root: Path, channels: dict[str, Channel], **given: object) -> Trained:
    return harness.train(name, root, FAST[name] | given, channels)


@each
def test_classes_are_told_apart_and_answered_with_their_probabilities(name: str, tmp_path: Path) -> None:
    data = {"train/data.csv": csv(CLASSES, ROWS), "categorical_index.json": json.dumps({"cat_index_list": [4]})}
    trained = train(name, tmp_path, {"training": Channel(data, "text/csv")})
    assert trained.exit_code == 0, trained.log
    assert trained.metrics[METRICS[name]]
    answer = json.loads(trained.answer(body(ROWS), "text/csv"))
    assert set(answer) == {"probabilities"}
    assert np.allclose(np.sum(answer["probabilities"], axis=1), 1)
    verbose = json.loads(trained.answer(body(ROWS), "text/csv", "application/json;verbose"))
    assert verbose["labels"] == [0, 10, 20]
    assert np.mean(verbose["predicted_label"] == CLASSES) > 0.9


@each
def test_numbers_are_learned_by_the_regression_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGESMITH_REPOSITORY", f"{name}-regression-model")
    channels = {
        "train": Channel({"a.csv": csv(NUMBERS[:300], ROWS[:300])}, "text/csv"),
        "validation": Channel({"a.csv": csv(NUMBERS[300:], ROWS[300:])}, "text/csv"),
    }
    trained = train(name, tmp_path, channels)
    assert trained.exit_code == 0, trained.log
    answer = json.loads(trained.answer(body(ROWS[300:]), "text/csv"))
    left = np.mean((np.array(answer["prediction"]) - NUMBERS[300:]) ** 2)
    assert left < 0.2 * NUMBERS[300:].var()


@each
def test_categories_may_be_words(name: str, tmp_path: Path) -> None:
    words = np.array(["red", "dark blue", "Grün", "x", "yellow"])[ROWS[:, 3].astype(int)]
    rows = [f"{one:.6g},{word}" for one, word in zip(ROWS[:, 0], words, strict=True)]
    target = (words == "Grün").astype(int)
    lines = "\n".join(f"{label},{row}" for label, row in zip(target, rows, strict=True))
    data = {"train/data.csv": lines, "categorical_index.json": json.dumps({"cat_index_list": [2]})}
    trained = train(name, tmp_path, {"training": Channel(data, "text/csv")})
    assert trained.exit_code == 0, trained.log
    asked = "\n".join([*rows[:50], "0,never seen", '0,"x"', "0,x"])
    *answers, _, quoted, bare = json.loads(trained.answer(asked, "text/csv"))["probabilities"]
    assert np.mean(np.argmax(answers, axis=1) == target[:50]) > 0.9
    assert quoted == bare


def test_two_classes_have_a_probability_each(tmp_path: Path) -> None:
    trained = train("lightgbm", tmp_path, {"training": Channel({"train/a.csv": csv(NUMBERS > 1, ROWS)}, "text/csv")})
    answer = json.loads(trained.answer(body(ROWS[:3]), "text/csv"))
    assert np.shape(answer["probabilities"]) == (3, 2)


def test_hyperparameters_as_the_sdk_sends_them_beside_a_script_are_read(tmp_path: Path) -> None:
    given = {"metric": '"auc"', "num_boost_round": '"3"', "sagemaker_program": '"transfer_learning.py"'}
    data = {"training": Channel({"train/a.csv": csv(NUMBERS > 1, ROWS)}, "text/csv")}
    trained = harness.train("lightgbm", tmp_path, given, data)
    assert trained.exit_code == 0, trained.log
    assert len(trained.metrics["auc"]) == 3


@each
def test_a_model_of_another_algorithm_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"algorithm": "kmeans"}')
    refused = Trained(name, tmp_path, 0, "", "").ask("1,2", "text/csv")
    assert refused.returncode == 2
    assert f"The model artifact is not one of {name}" in refused.stderr.decode()


def test_a_network_that_diverges_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGESMITH_REPOSITORY", "pytorch-tabtransformer-regression-model")
    rows = np.random.default_rng(0).normal(size=(60, 2))
    ended = train(
        "tabtransformer", tmp_path, {"training": Channel({"a.csv": csv(rows[:, 0], rows)})}, learning_rate=1e30
    )
    assert ended.failure.startswith("ClientError: The loss is nan after epoch"), ended.log
