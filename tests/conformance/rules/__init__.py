"""What AWS's documentation rules out and its model does not, as a table: one row a rule, each of which is broken.

A row quotes the sentence that it is of, so that it can be found again: `tests.conformance.documentation` reads the same
sentences out of botocore's model, and every one that sounds like a rule is in a row here or in `left_out`.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class _Absent(Enum):
    GONE = "gone"


GONE = _Absent.GONE
"""What stands in a request in the place of a member that is not given."""


@dataclass(frozen=True)
class Rule:
    """One rule, and a request that breaks it.

    Attributes:
        kind: the noun of the kind that it is about.
        operation: what refuses.
        says: the sentence of the documentation, or enough of it; empty where the pages have it and the model has not.
        asked: what the request has otherwise than a valid one: path → value, `ProductionVariants[0].ModelName`.
        refused: a part of the message.
        having: with what the resource was created that the operation is about, likewise.
        code: the error.
        first: what was asked before of the same operation, and granted: requests that differ from a valid one likewise.
    """

    kind: str
    operation: str
    says: str
    asked: Mapping[str, Any]
    refused: str
    having: Mapping[str, Any] = field(default_factory=dict)
    code: str = "ValidationException"
    first: tuple[Mapping[str, Any], ...] = ()


def every_rule() -> list[Rule]:
    """The rows of all modules here."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return [rule for module in modules for rule in getattr(module, "RULES", ())]


def changed(request: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A request with some of its members otherwise."""
    made = dict(request)
    for path, value in asked.items():
        made = _changed(made, path.split("."), value)
    return made


def _changed(value: Any, steps: list[str], leaf: Any) -> Any:
    if not steps:
        return leaf
    step, _, position = steps[0].partition("[")
    present = dict(value or {})
    if position:
        elements = list(present.get(step) or ())
        place = int(position.removesuffix("]"))
        elements += [{}] * (place + 1 - len(elements))
        elements[place] = _changed(elements[place], steps[1:], leaf)
        present[step] = elements
        return present
    inner = _changed(present.get(step), steps[1:], leaf)
    if inner is GONE:
        present.pop(step, None)
        return present
    return {**present, step: inner}
