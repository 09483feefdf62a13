"""IP Insights' pairs, network and state."""

import tracemalloc

import numpy as np
import pytest

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.ipinsights.declaration import ALGORITHM
from sagesmith.algorithms.ipinsights.model import Insights
from sagesmith.algorithms.ipinsights.network import Network
from sagesmith.algorithms.ipinsights.pairs import Numbers, decode
from sagesmith.algorithms.ipinsights.state import Learner
from sagesmith.algorithms.ipinsights.train import area_under_curve
from sagesmith.algorithms.run.state import pack, unpack

VALUES = ALGORITHM.schema.read({"num_entity_vectors": "50", "vector_dim": "6"})


def pairs(rows: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(np.column_stack([rng.integers(0, 50, rows), rng.integers(0, 1 << 32, rows)]))


def learner(rank: int = 0) -> Learner:
    return Learner(VALUES, rank, lambda batch, speed: None)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('user_1, 192.168.1.2\n"user_2",10.10.1.2\n', "text/csv"),
        (
            '{"instances": [{"data": {"features": {"values": ["user_1", "192.168.1.2"]}}},'
            ' {"features": ["user_2", "10.10.1.2"]}]}',
            "application/json",
        ),
        (
            '{"data": {"features": {"values": ["user_1", "192.168.1.2"]}}}\n{"features": ["user_2", "10.10.1.2"]}',
            "application/jsonlines",
        ),
    ],
    ids=["csv", "json", "jsonlines"],
)
def test_requests_have_the_forms_of_awss_page(body: str, content_type: str) -> None:
    found = decode(body.encode(), content_type, Numbers(1 << 40))
    assert found[:, 1].tolist() == [0xC0A80102, 0x0A0A0102]
    assert found[:, 0].tolist() == [Numbers(1 << 40).entity("user_1"), Numbers(1 << 40).entity("user_2")]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("user,10.0.0.1\nuser,10.0.0", "line 2, column 2: '10.0.0' is not an IPv4 address"),
        ("user,10.0.0.256", "line 1, column 2"),
        ("user,::1", "is not an IPv4 address"),
        ("user", "line 1: A row has 2 columns"),
        (",10.0.0.1", "line 1, column 1: The entity is empty"),
        ("", "no rows"),
    ],
)
def test_what_is_no_pair_is_named(body: str, named: str) -> None:
    with pytest.raises(BadRequest) as raised:
        decode(body.encode(), "text/csv", Numbers(10))
    assert named in str(raised.value)


def test_made_up_pairs_are_needed() -> None:
    none = {"random_negative_sampling_rate": "0", "shuffled_negative_sampling_rate": "0"}
    with pytest.raises(CustomerError, match="must be greater than 0"):
        ALGORITHM.schema.read({"num_entity_vectors": "50", "vector_dim": "6"} | none)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_gradients_are_those_of_the_loss(layers: int) -> None:
    made = Network.random(10, 4, layers, seed=3)
    network = Network.of({name: each.astype(np.float64) for name, each in made.arrays().items()})
    rng = np.random.default_rng(0)
    for offset in network.offsets:
        # A rectifier of exactly 0 has no gradient.
        np.add(offset, rng.normal(size=len(offset)), out=offset)
    entities, addresses = np.arange(8), rng.integers(0, 1 << 32, 8)
    labels = (rng.random(8) > 0.5).astype(np.float64)
    _, gradients, of_entities = network.gradients(entities, addresses, labels)
    gradients["entities"] = np.zeros_like(network.entities)
    gradients["entities"][:8] = of_entities
    for name, values in network.arrays().items():
        place = tuple(0 for _ in values.shape) if name != "entities" else (3, 1)
        before = values[place]
        losses = []
        for step in (-1e-5, 1e-5):
            values[place] = before + step
            losses.append(network.gradients(entities, addresses, labels)[0] / 8)
        values[place] = before
        assert gradients[name][place] == pytest.approx((losses[1] - losses[0]) / 2e-5, rel=1e-3, abs=1e-7)


def test_a_saved_learner_goes_on_as_if_nothing_had_happened() -> None:
    whole, first, second = learner(), learner(), learner()
    for state in (whole, first):
        state.update(pairs(40, 0))
    second.restore(unpack(pack(first.arrays())))
    for state in (whole, second):
        state.update(pairs(30, 1))
    for name, values in whole.arrays().items():
        np.testing.assert_array_equal(values, second.arrays()[name])


def test_learners_merge_into_their_mean_by_rows() -> None:
    one, other = learner(0), learner(1)
    one.update(pairs(30, 0))
    other.update(pairs(10, 1))
    expected = 0.75 * one.network.entities + 0.25 * other.network.entities
    one.merge([other])
    np.testing.assert_allclose(one.network.entities, expected, rtol=1e-5)


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_curve(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(0.875)


def test_a_server_remembers_nothing_of_what_it_was_asked() -> None:
    model = Insights(Network.random(50, 6, 1))
    tracemalloc.start()
    try:
        for number in range(20):
            model.answer(f"{number}{'x' * 100_000},10.0.0.{number}".encode(), "text/csv", "*/*")
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 200_000


def test_a_request_of_many_short_rows_takes_no_more_memory_than_some() -> None:
    model = Insights(Network.random(50, 2048, 1))
    tracemalloc.start()
    try:
        model.predict(np.zeros((20_000, 2), np.int64), verbose=False)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All vectors at once would take 20,000 x 2,048 x 8 bytes several times.
    assert most < 150 << 20
