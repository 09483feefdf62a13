"""Frequencies: steps in time, what dates say, which earlier values are looked at."""

import numpy as np
import pytest

from sagesmith.algorithms.deepar.calendar import Frequency


@pytest.mark.parametrize(
    ("text", "start", "last"),
    [
        ("M", "2024-01-31 00:00:00", "2024-04"),
        ("3M", "2024-01-15", "2024-10"),
        ("W", "2024-01-01", "2024-01-22"),
        ("D", "2024-02-27 13:00:00", "2024-03-01"),
        ("2H", "2024-01-01 05:30:00", "2024-01-01T11"),
        ("5min", "2024-01-01 00:02:30", "2024-01-01T00:17"),
    ],
)
def test_steps_follow_each_other_in_the_calendar(text: str, start: str, last: str) -> None:
    times = Frequency.parse(text).times(start, 4)
    assert str(times[-1]) == last


@pytest.mark.parametrize("text", ["", "Y", "0D", "-1H", "1.5D", "D5", "99999min"])
def test_what_is_no_frequency_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an integer followed by"):
        Frequency.parse(text)


@pytest.mark.parametrize("text", ["M", "12M", "W", "D", "H", "24H", "15min", "min", "1000min"])
def test_lags_are_earlier_values_each_once(text: str) -> None:
    lags = Frequency.parse(text).lags
    assert lags == sorted(set(lags))
    assert lags[:7] == [1, 2, 3, 4, 5, 6, 7]


def test_a_day_looks_back_at_weeks_and_a_year_and_an_hour_at_days() -> None:
    assert {7, 14, 21, 28, 365} <= set(Frequency.parse("D").lags)
    assert {23, 24, 25, 168} <= set(Frequency.parse("H").lags)
    assert {12, 24, 36} <= set(Frequency.parse("M").lags)


@pytest.mark.parametrize("text", ["M", "W", "D", "H", "min"])
def test_dates_say_numbers_around_zero(text: str) -> None:
    frequency = Frequency.parse(text)
    features = frequency.features(frequency.times("2023-12-31 23:59:00", 500))
    assert features.dtype == np.float32
    assert np.abs(features).max() <= 0.5
    assert len({tuple(row) for row in features.tolist()}) > 5


def test_mondays_and_sundays_are_the_ends_of_the_week() -> None:
    frequency = Frequency.parse("D")
    week = frequency.features(frequency.times("2024-01-01", 7))[:, 0]
    assert week[0] == -0.5
    assert week[-1] == 0.5
