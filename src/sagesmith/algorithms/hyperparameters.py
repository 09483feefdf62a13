"""Hyperparameters as data: what there is, what each may be, and what a job's strings come to.

A job's hyperparameters are strings (AWS's API has no others). A `Schema` reads them before any data is read; whatever
is wrong is a `CustomerError` in the words of AWS's algorithms, which validate by JSON schema.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sagesmith.algorithms.errors import CustomerError

Value = int | float | str | bool | None
_PREAMBLE = "Unable to initialize the algorithm. Failed to validate hyperparameters"
# What AWS itself adds to a job's hyperparameters, of which no algorithm is told.
_OWN = "_tuning_objective_metric"


@dataclass(frozen=True, slots=True)
class Tunable:
    """How a tuning job may search a hyperparameter.

    Attributes:
        low, high: AWS's recommended range, as its page has it; for `categories`, the values to choose from.
        scale: the recommended scaling.
    """

    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    scale: Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"] = "Auto"


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One hyperparameter.

    Attributes:
        name: AWS's name.
        kind: what its string is to be.
        meaning: a sentence for the documentation, without its range and default.
        default: its value where a job does not have it, of `kind`'s type, or a word of `words`; None for a required one
            and for one that the algorithm chooses itself (`chosen` says how).
        required: a job must have it.
        low, high: the range, both ends within it unless `above` or `below` say otherwise.
        above, below: the ends themselves are not allowed.
        choices: of a `choice`, its words.
        words: of a number, words that may stand in its place, such as `auto`; they are the value then.
        chosen: what stands in its place where it has no default, for the documentation.
        tunable: None if a tuning job may not search it.
        check: of a `text`, its own reader: takes the string, returns the value, raises ValueError with a message.
        aliases: other names that a job may give it by.
    """

    name: str
    kind: Literal["integer", "real", "choice", "boolean", "text"]
    meaning: str
    default: Value = None
    required: bool = False
    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    chosen: str = ""
    tunable: Tunable | None = None
    check: Callable[[str], Any] | None = None
    aliases: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        """The value that a job's string stands for.

        Raises:
            CustomerError: it stands for none.
        """
        text = text.strip()
        if text in self.words:
            return text
        try:
            value = _READERS[self.kind](self, text)
        except ValueError as error:
            raise self.wrong(text, str(error)) from None
        if self.kind in ("integer", "real"):
            self._within(value, text)
        return value

    @property
    def standard(self) -> Any:
        """The value where a job has none."""
        if self.check is not None and isinstance(self.default, str) and self.default not in self.words:
            return self.check(self.default)
        return self.default

    def wrong(self, text: str, why: str) -> CustomerError:
        """The error that says why a string is not a value of this hyperparameter."""
        return CustomerError(f"{_PREAMBLE} (caused by ValidationError)\n\nCaused by: '{text}' for '{self.name}': {why}")

    @property
    def range(self) -> str:
        """What it may be, for people."""
        if self.kind == "choice":
            return "one of " + ", ".join(f"`{each}`" for each in self.choices)
        if self.kind == "boolean":
            return "`true` or `false`" + "".join(f", or `{word}`" for word in self.words)
        if self.kind == "text":
            return "text"
        noun = "an integer" if self.kind == "integer" else "a number"
        low = "" if self.low is None else f"{'greater than' if self.above else 'from'} {self.low:.10g}"
        to = "less than" if self.below else "up to"
        if self.below and low:
            to = f"{'and' if self.above else 'to'} {to}"
        high = "" if self.high is None else f"{to} {self.high:.10g}"
        words = "".join(f", or `{word}`" for word in self.words)
        return " ".join(filter(None, (noun, low, high))) + words

    def _within(self, value: float, text: str) -> None:
        if self.low is not None and (value <= self.low if self.above else value < self.low):
            relation = "less than or equal to the exclusive minimum" if self.above else "less than the minimum"
            raise self.wrong(text, f"{text} is {relation} of {self.low:.10g}")
        if self.high is not None and (value >= self.high if self.below else value > self.high):
            relation = "greater than or equal to the exclusive maximum" if self.below else "greater than the maximum"
            raise self.wrong(text, f"{text} is {relation} of {self.high:.10g}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What several hyperparameters must be together.

    Attributes:
        holds: given all values, whether it does.
        message: what is wrong otherwise; `{name}` stands for a value.
    """

    holds: Callable[[Mapping[str, Any]], bool]
    message: str


@dataclass(frozen=True, slots=True)
class Schema:
    """All hyperparameters of an algorithm, and the rules between them."""

    parameters: tuple[Hyperparameter, ...]
    rules: tuple[Rule, ...] = ()

    def __getitem__(self, name: str) -> Hyperparameter:
        return next(each for each in self.parameters if each.name == name)

    def __contains__(self, name: str) -> bool:
        return any(each.name == name for each in self.parameters)

    def read(self, given: Mapping[str, str]) -> dict[str, Any]:
        """All hyperparameters by name: those of a job, and defaults for the others.

        Raises:
            CustomerError: of the first that is wrong: unknown, missing, outside its range, against a rule.
        """
        known = {each.name: each for each in self.parameters}
        given = self._by_own_name(given)
        unknown = sorted(name for name in given if name not in known and not name.startswith("_"))
        if unknown:
            were = "was" if len(unknown) == 1 else "were"
            names = ", ".join(f"'{name}'" for name in unknown)
            raise CustomerError(
                f"{_PREAMBLE} (caused by ValidationError)\n\n"
                f"Caused by: Additional properties are not allowed ({names} {were} unexpected)"
            )
        values: dict[str, Any] = {}
        for name, each in known.items():
            if name in given:
                values[name] = each.read(given[name])
            elif each.required:
                raise CustomerError(
                    f"{_PREAMBLE} (caused by ValidationError)\n\nCaused by: '{name}' is a required property"
                )
            else:
                values[name] = each.standard
        for rule in self.rules:
            if not rule.holds(values):
                raise CustomerError(
                    f"{_PREAMBLE} (caused by ValidationError)\n\nCaused by: {rule.message.format(**values)}"
                )
        return values

    def _by_own_name(self, given: Mapping[str, str]) -> dict[str, str]:
        aliases = {alias: each for each in self.parameters for alias in each.aliases}
        own = {name: value for name, value in given.items() if name not in aliases}
        for alias, each in aliases.items():
            if alias not in given:
                continue
            # Clients of JumpStart send all defaults, and what their user has set by whatever name beside them.
            if own.get(each.name, str(each.default)) not in (str(each.default), given[alias]):
                raise CustomerError(f"{_PREAMBLE}: '{alias}' is another name of '{each.name}': give one of them")
            own[each.name] = given[alias]
        return own


def objective(given: Mapping[str, str]) -> str | None:
    """The metric that a tuning job looks at, None outside of one."""
    return given.get(_OWN)


def _integer(_: Hyperparameter, text: str) -> int:
    try:
        return int(_plain(text))
    except ValueError:
        pass
    try:
        value = float(_plain(text))
    except ValueError:
        raise ValueError(f"'{text}' is not of type 'integer'") from None
    # A tuner's or a JSON client's 10.0.
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"'{text}' is not of type 'integer'")
    return int(value)


def _real(_: Hyperparameter, text: str) -> float:
    try:
        value = float(_plain(text))
    except ValueError:
        raise ValueError(f"'{text}' is not of type 'number'") from None
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is not a finite number")
    return value


def _plain(text: str) -> str:
    """The text of a number, without what Python alone takes for one: 1_000, or digits of other scripts.

    Raises:
        ValueError: it has such.
    """
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text


def _choice(parameter: Hyperparameter, text: str) -> str:
    if text in parameter.choices:
        return text
    raise ValueError(f"'{text}' is not one of {_listed(parameter.choices)}")


def _boolean(_: Hyperparameter, text: str) -> bool:
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if value is None:
        raise ValueError(f"'{text}' is not of type 'boolean'")
    return value


def _text(parameter: Hyperparameter, text: str) -> Any:
    return text if parameter.check is None else parameter.check(text)


def _listed(words: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


_READERS: dict[str, Callable[[Hyperparameter, str], Any]] = {
    "integer": _integer,
    "real": _real,
    "choice": _choice,
    "boolean": _boolean,
    "text": _text,
}
