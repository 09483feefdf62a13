"""What follows from the figures of a load test."""

import math
import re

import pytest

from sagesmith.services.sagemaker.recommender.measures import Conditions, Measured, best, over


def levels(*figures: tuple[float, float]) -> list[Measured]:
    """Levels of these invocations a minute and latencies, of 1, 2, 4, … users."""
    return [Measured(2**number, *each, 0.0) for number, each in enumerate(figures)]


@pytest.mark.parametrize(
    ("measured", "conditions", "words"),
    [
        ([], Conditions(), ""),
        (levels((100, 5)), Conditions(), ""),
        (levels((100, 5), (200, 5)), Conditions(), ""),
        (levels((100, 5), (104, 9)), Conditions(), "levelled off at 104"),
        (levels((100, 5), (90, 9)), Conditions(), "levelled off at 100"),
        (levels((100, 5), (90, 9)), Conditions(flat=False), ""),
        (levels((100, 5), (200, 11)), Conditions(latency_ms=10), r"latency \(p95\) is 11 ms"),
        (levels((100, 5), (200, 6)), Conditions(per_minute=150), "200 invocations a minute"),
    ],
    ids=["nothing", "first", "grows", "flat", "falls", "goes on", "latency", "enough"],
)
def test_a_load_test_is_over_when_a_condition_is_met(
    measured: list[Measured], conditions: Conditions, words: str
) -> None:
    said = over(measured, conditions)
    assert bool(said) == bool(words)
    assert re.search(words, said)


def test_the_figures_are_those_of_the_level_where_invocations_begin_to_level_off() -> None:
    measured = levels((100, 5), (196, 6), (200, 12), (198, 24))
    assert best(measured, Conditions()) == measured[1]


def test_a_level_above_the_latency_or_of_failures_does_not_count() -> None:
    slow = levels((100, 5), (200, 11))
    assert best(slow, Conditions(latency_ms=10)) == slow[0]
    assert best([Measured(1, 100, 5, 0.6)], Conditions()) is None
    assert best([Measured(1, 0, math.nan, 0.0)], Conditions()) is None
    assert best(levels((100, 20)), Conditions(latency_ms=10)) is None
