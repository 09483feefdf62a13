"""How a value is compared, by the type of the property and the operator.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Filter.html
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagesmith.services.sagemaker.search.properties import Type
from sagesmith.store import AnyOf, Condition, Equal, Within, number_of
from sagesmith.wire.errors import ValidationException

ORDERING = frozenset({"GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"})
EXISTENCE = frozenset({"Exists", "NotExists"})
NEGATIONS = {"NotEquals": "Equals", "NotExists": "Exists"}
"""An operator → what must not be true of any value."""

_OF_TEXTS = frozenset({"In", "Contains"})
_HALF_A_MILLISECOND = 0.0005
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one filter asks of one value.

    Attributes:
        holds: whether a value satisfies it.
        at: what the store's index is asked for values at a path; None if it cannot tell.
    """

    holds: Callable[[Any], bool]
    at: Callable[[str], Condition] | None = None


def comparison(name: str, type_: Type, operator: str, value: str) -> Comparison:
    """The comparison of a property's values by an operator that is no negation and not about existence.

    Raises:
        ValidationException: the operator is not for properties of this type, or the value is none of it.
    """
    if (
        (type_ in (Type.TEXT, Type.STRUCTURE) and operator in ORDERING)
        or (type_ in (Type.NUMBER, Type.TIMESTAMP, Type.BOOLEAN) and operator in _OF_TEXTS)
        or (type_ is Type.BOOLEAN and operator in ORDERING)
    ):
        raise ValidationException(
            f"Invalid filter: operator {operator} is not supported for {type_.value} property {name}."
        )
    match type_:
        case Type.NUMBER | Type.TIMESTAMP:
            return _within(*_bounds(name, type_, operator, value))
        case Type.BOOLEAN:
            wanted = _BOOLEANS.get(value.lower())
            if wanted is None:
                raise _not_a(type_, name, value)
            return Comparison(lambda given: given is wanted, lambda path: Equal(path, wanted))
        case Type.PARAMETER if operator not in _OF_TEXTS:
            return _of_parameter(name, operator, value)
    return _of_text(operator, value)


def _of_text(operator: str, value: str) -> Comparison:
    match operator:
        case "Contains":
            return Comparison(lambda given: value in str(given))
        case "In":
            wanted = frozenset(each.strip() for each in value.split(","))
            return Comparison(
                lambda given: given in wanted,
                lambda path: AnyOf(tuple(Equal(path, each) for each in sorted(wanted))),
            )
    return Comparison(lambda given: bool(given == value), lambda path: Equal(path, value))


def _of_parameter(name: str, operator: str, value: str) -> Comparison:
    """Decimals are compared as decimals with a decimal, and as integers, without what follows the point, with an
    integer."""
    number = number_of(value)
    if number is None:
        if operator in ORDERING:
            raise _not_a(Type.NUMBER, name, value)
        return _of_text(operator, value)
    numeric = _within(*(_truncated if number.is_integer() and _is_integer(value) else _exactly)(operator, number))
    if operator in ORDERING:
        return numeric
    textual = _of_text(operator, value)
    return Comparison(
        lambda given: textual.holds(given) or numeric.holds(given),
        lambda path: AnyOf(tuple(each.at(path) for each in (textual, numeric) if each.at)),
    )


def _is_integer(value: str) -> bool:
    return value.lstrip("+-").isdigit()


def _within(low: float, high: float) -> Comparison:
    def holds(given: Any) -> bool:
        number = number_of(given) if isinstance(given, str) else given
        return number is not None and not isinstance(number, bool) and low <= number <= high

    return Comparison(holds, lambda path: Within(path, low, high))


def _bounds(name: str, type_: Type, operator: str, value: str) -> tuple[float, float]:
    return times(name, operator, value) if type_ is Type.TIMESTAMP else _exactly(operator, _number(name, value))


def _number(name: str, value: str) -> float:
    number = number_of(value)
    if number is None:
        raise _not_a(Type.NUMBER, name, value)
    return number


def times(name: str, operator: str, value: str) -> tuple[float, float]:
    """The bounds, both included, of the times that satisfy an operator, so that a time that was shown, which is
    rounded to milliseconds, equals its own resource's."""
    at = _seconds(name, value)
    return _compared(operator, at - _HALF_A_MILLISECOND, at + _HALF_A_MILLISECOND)


def _seconds(name: str, value: str) -> float:
    """Seconds since the epoch, of an ISO 8601 time (UTC, unless it says otherwise) or of such seconds."""
    number = number_of(value)
    if number is not None:
        return number
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise _not_a(Type.TIMESTAMP, name, value) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _compared(operator: str, first: float, last: float) -> tuple[float, float]:
    """The bounds, both included, of what satisfies an operator, where all from `first` to `last` is equal."""
    match operator:
        case "GreaterThan":
            return _above(last), math.inf
        case "GreaterThanOrEqualTo":
            return first, math.inf
        case "LessThan":
            return -math.inf, _below(first)
        case "LessThanOrEqualTo":
            return -math.inf, last
    return first, last


def _exactly(operator: str, value: float) -> tuple[float, float]:
    """The bounds, both included, of the numbers that satisfy an operator."""
    return _compared(operator, value, value)


def _truncated(operator: str, value: float) -> tuple[float, float]:
    """The bounds, both included, of the numbers that satisfy an operator without their digits after the point."""
    return _compared(operator, _least(value), _greatest(value))


def _least(value: float) -> float:
    """The least number that is at least an integer when it is truncated."""
    return value if value > 0 else _above(value - 1)


def _greatest(value: float) -> float:
    """The greatest number that is at most an integer when it is truncated."""
    return value if value < 0 else _below(value + 1)


def _above(value: float) -> float:
    return math.nextafter(value, math.inf)


def _below(value: float) -> float:
    return math.nextafter(value, -math.inf)


def _not_a(type_: Type, name: str, value: str) -> ValidationException:
    return ValidationException(f"Invalid filter: value '{value}' of property {name} is not a {type_.value}.")
