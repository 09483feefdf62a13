"""Factorization Machines as its image trains and answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagesmith.algorithms.data import protobuf, recordio
from tests.algorithms.harness import Channel, Trained, train

RECORDIO = "application/x-recordio-protobuf"
PEOPLE, FILMS = 40, 30


def ratings() -> tuple[Any, Any, Any]:
    """Who rates what how: what people like is a product, which no linear model has."""
    random = np.random.default_rng(0)
    people, films = random.integers(PEOPLE, size=4000), random.integers(FILMS, size=4000)
    tastes, kinds = random.normal(size=(PEOPLE, 2)), random.normal(size=(FILMS, 2))
    noise = 0.1 * random.normal(size=4000)
    return people, films, (3 + (tastes[people] * kinds[films]).sum(axis=1) + noise).astype(np.float32)


def records(people: Any, films: Any, labels: Any) -> bytes:
    def record(person: int, film: int, label: float) -> bytes:
        sparse = protobuf.Sparse(np.ones(2, np.float32), np.array([person, PEOPLE + film]), PEOPLE + FILMS)
        return protobuf.write({"values": sparse}, {"values": np.array([label], np.float32)})

    return recordio.write(record(*row) for row in zip(people.tolist(), films.tolist(), labels.tolist(), strict=True))


VALUES = {
    "feature_dim": PEOPLE + FILMS,
    "num_factors": 4,
    "mini_batch_size": 100,
    "linear_lr": 0.02,
    "factors_lr": 0.02,
    "factors_init_sigma": 0.1,
}


def trained(root: Path, kind: str, epochs: int) -> Trained:
    people, films, labels = ratings()
    if kind == "binary_classifier":
        labels = (labels > 3).astype(np.float32)
    channels = {
        "train": Channel({"a.pbr": records(people[:3600], films[:3600], labels[:3600])}),
        "test": Channel({"b.pbr": records(people[3600:], films[3600:], labels[3600:])}),
    }
    ended = train("factorization_machines", root, VALUES | {"predictor_type": kind, "epochs": epochs}, channels)
    assert ended.failure == ""
    return ended


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("regressor"), "regressor", 40)


def test_interactions_are_learned(regressor: Trained) -> None:
    _, _, labels = ratings()
    assert labels[3600:].std() > 1
    assert regressor.metrics["test:rmse"][0] < 0.2
    errors = regressor.metrics["train:rmse:epoch"]
    assert len(errors) == 40
    assert errors[-1] < errors[0]


def test_all_formats_of_requests_have_the_same_answers(regressor: Trained) -> None:
    people, films, labels = ratings()
    keys = [int(people[-1]), PEOPLE + int(films[-1])]
    sparse = {"data": {"features": {"keys": keys, "shape": [PEOPLE + FILMS], "values": [1, 1]}}}
    dense = [float(place in keys) for place in range(PEOPLE + FILMS)]
    bodies = [
        (json.dumps({"instances": [sparse]}), "application/json"),
        (json.dumps({"instances": [{"features": dense}]}), "application/json"),
        (json.dumps(sparse), "application/jsonlines"),
        (records(people[-1:], films[-1:], labels[-1:]), RECORDIO),
    ]
    answers = [json.loads(regressor.answer(*body, "application/json"))["predictions"] for body in bodies]
    assert [list(answer[0]) for answer in answers] == [["score"]] * 4
    assert [answer[0]["score"] for answer in answers] == pytest.approx([answers[0][0]["score"]] * 4, abs=1e-5)
    assert abs(answers[0][0]["score"] - labels[-1]) < 0.6


def test_a_classifier_answers_with_probability_and_label(tmp_path: Path) -> None:
    ended = trained(tmp_path, "binary_classifier", 20)
    assert ended.metrics["test:binary_classification_accuracy"][0] > 0.9
    assert {"test:binary_f_beta", "test:binary_classification_cross_entropy"} <= set(ended.metrics)
    people, films, labels = ratings()
    body = records(people[:50], films[:50], labels[:50])
    answers = json.loads(ended.answer(body, RECORDIO, "application/json"))["predictions"]
    assert all((each["score"] >= 0.5) == each["predicted_label"] for each in answers)


@pytest.mark.parametrize(
    ("values", "content", "said"),
    [
        ({"predictor_type": "binary_classifier"}, records(*(each[:5] for each in ratings())), "must be 0 or 1"),
        ({"feature_dim": 50}, records(*(each[:50] for each in ratings())), "50"),
        ({}, records(*(each[:5] for each in ratings()))[:-3], "ends within"),
        ({}, b"1,2,3\n", "magic number"),
        ({"factors_lr": 1e30, "epochs": 2}, records(*(each[:200] for each in ratings())), "The loss is not a number"),
    ],
    ids=["label", "dimension", "cut", "text", "diverging"],
)
def test_bad_data_ends_the_job_with_a_client_error(
    values: dict[str, object], content: bytes, said: str, tmp_path: Path
) -> None:
    given = VALUES | {"predictor_type": "regressor"} | values
    ended = train("factorization_machines", tmp_path, given, {"train": Channel({"x.pbr": content})})
    assert ended.exit_code == 2
    assert ended.failure.startswith("ClientError: ")
    assert said in ended.failure


def test_a_model_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"algorithm": "linear-learner"}')
    ended = Trained("factorization_machines", tmp_path, 0, "", "").ask("{}", "application/json")
    assert b"ClientError: The model artifact is not one of Factorization Machines: it is one of linear" in ended.stderr
