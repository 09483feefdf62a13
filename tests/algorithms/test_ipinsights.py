"""IP Insights, trained and asked as its image does."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained

GIVEN: dict[str, object] = {
    "num_entity_vectors": 200,
    "vector_dim": 16,
    "epochs": 10,
    "learning_rate": 0.01,
    "mini_batch_size": 200,
}


def logins(seed: int, each: int) -> str:
    """Users who log in from a network of their own."""
    rng = np.random.default_rng(seed)
    lines = [f"user_{user},10.{user}.{rng.integers(4)}.{rng.integers(256)}" for user in range(100) for _ in range(each)]
    return "\n".join(rng.permutation(lines)) + "\n"


@pytest.fixture(scope="module")
def insights(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    channels = {
        "train": Channel({"a.csv": logins(0, 50), "b.csv": logins(1, 50)}, "text/csv"),
        "validation": Channel({"a.csv": logins(2, 5)}, "text/csv"),
    }
    return harness.train("ipinsights", tmp_path_factory.mktemp("insights"), GIVEN, channels)


def test_pairs_that_are_seen_are_told_from_random_ones(insights: Trained) -> None:
    scores = insights.metrics["validation:discriminator_auc"]
    assert len(scores) == 10
    assert scores[-1] > 0.98, insights.log


def test_an_address_of_another_users_network_goes_less_well_with_an_entity(insights: Trained) -> None:
    own = "".join(f"user_{user},10.{user}.1.77\n" for user in range(100))
    others = "".join(f"user_{user},10.{(user + 37) % 100}.1.77\n" for user in range(100))
    products = [
        [each["dot_product"] for each in json.loads(insights.answer(rows, "text/csv"))["predictions"]]
        for rows in (own, others)
    ]
    assert np.mean(np.array(products[0]) > np.array(products[1])) > 0.9


def test_a_verbose_answer_has_the_vectors(insights: Trained) -> None:
    request = '{"instances": [{"features": ["user_1", "10.1.1.1"]}]}'
    (found,) = json.loads(insights.answer(request, "application/json", "application/json;verbose=True"))["predictions"]
    assert list(found) == ["dot_product", "entity_embedding", "ip_embedding"]
    assert np.dot(found["entity_embedding"], found["ip_embedding"]) == pytest.approx(found["dot_product"], rel=1e-4)


def test_a_pairs_answer_does_not_depend_on_the_others_of_its_request(insights: Trained) -> None:
    rows = [f"user_{user},10.{user}.2.3" for user in range(100)]
    together = insights.answer("\n".join(rows), "text/csv", "application/jsonlines").splitlines()
    assert insights.answer(rows[3], "text/csv", "application/jsonlines").splitlines() == [together[3]]


def test_a_row_that_is_no_pair_is_named(tmp_path: Path) -> None:
    channels = {"train": Channel({"a.csv": "entity,ip\nuser,10.0.0.1\n"}, "text/csv")}
    trained = harness.train("ipinsights", tmp_path, GIVEN, channels)
    assert trained.exit_code == 2
    assert trained.failure == (
        "ClientError: Unable to read data in file train/a.csv, line 1, column 2: "
        "'ip' is not an IPv4 address in decimal-dot notation"
    )


def test_an_empty_channel_is_refused(tmp_path: Path) -> None:
    trained = harness.train("ipinsights", tmp_path, GIVEN, {"train": Channel({"a.csv": "\n"}, "text/csv")})
    assert trained.failure == "ClientError: Unable to read data channel 'train': it has no data"


def test_a_learning_rate_at_which_nothing_is_learned_is_said_to_be_too_high(tmp_path: Path) -> None:
    given = {**GIVEN, "epochs": 2, "mini_batch_size": 10, "learning_rate": 10, "num_ip_encoder_layers": 30}
    failed = harness.train("ipinsights", tmp_path, given, {"train": Channel({"a.csv": logins(0, 20)}, "text/csv")})
    assert failed.exit_code == 2
    assert failed.failure.startswith("ClientError: The loss is ")
    assert "lower learning_rate" in failed.failure
