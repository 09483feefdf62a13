"""The table of prices that is shipped, and one of the user's own."""

from pathlib import Path

import pytest

from sagesmith.compute.instances import size_of
from sagesmith.services.sagemaker.recommender.prices import PricesUnreadable, read


def test_the_shipped_prices_say_where_they_are_from_and_of_when() -> None:
    prices = read(None)
    assert prices.source.startswith("https://aws.amazon.com/sagemaker/pricing/")
    assert prices.date.startswith("20")
    assert prices.currency == "USD"


def test_every_shipped_price_is_of_a_type_that_is_known_and_larger_sizes_cost_more() -> None:
    prices = read(None).hour
    assert all(size_of(each) is not None for each in prices)
    assert prices["ml.m5.large"] < prices["ml.m5.xlarge"] < prices["ml.m5.24xlarge"]


def test_a_file_of_ones_own_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('source = "our books"\ndate = "2026-11"\ncurrency = "EUR"\n[hour]\n"ml.m5.large" = 0.01\n')
    prices = read(str(path))
    assert prices.hour == {"ml.m5.large": 0.01}
    assert str(prices) == "our books (2026-11, EUR)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs `\\[hour\\]`"),
        ("[hour]\nx", "is no table of prices"),
        ('[hour]\n"ml.m5.large" = "dear"', "is no table of prices"),
        ('[hour]\n"ml.m5.large" = -1', "below 0"),
    ],
    ids=["empty", "not TOML", "not a number", "negative"],
)
def test_a_file_that_is_no_table_is_said_to_be_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(PricesUnreadable, match=words):
        read(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PricesUnreadable, match=r"SAGESMITH_PRICES cannot be read: .*absent\.toml"):
        read(str(tmp_path / "absent.toml"))
