"""Search expressions: filters, nested filters and expressions in each other, under And or Or.

An expression becomes a condition that the store's index answers, and a function that looks at a record for what the
index cannot tell: parts of texts other than names, elements of a list that satisfy several filters at once, computed
members. The condition then leaves out no record that the function would accept.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SearchExpression.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sagesmith.services.sagemaker.search import properties
from sagesmith.services.sagemaker.search.comparisons import EXISTENCE, NEGATIONS, Comparison, comparison, times
from sagesmith.services.sagemaker.search.properties import Property, Type
from sagesmith.services.sagemaker.search.records import Record
from sagesmith.store import (
    ARN,
    EVERY,
    STATUS,
    AllOf,
    AnyOf,
    At,
    Condition,
    Equal,
    Named,
    Not,
    Present,
    Written,
)
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

MAX_PARTS = 50
MAX_ELEMENTS = 20

_ANY_NUMBER_OF_CONTAINS = {
    "Experiment": {"DisplayName", "ExperimentName", "Tags"},
    "ExperimentTrial": {"DisplayName", "TrialName", "Tags"},
    "ExperimentTrialComponent": {"DisplayName", "TrialComponentName", "Tags", "InputArtifacts", "OutputArtifacts"},
}
"""Resource type → the properties for which Contains may be used several times."""


Field = Literal["name", "created_at", "updated_at", "_status", "_arn"]


@dataclass(frozen=True, slots=True)
class Test:
    """What is asked of a record.

    Attributes:
        where: what the store is asked; all that `holds` accepts satisfies it.
        exact: whether the converse is true as well.
        holds: whether a record satisfies it.
        own: whether `holds` looks only at what a document itself has of its record.
        parts: the tests that this one is the conjunction of.
    """

    where: Condition
    exact: bool
    holds: Callable[[Any], bool]
    own: bool
    parts: "tuple[Test, ...]" = ()

    @property
    def left(self) -> "Test":
        """What is left to ask of a record that satisfies `where`: what the store has answered is not asked again."""
        if self.exact:
            return EVERYTHING
        left = [part.left for part in self.parts if not part.exact]
        return _joined(left, "And") if left else self


EVERYTHING = Test(EVERY, True, lambda record: True, True)


def compiled(record: Record, expression: Params | None) -> Test:
    """The test of a SearchExpression; None asks nothing.

    Raises:
        ValidationException: as AWS refuses an expression: it is empty or too large, has an unknown property, or an
            operator or value that is not for the property's type.
    """
    if expression is None:
        return EVERYTHING
    parts = list(_parts(expression))
    if len(parts) > MAX_PARTS:
        raise ValidationException(
            f"The number of SubExpressions, NestedFilters, and Filters in SearchExpression is limited to {MAX_PARTS}: "
            f"there are {len(parts)}."
        )
    _check_contains(record, parts)
    return _expression(record, expression)


def visible(record: Record, conditions: list[Params]) -> Test:
    """The test of VisibilityConditions: a record that has a tag of a condition's key has its value.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_VisibilityConditions.html

    Raises:
        ValidationException: a key that is not `Tags.<key>`.
    """
    tests = []
    for each in conditions:
        key = each.get("Key") or ""
        if not key.startswith("Tags.") or len(key) == len("Tags."):
            raise ValidationException(f"Invalid visibility condition: key '{key}' must be in the format Tags.<key>.")
        absent = _filter(record, {"Name": key, "Operator": "NotExists"})
        equal = _filter(record, {"Name": key, "Operator": "Equals", "Value": each.get("Value") or ""})
        tests.append(_joined([absent, equal], "Or"))
    return _joined(tests, "And")


def conjunction(tests: list[Test]) -> Test:
    """All of `tests`."""
    return _joined(tests, "And")


def property_of(record: Record, name: str) -> Property:
    """The property of this name. Raises ValidationException if the resource has none."""
    found = properties.find(record, name)
    if found is None:
        raise _unknown(name)
    return found


def field_of(record: Record, found: Property) -> Field | None:
    """Which of the document's own fields a property is, None if it is none of them."""
    if len(found.steps) != 1 or found.steps[0][:-1] != ((record.wrapper,) if record.wrapper else ()):
        return None
    view = record.view
    fields: dict[properties.Step, Field] = {
        view.created: "created_at",
        view.updated: "updated_at",
        view.status: "_status",
        record.kind.arn_member: "_arn",
        record.kind.name: "name",
    }
    return fields.get(found.steps[0][-1])


def _parts(expression: Params) -> Iterator[tuple[str, Params]]:
    """All filters, nested filters and sub-expressions, however deep, by the member that they stand in."""
    for member in ("Filters", "NestedFilters", "SubExpressions"):
        for part in expression.get(member) or ():
            yield member, part
            if member == "NestedFilters":
                yield from (("Filters", each) for each in part["Filters"])
            elif member == "SubExpressions":
                yield from _parts(part)


def _check_contains(record: Record, parts: list[tuple[str, Params]]) -> None:
    unlimited = _ANY_NUMBER_OF_CONTAINS.get(record.kind.search, set())
    used = [
        part
        for member, part in parts
        if member == "Filters" and part.get("Operator") == "Contains" and part["Name"].split(".")[0] not in unlimited
    ]
    if len(used) > 1:
        raise ValidationException("'CONTAINS' operator usage limit of 1 exceeded.")


def _expression(record: Record, expression: Params) -> Test:
    tests = [
        *(_filter(record, each) for each in expression.get("Filters") or ()),
        *(_nested(record, each) for each in expression.get("NestedFilters") or ()),
        *(_expression(record, each) for each in expression.get("SubExpressions") or ()),
    ]
    if not tests:
        raise ValidationException("A SearchExpression must have at least one subexpression, filter, or nested filter.")
    if len(tests) > MAX_ELEMENTS:
        raise ValidationException(
            f"A SearchExpression can contain up to {MAX_ELEMENTS} elements: there are {len(tests)}."
        )
    return _joined(tests, expression.get("Operator") or "And")


def _joined(tests: list[Test], operator: Literal["And", "Or"]) -> Test:
    if len(tests) == 1:
        return tests[0]
    wheres = tuple(each.where for each in tests)
    exact, own = all(each.exact for each in tests), all(each.own for each in tests)
    if operator == "And":
        return Test(_flat(wheres), exact, lambda record: all(each.holds(record) for each in tests), own, tuple(tests))
    # One alternative of which the index knows nothing makes it useless for the others.
    where = EVERY if EVERY in wheres else AnyOf(wheres)
    return Test(where, exact, lambda record: any(each.holds(record) for each in tests), own)


def _flat(wheres: tuple[Condition, ...]) -> Condition:
    """All of `wheres` as one list, in which the store looks for the one that leaves the fewest."""
    parts = [part for each in wheres for part in (each.conditions if isinstance(each, AllOf) else (each,))]
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _filter(record: Record, given: Params) -> Test:
    name = given["Name"]
    operator, found = _operator(given), property_of(record, given["Name"])
    positive = NEGATIONS.get(operator, operator)
    if positive == "Exists":
        test = _exists(record, found)
    else:
        asked = comparison(name, found.type, positive, _value(given, operator))
        where, exact = _asked(record, found, positive, given, asked)
        test = Test(where, exact, lambda shown: any(map(asked.holds, found.values(shown))), found.own)
    return _not(test) if operator in NEGATIONS else test


def _operator(given: Params) -> str:
    """A filter without an operator is about equality, and one without a value about existence."""
    return given.get("Operator") or ("Exists" if given.get("Value") is None else "Equals")


def _value(given: Params, operator: str) -> str:
    value = given.get("Value")
    if value is None:
        raise ValidationException(f"Invalid filter: operator {operator} of property {given['Name']} needs a Value.")
    return str(value)


def _not(test: Test) -> Test:
    where = Not(test.where) if test.exact else EVERY
    return Test(where, test.exact, lambda record: not test.holds(record), test.own)


def _exists(record: Record, found: Property) -> Test:
    def holds(shown: Any) -> bool:
        return next(found.values(shown), None) is not None

    special = field_of(record, found)
    if special == STATUS:
        return Test(Present(STATUS), True, holds, True)
    if special is not None:
        return Test(EVERY, True, holds, True)
    if not found.paths or found.type is Type.STRUCTURE:
        return Test(EVERY, False, holds, found.own)
    return Test(*_at(found, Present), holds, found.own)


def _asked(record: Record, found: Property, operator: str, given: Params, asked: Comparison) -> tuple[Condition, bool]:
    """What the store is asked for a filter, and whether that is all of it."""
    special = field_of(record, found)
    if special in ("created_at", "updated_at"):
        low, high = times(given["Name"], operator, given["Value"])
        return At(special, low, high), True
    if operator == "Contains":
        if special == "name":
            return Named(given["Value"]), True
        return (Written(given["Value"]), False) if found.own and special is None and _is_text(found) else (EVERY, False)
    if special in (ARN, STATUS):
        return (asked.at(special), True) if asked.at else (EVERY, False)
    if asked.at is None or not found.paths or found.type is Type.STRUCTURE:
        return EVERY, False
    return _at(found, asked.at)


def _is_text(found: Property) -> bool:
    """Whether all values of a property are texts, which are written as they are compared."""
    return found.type is Type.TEXT or (found.type is Type.PARAMETER and len(found.paths) == 1)


def _at(found: Property, asked: Callable[[str], Condition]) -> tuple[Condition, bool]:
    where: Condition = AnyOf(tuple(map(asked, found.paths))) if len(found.paths) > 1 else asked(found.paths[0])
    if found.name_path:
        return AllOf((Equal(found.name_path, found.name), where)), False
    return where, True


def _nested(record: Record, given: Params) -> Test:
    """One element of a list satisfies all filters. They name properties of the elements with the list's name before
    them, as AWS's example does, or without."""
    outer = given["NestedPropertyName"]
    property_of(record, outer)
    sought = properties.find_list(record, outer)
    if sought is None:
        raise ValidationException(f"Invalid nested property name: {outer} is not a list of {record.kind.search}.")
    elements, shape = sought
    tests = []
    for each in given["Filters"]:
        name = each["Name"]
        whole_name = name.lower().startswith(f"{outer.lower()}.")
        inner = properties.find_in(shape, name[len(outer) + 1 :] if whole_name else name)
        if inner is None:
            raise _unknown(name)
        tests.append(_element_test(each, inner, elements.paths))
    return Test(
        AllOf(tuple(each.where for each in tests)),
        False,
        lambda shown: any(
            all(each.holds(element) for each in tests) for element in properties.walk(shown, elements.steps[0])
        ),
        elements.own,
    )


def _element_test(given: Params, inner: Property, paths: tuple[str, ...]) -> Test:
    """The test of a list's element."""
    operator = _operator(given)
    positive = NEGATIONS.get(operator, operator)
    asked = None if positive in EXISTENCE else comparison(given["Name"], inner.type, positive, _value(given, operator))
    negated = operator in NEGATIONS

    def holds(element: Any) -> bool:
        values = inner.values(element)
        found = next(values, None) is not None if asked is None else any(map(asked.holds, values))
        return found is not negated

    where: Condition = EVERY
    if asked is not None and not negated and paths and inner.type is not Type.STRUCTURE:
        if asked.at is not None:
            where = AnyOf(tuple(asked.at(f"{path}.{each}") for path in paths for each in inner.paths))
        elif operator == "Contains" and _is_text(inner):
            where = Written(given["Value"])
    return Test(where, False, holds, True)


def _unknown(name: str) -> ValidationException:
    return ValidationException(f"Unknown property name: {name}")
