"""A sample of a stream's rows."""

import numpy as np
import pytest

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.run.reservoir import Reservoir
from sagesmith.algorithms.run.state import pack, unpack


def batches(rows: int, size: int, first: int = 0) -> list[Batch]:
    """Rows that are their own numbers, and labels that are the same."""
    numbers = np.arange(first, first + rows, dtype=np.float32)
    return list(Batch(numbers[:, None], numbers).pieces(size))


def fed(reservoir: Reservoir, rows: int, size: int = 500, first: int = 0) -> Reservoir:
    for batch in batches(rows, size, first):
        reservoir.update(batch)
    return reservoir


def test_a_sample_of_fewer_rows_than_it_has_room_for_has_all() -> None:
    rows, labels = fed(Reservoir(10_000), 1300).sample()
    assert sorted(rows[:, 0]) == sorted(labels) == list(range(1300))


def test_a_sample_has_distinct_rows_with_their_own_labels() -> None:
    rows, labels = fed(Reservoir(100), 20_000).sample()
    assert rows.shape == (100, 1)
    assert len(set(labels)) == 100
    assert (rows[:, 0] == labels).all()


def test_every_part_of_the_stream_is_drawn_from_alike() -> None:
    drawn = np.concatenate([fed(Reservoir(200, seed=seed), 10_000).sample()[1] for seed in range(20)])
    tenths = np.histogram(drawn, 10, (0, 10_000))[0]
    # 400 are expected of each, with a standard deviation of 19.
    assert (abs(tenths - 400) < 95).all()


def test_memory_stays_that_of_the_sample_however_many_rows_there_are() -> None:
    reservoir = fed(Reservoir(1000), 200_000, size=50_000)
    assert len(reservoir._rows) <= 1000 + 1024
    assert reservoir.seen == 200_000


def test_a_saved_sample_goes_on_as_if_nothing_had_happened() -> None:
    whole = fed(fed(Reservoir(300), 5000), 5000, first=5000)
    first = fed(Reservoir(300), 5000)
    second = Reservoir(300)
    second.restore(unpack(pack(first.arrays())))
    fed(second, 5000, first=5000)
    assert second.seen == 10_000
    assert sorted(second.sample()[1]) == sorted(whole.sample()[1])


def test_samples_of_several_instances_are_one_of_all_rows() -> None:
    one, other = fed(Reservoir(400, rank=0), 4000), fed(Reservoir(400, rank=1), 12_000, first=4000)
    one.merge([other])
    labels = one.sample()[1]
    assert one.seen == 16_000
    assert len(set(labels)) == 400
    # A quarter of the rows were the first one's: 100 are expected, with a standard deviation of 9.
    assert 55 < (labels < 4000).sum() < 145


def test_an_instance_without_rows_adds_nothing() -> None:
    one = fed(Reservoir(50), 500)
    before = sorted(one.sample()[1])
    one.merge([Reservoir(50, rank=1)])
    assert sorted(one.sample()[1]) == before


@pytest.mark.parametrize("rows", [0, 1, 4096, 5000])
def test_only_rows_that_come_in_are_prepared(rows: int) -> None:
    reservoir = fed(Reservoir(5000, prepare=lambda values: values[:, :1] * 2), rows)
    found = reservoir.sample()[0]
    assert (found is None) if rows == 0 else sorted(found[:, 0]) == [2 * number for number in range(rows)]


def test_a_shuffled_sample_has_the_same_rows_in_another_order() -> None:
    few = fed(Reservoir(10_000), 1300)
    rows = few.shuffled()[:, 0]
    assert sorted(rows) == list(range(1300)) and list(rows) != sorted(rows)
    assert few.complete and not fed(Reservoir(1000), 1300).complete
