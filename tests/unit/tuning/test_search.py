"""Which values the next trial gets."""

import math
import statistics
from collections.abc import Callable, Mapping

import pytest

from sagesmith.tuning.ranges import Space, parse
from sagesmith.tuning.search import Strategy, Trial, by_rank, propose

Function = Callable[[Mapping[str, str]], float]

PLANE = parse(
    {
        "ContinuousParameterRanges": [
            {"Name": "x", "MinValue": "-5", "MaxValue": "10"},
            {"Name": "y", "MinValue": "0", "MaxValue": "15"},
        ]
    }
)
MIXED = parse(
    {
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"},
            {"Name": "momentum", "MinValue": "0.5", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"},
        ],
        "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "12"}],
        "CategoricalParameterRanges": [
            {"Name": "kernel", "Values": ['"rbf"', '"poly"', '"linear"']},
            {"Name": "only", "Values": ["1"]},
        ],
    }
)


def branin(values: Mapping[str, str]) -> float:
    """A function of two numbers with the minimum 0.397887 at three places
    (https://www.sfu.ca/~ssurjano/branin.html)."""
    x, y = float(values["x"]), float(values["y"])
    bend = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return bend + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def loss(values: Mapping[str, str]) -> float:
    """A function of five hyperparameters with the minimum 0."""
    return (
        (math.log10(float(values["rate"])) + 2) ** 2
        + (math.log10(1 - float(values["momentum"])) + 1) ** 2
        + ((int(values["depth"]) - 6) / 6) ** 2
        + (values["kernel"] != '"rbf"')
    )


def searched(space: Space, strategy: Strategy, seed: int, function: Function, trials: int) -> list[Trial]:
    """The trials of a search, one after the other."""
    history: list[Trial] = []
    for number in range(trials):
        values = propose(space, strategy, str(seed), number, history, maximize=False)
        history.append(Trial(values, function(values)))
    return history


@pytest.mark.parametrize(
    ("space", "function", "trials"), [(PLANE, branin, 50), (MIXED, loss, 30)], ids=["branin", "mixed"]
)
def test_bayesian_search_beats_random_search_in_the_median_of_20_seeds(
    space: Space, function: Function, trials: int
) -> None:
    found = {}
    for strategy in ("Bayesian", "Random"):
        histories = (searched(space, strategy, seed, function, trials) for seed in range(20))
        best = [min(trial.value or 0.0 for trial in history) for history in histories]
        found[strategy] = statistics.median(best)
    assert found["Bayesian"] < found["Random"], found


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
def test_every_proposed_value_lies_within_its_range(strategy: Strategy) -> None:
    for trial in searched(MIXED, strategy, 3, loss, trials=25):
        assert [each.has(trial.parameters[each.name]) for each in MIXED] == [True] * 5


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
def test_the_same_seed_and_history_propose_the_same(strategy: Strategy) -> None:
    assert searched(PLANE, strategy, 1, branin, trials=14) == searched(PLANE, strategy, 1, branin, trials=14)
    assert searched(PLANE, strategy, 1, branin, trials=3) != searched(PLANE, strategy, 2, branin, trials=3)


def test_a_bayesian_search_goes_where_more_is_better_if_it_is_to_maximize() -> None:
    history = [Trial({"x": str(x), "y": "5"}, float(x)) for x in range(-5, 10)]
    low = propose(PLANE, "Bayesian", "s", 20, history, maximize=False)
    high = propose(PLANE, "Bayesian", "s", 20, history, maximize=True)
    assert float(low["x"]) < float(high["x"])


def test_trials_that_run_and_parents_that_lie_outside_are_no_hindrance() -> None:
    history = searched(MIXED, "Random", 5, loss, trials=12)
    running = [Trial(each.parameters, running=True) for each in history[:2]]
    outside = [Trial({"rate": "50", "depth": "99"}, 0.1), Trial({"another": "1"}, 0.1)]
    failed = [Trial(history[3].parameters)]
    values = propose(MIXED, "Bayesian", "s", 20, [*outside, *history, *running, *failed], maximize=False)
    assert all(each.has(values[each.name]) for each in MIXED)


def test_what_was_tried_is_not_proposed_again_as_long_as_there_is_something_else() -> None:
    space = parse({"IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "30"}]})
    history: list[Trial] = []
    for number in range(30):
        values = propose(space, "Bayesian", "s", number, history, maximize=False)
        history.append(Trial(values, float(values["n"])))
    assert sorted(int(trial.parameters["n"]) for trial in history) == list(range(1, 31))
    assert propose(space, "Random", "s", 30, history, maximize=False)["n"]


def test_ranks_keep_the_order_and_forget_the_scale() -> None:
    trials = [Trial({"x": "1"}, 900.0), Trial({"x": "2"}, -3.0), Trial({"x": "3"}), Trial({"x": "4"}, 900.0)]
    assert [each.value for each in by_rank(trials)] == [0.75, 0.25, None, 0.75]
