"""AutoGluon-Tabular in its image's environment: classes, numbers, text columns, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(120, 3))
COLOURS = RANDOM.choice(["red", "green", "blue"], 120)
# Without noise, gradient boosting would find something to learn for thousands of rounds.
TARGETS = NUMBERS[:, 0] + 3 * (COLOURS == "red") + RANDOM.normal(size=120) / 2
ROWS = [f"{colour},{','.join(f'{value:.6g}' for value in row)}" for colour, row in zip(COLOURS, NUMBERS, strict=True)]
FAST = {"save_space": "True", "verbosity": 0}


def csv(targets: object, rows: list[str] = ROWS) -> str:
    return "".join(f"{target},{row}\n" for target, row in zip(np.asarray(targets), rows, strict=True))


def refusal(tmp_path: Path, content: str, given: dict[str, object] | None = None) -> str:
    ended = harness.train(
        "autogluon", tmp_path, FAST | (given or {}), {"training": Channel({"train/data.csv": content})}
    )
    assert ended.exit_code == 2, ended.log
    return ended.failure


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    targets = np.where(TARGETS > 1, "over", "under")
    # The first row has no number, and is no header: what it has none of is missing.
    data = {"training": Channel({"train/data.csv": f"under,blue,,,\n{csv(targets)}"}, "text/csv")}
    return harness.train("autogluon", tmp_path_factory.mktemp("classes"), FAST, data)


def test_classes_and_features_may_be_text(trained: Trained) -> None:
    assert trained.exit_code == 0, trained.log
    assert trained.metrics["validation:score"][0] > 0.9
    body = "\n".join(ROWS)
    answer = json.loads(trained.answer(body, "text/csv", "application/json;verbose"))
    assert answer["labels"] == ["over", "under"]
    assert np.allclose(np.sum(answer["probabilities"], axis=1), 1)
    assert np.mean((np.array(answer["predicted_label"]) == "over") == (TARGETS > 1)) >= 0.9
    alone = json.loads(trained.answer(ROWS[7], "text/csv"))
    assert np.allclose(alone["probabilities"][0], answer["probabilities"][7])


def test_a_request_with_other_columns_is_refused(trained: Trained) -> None:
    for body, said in (
        ("red,1,2\n", "line 1: The row has 3 columns, and not 4"),
        ("red,1,2,x\n", "column 4 has text that is no number"),
        ("", "the request has no rows"),
    ):
        refused = trained.ask(body, "text/csv")
        assert refused.returncode == 2
        assert said in refused.stderr.decode()


def test_numbers_are_learned_by_models_that_are_trained_again_on_all_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGESMITH_REPOSITORY", "autogluon-regression-ensemble")
    data = {
        "training": Channel(
            {"train/data.csv": csv(TARGETS[:60], ROWS[:60]), "validation/data.csv": csv(TARGETS[60:], ROWS[60:])}
        )
    }
    # Of the machine's memory an instance may have but a part.
    monkeypatch.setenv("SAGESMITH_JOB_MEMORY_BYTES", str(3 << 30))
    given = {"time_limit": 60, "refit_full": "True", "set_best_to_refit_full": "True"}
    trained = harness.train("autogluon", tmp_path, FAST | given, data)
    assert trained.exit_code == 0, trained.log
    assert "_FULL" in trained.log.rpartition("Best model: ")[2]
    assert "in 3 GiB of memory" in trained.log
    assert -1.5 < trained.metrics["validation:score"][0] < 0
    found = np.array(json.loads(trained.answer("\n".join(ROWS), "text/csv"))["prediction"])
    assert np.mean((found - TARGETS) ** 2) < 0.3 * TARGETS.var()


@pytest.mark.parametrize("cell", ["inf", "1_0", "ten"])
def test_a_target_that_is_no_number_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    monkeypatch.setenv("SAGESMITH_REPOSITORY", "autogluon-regression-ensemble")
    said = refusal(tmp_path, f"1,2\n2,3\n{cell},4\n")
    assert "file training/data.csv, line 3, column 1: The target is not a number" in said


@pytest.mark.parametrize(
    ("content", "given", "said"),
    [
        ("a,b,c\n1,2,3\n0,3,4\n", {}, "line 1: The file must not have a header"),
        ("1,2,3\n0,3\n", {}, "file training/data.csv, line 2: The row has 2 columns, and not 3"),
        ("1,2\n,3\n", {}, "line 2, column 1: The target is missing"),
        ("1,2\n1,3\n", {}, "one value alone (1)"),
        ("", {}, "it has no CSV files with rows"),
        ("0,2\n1,3\n", {"eval_metric": "r2"}, "eval_metric is r2, which does not measure a binary problem"),
        ("0,2\n1,3\n", {"num_bag_folds": 1}, "'num_bag_folds' must be 0, or from 2 to 10"),
        ("0,2\n1,3\n", {"num_stack_levels": 1}, "needs a 'num_bag_folds' of 2 or more"),
        ("0,2\n1,3\n", {"presets": "interpretable"}, "they need the package imodels"),
    ],
    ids=["header", "ragged", "missing", "one", "empty", "metric", "folds", "levels", "interpretable"],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, given: dict[str, object], said: str) -> None:
    assert said in refusal(tmp_path, content, given)
