"""What an hour of an instance costs, and a second of serverless inference: a table with its source and date."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path


class PricesUnreadable(Exception):
    """The user's file is not there, or not of the form; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour of each instance type costs.

    Attributes:
        source, date: where the prices were read, and when.
        currency: such as USD.
        hour: by instance type. A type that is not here has no price.
        serverless_gb_second: of serverless inference, for each gigabyte of its memory; None if that has no price.
    """

    source: str
    date: str
    currency: str
    hour: Mapping[str, float]
    serverless_gb_second: float | None = None

    def __str__(self) -> str:
        return f"{self.source} ({self.date}, {self.currency})"


def read(path: str | None) -> Prices:
    """The user's table, or the one that is shipped if there is none.

    Raises:
        PricesUnreadable: see there.
    """
    if path is None:
        text = resources.files(__package__).joinpath("prices.toml").read_text(encoding="utf-8")
        return parse(text, "the prices that are shipped")
    try:
        return parse(Path(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise PricesUnreadable(f"The prices of SAGESMITH_PRICES cannot be read: {path}: {error}") from error


def parse(text: str, name: str) -> Prices:
    """A table from its file's text.

    Raises:
        PricesUnreadable: it is not of the form.
    """
    try:
        table = tomllib.loads(text)
        given = table.get("serverless_gb_second")
        second = None if given is None else float(given)
        hour = {str(kind): float(price) for kind, price in table["hour"].items()}
    except (tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError, ValueError) as error:
        said = f'{name} is no table of prices: it needs `[hour]` with lines such as `"ml.m5.large" = 0.115`: {error}'
        raise PricesUnreadable(said) from error
    if any(price < 0 for price in (*hour.values(), second or 0.0)):
        raise PricesUnreadable(f"{name} has a price below 0.")
    source, date, currency = (str(table.get(each, "unknown")) for each in ("source", "date", "currency"))
    return Prices(source, date, currency, hour, second)
