"""XGBoost in its image's environment: it trains, goes on, stops, answers, and refuses."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(300, 4))
NUMBERS = ROWS @ [1, 2, 0, -1] + ROWS[:, 0] * ROWS[:, 1]
CLASSES = (NUMBERS > 0).astype(int)


def csv(labels: object, rows: object) -> str:
    table = np.column_stack([np.asarray(labels), np.asarray(rows)])
    return "".join(",".join(f"{value:.7g}" for value in row) + "\n" for row in table)


def channels(labels: object, content_type: str = "text/csv") -> dict[str, Channel]:
    return {"train": Channel({"part.csv": csv(labels, ROWS)}, content_type)}


@pytest.fixture(scope="module")
def boosted(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    data = channels(NUMBERS)["train"].files["part.csv"]
    two = {"train": Channel({"a.csv": data}, "text/csv"), "validation": Channel({"a.csv": data}, "csv")}
    given = {"num_round": 20, "eval_metric": "rmse,r2", "max_depth": 3, "verbosity": 0}
    return harness.train("xgboost", tmp_path_factory.mktemp("xgboost"), given, two)


def test_metrics_are_found_in_the_log_by_the_documented_names(boosted: Trained) -> None:
    assert boosted.exit_code == 0, boosted.log
    assert len(boosted.metrics["validation:rmse"]) == len(boosted.metrics["validation:r2"]) == 20
    assert boosted.metrics["validation:rmse"][-1] < 0.5
    assert boosted.metrics["validation:r2"][-1] > 0.95


def test_the_model_is_bare_xgboosts_and_answers_as_it_does(boosted: Trained) -> None:
    program = (
        "import sys, json, numpy, xgboost\n"
        "rows = numpy.array(json.load(sys.stdin), 'float32')\n"
        "print(json.dumps(xgboost.Booster(model_file=sys.argv[1]).predict(xgboost.DMatrix(rows)).tolist()))\n"
    )
    command = [harness.python("xgboost"), "-c", program, str(boosted.root / "model" / "xgboost-model")]
    bare = subprocess.run(command, input=json.dumps(ROWS[:5].tolist()), capture_output=True, text=True, check=True)
    body = "\n".join(",".join(str(np.float32(value)) for value in row) for row in ROWS[:5])
    assert json.loads(boosted.answer(body, "text/csv", "application/json")) == json.loads(bare.stdout)


def test_a_job_goes_on_from_its_checkpoint_as_if_it_had_never_ended(tmp_path: Path, boosted: Trained) -> None:
    root = tmp_path / "job"
    (root / "checkpoints").mkdir(parents=True)
    given = {"num_round": 5, "eval_metric": "rmse", "max_depth": 3}
    assert harness.train("xgboost", root, given, channels(NUMBERS)).exit_code == 0
    (root / "checkpoints" / "xgboost-checkpoint.99").write_bytes(b"half a mod")
    resumed = harness.train("xgboost", root, {**given, "num_round": 20}, channels(NUMBERS))
    assert "Resuming from iteration" in resumed.log
    assert "[0]" not in resumed.log
    last = f"[19]#011train-rmse:{boosted.metrics['validation:rmse'][-1]:.5f}"
    assert last in resumed.log


def test_instances_go_on_from_the_leaders_checkpoint_and_one_without_rows_stands_aside(tmp_path: Path) -> None:
    hosts = ["localhost", "localhost-2", "localhost-3"]
    given = {"num_round": 4, "eval_metric": "rmse", "max_depth": 3}
    roots = [tmp_path / host for host in hosts]
    (roots[0] / "checkpoints").mkdir(parents=True)
    assert harness.train("xgboost", roots[0], given, channels(NUMBERS)).exit_code == 0
    (roots[1] / "checkpoints").mkdir(parents=True)
    runs = []
    for host, root in zip(hosts, roots, strict=True):
        rows = channels(NUMBERS) if host != hosts[2] else {"train": Channel({"part.csv": "\n\n"}, "text/csv")}
        harness.prepare(root, {**given, "num_round": 6}, rows, host, hosts)
        runs.append(harness.start("xgboost", root))
    ended = [harness.finish("xgboost", root, run) for root, run in zip(roots, runs, strict=True)]
    assert [each.exit_code for each in ended] == [0, 0, 0], [each.log for each in ended]
    assert "[4]" in ended[0].log and "[0]" not in ended[0].log.partition("Distributed node training with 2")[2]
    assert "Host localhost-3 does not have data" in ended[2].log
    assert (roots[0] / "model" / "xgboost-model").is_file()
    assert not (roots[1] / "model" / "xgboost-model").exists()


def test_a_job_that_is_stopped_keeps_the_rounds_so_far(tmp_path: Path) -> None:
    harness.prepare(tmp_path, {"num_round": 10**7}, channels(NUMBERS), "algo-1", ["algo-1"])
    process = harness.start("xgboost", tmp_path)
    for line in process.stdout:
        if line.startswith(b"[5]"):
            process.send_signal(signal.SIGTERM)
            break
    stopped = harness.finish("xgboost", tmp_path, process)
    assert stopped.exit_code == 0
    assert stopped.answer("1,2,3,4", "text/csv")


def test_training_ends_when_the_validation_data_say_so(tmp_path: Path) -> None:
    noise = csv(RANDOM.normal(size=300), RANDOM.normal(size=(300, 4)))
    both = channels(NUMBERS) | {"validation": Channel({"a.csv": noise}, "text/csv")}
    given = {"num_round": 1000, "early_stopping_rounds": 3}
    ended = harness.train("xgboost", tmp_path, given, both)
    assert ended.exit_code == 0
    assert len(ended.metrics["validation:rmse"]) < 50


def test_rounds_before_a_checkpoint_count_for_early_stopping(tmp_path: Path) -> None:
    noise = csv(RANDOM.normal(size=300), RANDOM.normal(size=(300, 4)))
    both = channels(NUMBERS) | {"validation": Channel({"a.csv": noise}, "text/csv")}
    given: dict[str, object] = {"num_round": 1000, "early_stopping_rounds": 6}
    straight = harness.train("xgboost", tmp_path / "straight", given, both)
    rounds = len(straight.metrics["validation:rmse"])
    assert rounds > 6
    root = tmp_path / "again"
    (root / "checkpoints").mkdir(parents=True)
    assert harness.train("xgboost", root, {**given, "num_round": rounds - 3}, both).exit_code == 0
    resumed = harness.train("xgboost", root, given, both)
    assert "Resuming from iteration" in resumed.log
    assert f"[{rounds - 1}]" in resumed.log
    assert f"[{rounds}]" not in resumed.log
    assert resumed.answer("1,2,3,4", "text/csv") == straight.answer("1,2,3,4", "text/csv")


def test_several_quantiles_are_learned_together(tmp_path: Path) -> None:
    given = {"num_round": 30, "objective": "reg:quantileerror", "quantile_alpha": "[0.1, 0.9]", "max_depth": 3}
    trained = harness.train("xgboost", tmp_path, given, channels(NUMBERS))
    assert trained.exit_code == 0, trained.log
    body = "\n".join(",".join(str(value) for value in row) for row in ROWS)
    found = np.array(json.loads(trained.answer(body, "text/csv", "application/json")))
    assert found.shape == (300, 2)
    assert (found > NUMBERS[:, None]).mean(axis=0) == pytest.approx([0.1, 0.9], abs=0.07)


def test_cross_validation_leaves_a_model_a_part_and_the_answers_of_rows_not_seen(tmp_path: Path) -> None:
    given = {"num_round": 10, "_kfold": 3, "objective": "binary:logistic", "eval_metric": "auc,accuracy"}
    crossed = harness.train("xgboost", tmp_path, given, channels(CLASSES))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [f"xgboost-model-{n}" for n in range(3)]
    table = np.loadtxt(tmp_path / "output" / "data" / "predictions.csv", delimiter=",")
    assert np.array_equal(table[:, 0], CLASSES)
    assert (table[:, 2] == CLASSES).mean() > 0.8
    assert len(crossed.metrics["validation:auc"]) == 31
    assert 0 < float(crossed.answer("1,2,3,4", "text/csv")) < 1


def test_weights_stand_in_the_second_column_if_the_job_says_so(tmp_path: Path) -> None:
    heavy = csv([0] * 50 + [10] * 50, [[1, 1]] * 50 + [[0, 1]] * 50)
    data = {"train": Channel({"a.csv": heavy}, "text/csv;label_size=1")}
    trained = harness.train("xgboost", tmp_path, {"num_round": 1, "eta": 1, "lambda": 0, "csv_weights": 1}, data)
    # Without weights the mean would be 5; the rows with 10 weigh nothing.
    assert abs(float(trained.answer("1", "text/csv"))) < 0.5


@pytest.mark.parametrize(
    ("given", "content", "content_type", "words"),
    [
        ({"_kfold": 3}, "1,2\n2,3\n", "csv", "_kfold is 3, but there are only 2 rows"),
        ({"max_bin": 1}, "1,2\n2,3\n", "csv", "max_bin should be greater equal to 2"),
    ],
    ids=["rows", "bins"],
)
def test_data_and_hyperparameters_that_do_not_go_together_fail_the_job(
    tmp_path: Path, given: dict[str, object], content: str, content_type: str, words: str
) -> None:
    data = {"train": Channel({"part.csv": content}, content_type)}
    failed = harness.train("xgboost", tmp_path, {"num_round": 1, **given}, data)
    assert failed.exit_code == 2
    assert failed.failure.startswith("ClientError: ")
    assert words in failed.failure


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x80\x04K\x01.", "is a pickle"), (b"PK\x03\x04", "is none that XGBoost")],
    ids=["pickle", "another"],
)
def test_a_model_of_something_else_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "xgboost-model").write_bytes(content)
    refused = Trained("xgboost", tmp_path, 0, "", "").ask("1,2", "text/csv")
    assert refused.returncode == 2
    assert words in refused.stderr.decode()
