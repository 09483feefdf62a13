"""A fixed number of rows of a stream."""

import numpy as np

from sagesmith.algorithms.run.sample import Sample


def numbered(first: int, count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.arange(first, first + count, dtype=np.float32)[:, None]


def test_few_rows_are_all_kept() -> None:
    sample = Sample(10, 1)
    sample.update(numbered(0, 7))
    assert sample.complete
    assert sorted(sample.rows()[:, 0]) == list(range(7))


def test_no_row_is_kept_twice_and_none_is_preferred() -> None:
    counts = np.zeros(1000)
    for seed in range(200):
        sample = Sample(50, 1, seed=seed)
        for first in range(0, 1000, 100):
            sample.update(numbered(first, 100))
        rows = sample.rows()[:, 0].astype(int)
        assert len(set(rows)) == 50
        counts[rows] += 1
    # Of 200 draws with a chance of 1 in 20: 10 on average, for the early rows and the late ones.
    means = counts.reshape(10, 100).mean(axis=1)
    assert np.all(np.abs(means - 10) < 1.5)


def test_a_sample_that_was_restored_goes_on_as_if_nothing_had_happened() -> None:
    through, stopped = Sample(20, 1), Sample(20, 1)
    for first in range(0, 300, 30):
        through.update(numbered(first, 30))
        stopped.update(numbered(first, 30))
        stopped = Sample(20, 1).restored(stopped.arrays())
    np.testing.assert_array_equal(through.rows(), stopped.rows())


def test_samples_merge_into_that_of_all_rows() -> None:
    one, two = Sample(20, 1, rank=0), Sample(20, 1, rank=1)
    one.update(numbered(0, 100))
    two.update(numbered(100, 100))
    both = np.concatenate([one.arrays()["sample_priorities"], two.arrays()["sample_priorities"]])
    rows = np.concatenate([one.rows(), two.rows()])[np.argsort(-both)[:20]]
    one.merge([two])
    np.testing.assert_array_equal(one.rows(), rows)
    assert one.seen == 200
