"""Ranges of hyperparameters, and their values as text, which is how the API has them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Scale = Literal["Linear", "Logarithmic", "ReverseLogarithmic"]

_WIDE = 1000.0
"""A range of scaling type Auto is searched logarithmically if its ends are so far apart: three orders of magnitude."""


class InvalidRange(ValueError):
    """A range that cannot be searched; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """All numbers, or whole numbers, from `low` to `high`, both included."""

    name: str
    low: float
    high: float
    whole: bool = False
    scale: Scale = "Linear"

    @property
    def size(self) -> float:
        """How many different values there are."""
        if self.whole:
            return self.high - self.low + 1
        return 1 if self.low == self.high else math.inf

    def at(self, place: float) -> str:
        """The value at a place between 0 and 1, so that places of equal width have equal shares of the scale."""
        low, high = self._scaled_ends()
        return self.text(self._unscaled(low + place * (high - low)))

    def text(self, value: float) -> str:
        """A value as the API has it, within the range whatever rounding did."""
        if self.whole:
            return str(min(max(round(value), int(self.low)), int(self.high)))
        return repr(float(min(max(value, self.low), self.high)))

    def number(self, text: str) -> float | None:
        """The value of a text, None if it is no number or lies outside."""
        try:
            value = float(text)
        except ValueError:
            return None
        return value if self.low <= value <= self.high else None

    def has(self, text: str) -> bool:
        return self.number(text) is not None

    def _scaled_ends(self) -> tuple[float, float]:
        # Half a step beyond the outermost whole numbers, so that these come as often as those within.
        margin = 0.5 if self.whole else 0.0
        low, high = self.low - margin, self.high + margin
        if self.scale == "Logarithmic":
            return math.log(low), math.log(high)
        if self.scale == "ReverseLogarithmic":
            return -math.log(1 - low), -math.log(1 - high)
        return low, high

    def _unscaled(self, scaled: float) -> float:
        if self.scale == "Logarithmic":
            return math.exp(scaled)
        if self.scale == "ReverseLogarithmic":
            return 1 - math.exp(-scaled)
        return scaled


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some values without an order."""

    name: str
    values: tuple[str, ...]

    @property
    def size(self) -> float:
        """How many different values there are."""
        return len(self.values)

    def at(self, place: float) -> str:
        """The value at a place between 0 and 1."""
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def has(self, text: str) -> bool:
        return text in self.values


Range = Numeric | Categorical
Space = Sequence[Range]


def dimensions(space: Space) -> int:
    """How many parameters have more than one value."""
    return sum(each.size > 1 for each in space)


def combinations(space: Space) -> float:
    """How many different combinations of values a space has."""
    return math.prod(each.size for each in space)


def combination(space: Space, number: int) -> dict[str, str]:
    """One combination of a finite space, by its number from 0 on; the last parameter changes fastest."""
    values: dict[str, str] = {}
    for each in reversed(space):
        number, place = divmod(number, int(each.size))
        if isinstance(each, Categorical):
            values[each.name] = each.values[place]
        else:
            values[each.name] = each.text(each.low + place)
    return {each.name: values[each.name] for each in space}


def parse(ranges: Mapping[str, Any]) -> tuple[Range, ...]:
    """The space of a ParameterRanges structure, less its AutoParameters.

    Raises:
        InvalidRange: one cannot be searched, or two have one name.
    """
    space: tuple[Range, ...] = (
        *(_numeric(each, whole=True) for each in ranges.get("IntegerParameterRanges") or ()),
        *(_numeric(each, whole=False) for each in ranges.get("ContinuousParameterRanges") or ()),
        *(_categorical(each) for each in ranges.get("CategoricalParameterRanges") or ()),
    )
    for name in twice(each.name for each in space):
        raise InvalidRange(f"The hyperparameter {name} has more than one range.")
    return space


def twice(names: Iterator[str]) -> Iterator[str]:
    """The names that were there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def _numeric(given: Mapping[str, str], whole: bool) -> Numeric:
    name, scaling = given["Name"], given.get("ScalingType") or "Auto"
    low, high = (_end(given, member, whole) for member in ("MinValue", "MaxValue"))
    if low > high:
        raise InvalidRange(
            f"The range of the hyperparameter {name} is not valid: its MinValue {given['MinValue']} is greater than "
            f"its MaxValue {given['MaxValue']}."
        )
    if scaling == "Logarithmic" and low <= 0:
        raise InvalidRange(
            "Logarithmic scaling works only for ranges that have only values greater than 0: the hyperparameter "
            f"{name} has a MinValue of {given['MinValue']}."
        )
    if scaling == "ReverseLogarithmic":
        if whole:
            raise InvalidRange(
                f"ReverseLogarithmic scaling is supported only for continuous ranges: the hyperparameter {name} is "
                "an integer."
            )
        if low < 0 or high >= 1:
            raise InvalidRange(
                "ReverseLogarithmic scaling works only for ranges that are entirely within the range 0 <= x < 1.0: "
                f"the hyperparameter {name} has one from {given['MinValue']} to {given['MaxValue']}."
            )
    return Numeric(name, low, high, whole, _scale(scaling, low, high))


def _scale(scaling: str, low: float, high: float) -> Scale:
    if scaling == "ReverseLogarithmic":
        return "ReverseLogarithmic"
    is_wide = low > 0 and high / low >= _WIDE
    return "Logarithmic" if scaling == "Logarithmic" or (scaling == "Auto" and is_wide) else "Linear"


def _end(given: Mapping[str, str], member: str, whole: bool) -> float:
    text, kind = given[member], "an integer" if whole else "a number"
    try:
        value: float = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidRange(f"The {member} of the hyperparameter {given['Name']} is not {kind}: {text!r}.")
    return value


def _categorical(given: Mapping[str, Any]) -> Categorical:
    name, values = given["Name"], tuple(given["Values"])
    for value in twice(iter(values)):
        raise InvalidRange(f"The categorical hyperparameter {name} has the value {value} more than once.")
    return Categorical(name, values)
