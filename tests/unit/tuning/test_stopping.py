"""Whether a trial that runs is worth going on with, and whether a search is."""

import pytest

from sagesmith.tuning.completion import Progress, progress, reaches
from sagesmith.tuning.stopping import bracket_of, brackets, falls_behind, is_below_median


def test_a_trial_is_compared_with_the_median_of_running_averages_up_to_its_epoch() -> None:
    completed = [[1.0, 0.0, 0.0], [3.0, 1.0, 0.0], [5.0, 3.0, 0.0]]
    # Averages up to the second epoch are 0.5, 2 and 4.
    assert not is_below_median([9.0, 1.9], completed, maximize=False)
    assert is_below_median([0.0, 2.1], completed, maximize=False)
    assert is_below_median([9.0, 1.9], completed, maximize=True)
    assert not is_below_median([0.0, 2.1], completed, maximize=True)


def test_nothing_is_stopped_before_enough_trials_have_completed_or_it_has_said_anything() -> None:
    assert not is_below_median([9.0], [[0.0], [0.0], []], maximize=False)
    assert not is_below_median([], [[0.0]] * 5, maximize=False)


def test_hyperband_has_the_brackets_of_its_authors() -> None:
    assert brackets(1, 81) == [
        (81, [1, 3, 9, 27]),
        (34, [3, 9, 27]),
        (15, [9, 27]),
        (8, [27]),
        (5, []),
    ]
    assert brackets(5, 5) == [(1, [])]


@pytest.mark.parametrize(("number", "bracket"), [(0, 0), (8, 0), (9, 1), (13, 1), (14, 2), (16, 2), (17, 0)])
def test_trials_fill_one_bracket_after_the_other(number: int, bracket: int) -> None:
    assert brackets(1, 9) == [(9, [1, 3]), (5, [3]), (3, [])]
    assert bracket_of(number, 1, 9)[0] == bracket


def test_of_three_trials_at_a_rung_the_best_goes_on() -> None:
    values = [[0.1], [0.2], [0.3]]
    behind = [falls_behind(own, [1, 3], [peer for peer in values if peer is not own], maximize=False) for own in values]
    assert behind == [False, True, True]
    behind = [falls_behind(own, [1, 3], [peer for peer in values if peer is not own], maximize=True) for own in values]
    assert behind == [True, True, False]


def test_the_first_trials_at_a_rung_and_those_between_rungs_go_on() -> None:
    assert not falls_behind([9.0], [1, 3], [[0.1]], maximize=False)
    assert not falls_behind([9.0, 9.0], [3], [[0.1] * 3] * 9, maximize=False)
    assert falls_behind([9.0, 9.0, 9.0], [3], [[0.1] * 3] * 9, maximize=False)


def test_less_than_a_hundredth_better_is_no_improvement() -> None:
    assert progress([], maximize=False) == Progress(None, 0)
    assert progress([1.0, 0.995, 0.992, 0.98, 0.979], maximize=False) == Progress(0.979, 1)
    assert progress([1.0, 1.005, 0.5], maximize=True) == Progress(1.005, 2)
    # What creeps is an improvement once it has added up.
    assert progress([1.0, 0.994, 0.989], maximize=False) == Progress(0.989, 0)
    assert progress([0.0, 0.0, 0.1], maximize=True) == Progress(0.1, 0)


def test_a_target_is_reached_from_its_own_side() -> None:
    assert reaches(0.9, 0.9, maximize=True)
    assert not reaches(0.89, 0.9, maximize=True)
    assert reaches(0.1, 0.2, maximize=False)
    assert not reaches(0.3, 0.2, maximize=False)
