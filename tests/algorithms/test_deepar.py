"""DeepAR learns how series go on, and says how sure it is."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.algorithms.harness import Channel, Trained, train, train_together

WEEK = np.array([1, 2, 3, 4, 5, 9, 8.0])
HYPERPARAMETERS = {
    "time_freq": "D",
    "context_length": 14,
    "prediction_length": 7,
    "epochs": 12,
    "learning_rate": 0.01,
    "num_layers": 1,
    "mini_batch_size": 32,
    "early_stopping_patience": 6,
}


def series(size: float, weeks: int, category: int) -> dict[str, Any]:
    return {"start": "2024-01-01", "target": (size * np.tile(WEEK, weeks)).tolist(), "cat": [category]}


def lines(instances: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, instances))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    data = [series(size, 20, int(size > 10)) for size in (1, 3, 10, 30, 100)]
    data[0]["target"][5] = "NaN"
    data[1]["target"][6] = None
    test = lines([series(20, 21, 1)])
    channels = {
        "train": Channel({"a.json": lines(data[:3]), "b.json.gz": gzip.compress(lines(data[3:]).encode())}),
        "test": Channel({"c.json": test}),
    }
    found = train("deepar", tmp_path_factory.mktemp("deepar"), HYPERPARAMETERS, channels)
    assert found.exit_code == 0, found.log
    return found


def forecast(trained: Trained, request: dict[str, Any]) -> Any:
    return json.loads(trained.answer(json.dumps(request), "application/json"))["predictions"]


def test_the_metrics_are_those_of_awss_page_and_better_than_a_flat_forecast(trained: Trained) -> None:
    assert set(trained.metrics) == {"train:loss", "train:final_loss", "test:RMSE", "test:mean_wQuantileLoss"}
    assert "#test_score (algo-1, wQuantileLoss[0.9]): " in trained.log
    assert trained.metrics["train:final_loss"] == [min(trained.metrics["train:loss"])]
    flat = float(np.sqrt(np.mean((20 * WEEK - 20 * WEEK.mean()) ** 2)))
    assert trained.metrics["test:RMSE"][0] < 0.6 * flat


def test_an_answer_has_what_the_configuration_asks_for(trained: Trained) -> None:
    configuration = {"num_samples": 20, "output_types": ["mean", "quantiles", "samples"], "quantiles": ["0.1", "0.90"]}
    (answer,) = forecast(trained, {"instances": [series(5, 8, 0)], "configuration": configuration})
    assert len(answer["mean"]) == 7
    assert np.array(answer["samples"]).shape == (20, 7)
    assert answer["mean"] == pytest.approx(np.mean(answer["samples"], axis=0), rel=1e-4)
    assert set(answer["quantiles"]) == {"0.1", "0.90"}
    assert np.all(np.array(answer["quantiles"]["0.1"]) <= answer["quantiles"]["0.90"])


def test_a_series_forecast_does_not_depend_on_the_others_of_its_request(trained: Trained) -> None:
    alone = forecast(trained, {"instances": [series(5, 8, 0)]})
    among = forecast(trained, {"instances": [series(50, 8, 1), series(5, 8, 0)]})
    assert among[1]["mean"] == pytest.approx(alone[0]["mean"], rel=1e-4)


def test_batch_transform_gives_a_line_a_line(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPAR_INFERENCE_CONFIG", '{"num_samples": 10, "output_types": ["mean"]}')
    monkeypatch.setenv("DEEPAR_FORWARDED_FIELDS", '["id"]')
    body = lines([{**series(5, 8, 0), "id": "first"}, series(7, 8, 0)])
    answers = [json.loads(line) for line in trained.answer(body, "application/jsonlines").splitlines()]
    assert [set(each) for each in answers] == [{"id", "mean"}, {"mean"}]


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        ({"target": [1.0], "cat": [0]}, "needs 'start'"),
        ({"start": "yesterday", "target": [1.0], "cat": [0]}, "'yesterday' is not a time"),
        ({"start": "2024-01-01", "target": [1.0, "x"], "cat": [0]}, "Value 2 of 'target' is 'x', not a number"),
        ({"start": "2024-01-01", "target": [1.0]}, "'cat' has 0 values"),
        ({"start": "2024-01-01", "target": [1.0], "cat": [7]}, "Value 1 of 'cat' is 7"),
        ({"start": "2024-01-01", "target": [1.0], "cat": [0], "dynamic_feat": [[1]]}, "'dynamic_feat' has 1 lists"),
        ({"start": "2024-01-01", "target": [1e300], "cat": [0]}, "not a finite number of 32 bits"),
    ],
    ids=["no start", "no time", "no number", "no category", "another category", "features", "too large"],
)
def test_an_instance_that_the_model_does_not_take_is_refused(
    trained: Trained, instance: dict[str, Any], said: str
) -> None:
    ended = trained.ask(json.dumps({"instances": [instance]}), "application/json")
    assert ended.returncode != 0
    assert said in ended.stderr.decode()
    assert "instance 1" in ended.stderr.decode()


@pytest.mark.parametrize(
    ("changed", "content", "said"),
    [
        ({"time_freq": "fortnight"}, "", "'fortnight' is not an integer followed by"),
        ({}, '{"start": "2024-01-01", "target": [1, 2, 3]}\n{"start"', "train/a.json, line 2"),
        ({}, lines([{"start": "2024-01-01", "target": [1, 2, 3]}]), "must have more values than prediction_length, 7"),
        ({"likelihood": "beta"}, lines([{"start": "2024-01-01", "target": [3.0] * 30}]), "takes values from 0 to 1"),
        (
            {"likelihood": "negative-binomial"},
            lines([{"start": "2024-01-01", "target": [-3.0] * 30}]),
            "takes values from 0",
        ),
        ({}, lines([{"start": "2024-01-01", "target": [None] * 30}]), "no values that are not missing"),
    ],
    ids=["frequency", "cut", "short", "beta", "negative", "missing"],
)
def test_data_and_hyperparameters_that_are_wrong_fail_the_job_with_their_place(
    tmp_path: Path, changed: dict[str, Any], content: str, said: str
) -> None:
    ended = train("deepar", tmp_path, HYPERPARAMETERS | changed, {"train": Channel({"a.json": content})})
    assert ended.exit_code == 2, ended.log
    assert ended.failure.startswith("ClientError: ")
    assert said in ended.failure


def test_smooth_series_are_forecast_better_than_as_their_last_season(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    steps = np.arange(72)
    season = 1 + 0.1 * np.sin(2 * np.pi * steps / 12)
    targets = [(size + slope * steps) * season * random.normal(1, 0.003, 72) for size, slope in ((50, 1), (9, 0.2))]
    series = [{"start": "2018-01-01", "target": target.tolist()} for target in targets * 3]
    given = {"time_freq": "M", "context_length": 12, "prediction_length": 12, "epochs": 2, "num_eval_samples": 50}
    train_ = lines([each | {"target": each["target"][:-12]} for each in series])
    trained = train("deepar", tmp_path, given, {"train": Channel({"a": train_}), "test": Channel({"a": lines(series)})})
    assert trained.exit_code == 0, trained.log
    naive = np.sqrt(np.mean([(target[-12:] - target[-24:-12]) ** 2 for target in targets]))
    assert trained.metrics["test:RMSE"][0] < 0.5 * naive


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "deepar.json").write_text('{"encoder_type": "rnn"}')
    ended = Trained("deepar", tmp_path, 0, "", "").ask('{"instances": []}', "application/json")
    assert ended.returncode == 2
    assert b"The model artifact is not one of DeepAR: deepar.json" in ended.stderr


def test_two_instances_train_one_network_and_go_on_from_the_leaders_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "localhost" / "checkpoints").mkdir(parents=True)
    channels = [{"train": Channel({"a.json": lines([series(size, 20, 0)])})} for size in (1, 30)]
    given = HYPERPARAMETERS | {"num_cells": 30, "epochs": 1}
    begun = train_together("deepar", tmp_path, given, channels)
    whole = train_together("deepar", tmp_path, given | {"epochs": 2}, channels)
    assert [each.failure for each in (*begun, *whole)] == [""] * 4, begun[0].log + whole[1].log
    for each in whole:
        assert "Resuming from the checkpoint after 1 epochs" in each.log
        assert len(each.metrics["train:loss"]) == 1
    assert whole[0].metrics["train:loss"] == whole[1].metrics["train:loss"]
    assert (whole[0].root / "model" / "weights.npz").is_file()
    assert list((whole[1].root / "model").iterdir()) == []


def test_a_checkpoint_of_another_job_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    channels = {"train": Channel({"a.json": lines([series(1, 8, 0)])})}
    given = HYPERPARAMETERS | {"num_cells": 30, "epochs": 1}
    assert train("deepar", tmp_path, given, channels).exit_code == 0
    refused = train("deepar", tmp_path, given | {"num_cells": 40}, channels)
    assert refused.failure.startswith("ClientError: The checkpoint is of another job: ")
