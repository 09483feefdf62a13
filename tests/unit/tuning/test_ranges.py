"""Ranges of hyperparameters, and their values as text."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.tuning.autotune import guessed
from sagesmith.tuning.ranges import Categorical, InvalidRange, Numeric, combination, combinations, parse


def numeric(low: str, high: str, scaling: str | None = None, whole: bool = False) -> Numeric:
    member = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
    given_range = {"Name": "p", "MinValue": low, "MaxValue": high}
    (found,) = parse({member: [{**given_range, "ScalingType": scaling} if scaling else given_range]})
    assert isinstance(found, Numeric)
    return found


@pytest.mark.parametrize(
    ("low", "high", "scaling", "whole", "said"),
    [
        ("2", "1", None, False, "its MinValue 2 is greater than its MaxValue 1"),
        ("5", "1", "Linear", True, "its MinValue 5 is greater than its MaxValue 1"),
        ("0", "1", "Logarithmic", False, "only values greater than 0"),
        ("0", "9", "Logarithmic", True, "only values greater than 0"),
        ("0", "1", "ReverseLogarithmic", False, "entirely within the range 0 <= x < 1.0"),
        ("1", "2", "ReverseLogarithmic", True, "supported only for continuous ranges"),
        ("a", "1", None, False, "is not a number: 'a'"),
        ("nan", "1", None, False, "is not a number"),
        ("0", "inf", None, False, "is not a number"),
        ("0.5", "1", None, True, "is not an integer: '0.5'"),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused(
    low: str, high: str, scaling: str | None, whole: bool, said: str
) -> None:
    with pytest.raises(InvalidRange, match=said):
        numeric(low, high, scaling, whole)


def test_a_name_or_a_value_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidRange, match="has the value a more than once"):
        parse({"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "a"]}]})
    with pytest.raises(InvalidRange, match="The hyperparameter c has more than one range"):
        parse({"CategoricalParameterRanges": [{"Name": "c", "Values": ["a"]}, {"Name": "c", "Values": ["b"]}]})


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [("0.001", "1", "Logarithmic"), ("0.01", "1", "Linear"), ("0", "1000", "Linear"), ("-1", "1000", "Linear")],
)
def test_auto_is_logarithmic_over_three_orders_of_magnitude(low: str, high: str, scale: str) -> None:
    assert numeric(low, high).scale == numeric(low, high, "Auto").scale == scale


@given(st.floats(0, 1), st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic"]))
def test_a_value_lies_within_its_range_and_is_read_as_it_was_written(place: float, scaling: str) -> None:
    searched = numeric("0.0001", "0.9999", scaling)
    text = searched.at(place)
    assert searched.number(text) == float(text)


@given(st.floats(0, 1), st.sampled_from(["Linear", "Logarithmic"]))
def test_a_whole_number_is_written_as_one(place: float, scaling: str) -> None:
    text = numeric("1", "7", scaling, whole=True).at(place)
    assert text.isdigit()
    assert 1 <= int(text) <= 7


def test_half_of_a_logarithmic_range_lies_below_its_geometric_mean() -> None:
    assert float(numeric("0.0001", "1", "Logarithmic").at(0.5)) == pytest.approx(0.01)
    assert float(numeric("0", "0.9999", "ReverseLogarithmic").at(0.5)) == pytest.approx(0.99)
    assert float(numeric("0", "10", "Linear").at(0.5)) == 5


def test_every_whole_number_of_a_linear_range_comes_as_often_as_the_others() -> None:
    searched, generator = numeric("1", "4", "Linear", whole=True), random.Random(1)
    drawn = [searched.at(generator.random()) for _ in range(4000)]
    assert all(900 < drawn.count(each) < 1100 for each in "1234")


def test_the_combinations_of_a_finite_space_are_numbered() -> None:
    space = (Categorical("a", ("x", "y")), numeric("1", "3", whole=True))
    assert combinations(space) == 6
    found = [tuple(combination(space, number).values()) for number in range(6)]
    assert found == [(a, n) for a in ("x", "y") for n in ("1", "2", "3")]
    assert combinations((numeric("0", "1"),)) == math.inf


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("100", Numeric("p", 10, 1000, True, "Logarithmic")),
        ("1", Numeric("p", 1, 10, True, "Logarithmic")),
        ("0", Numeric("p", 0, 10, True)),
        ("-5", Numeric("p", -50, -1, True)),
        ("0.0", Numeric("p", 0.0, 1.0)),
        ("2.5", Numeric("p", 0.25, 25.0, scale="Logarithmic")),
        ("0.8", Numeric("p", 0.08, 1.0, scale="Logarithmic")),
        ('"adam"', Categorical("p", ('"adam"',))),
    ],
)
def test_a_range_is_guessed_around_an_example(hint: str, expected: Any) -> None:
    found = guessed("p", hint)
    assert found.has(hint)
    if isinstance(expected, Numeric):
        assert isinstance(found, Numeric)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert (found.whole, found.scale) == (expected.whole, expected.scale)
    else:
        assert found == expected
