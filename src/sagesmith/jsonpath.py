"""The part of JSONPath that batch transform jobs filter records with.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html ("Supported JSONPath
Operators"); what the page leaves open is as in github.com/json-path/JsonPath, to which it refers.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_STEP = re.compile(
    r"""\.(?=\[)                                              # $.field.['a','b'] is spelled so on AWS's page
      | \.(?P<name>[^.\[\]*'"\s]+)
      | (?P<wildcard>\.\*|\[\s*\*\s*\])
      | \[\s*(?P<names>(?:'[^']*'|"[^"]*")(?:\s*,\s*(?:'[^']*'|"[^"]*"))*)\s*\]
      | \[\s*(?P<indexes>[-+\d:\s,]+)\]
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_INDEX = re.compile(r"[-+]?\d+")
_SLICE = re.compile(r"([-+]?\d+)?\s*:\s*([-+]?\d+)?")


class PathInvalid(ValueError):
    """An expression is none that is supported; the message says what of it."""


class NotFound(LookupError):
    """A value has not what an expression asks for; the message says what."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step from some values to others.

    Attributes:
        definite: it leads to exactly one value.
    """

    take: Callable[[Any], list[Any]]
    definite: bool


@dataclass(frozen=True)
class JsonPath:
    """An expression that was understood."""

    text: str
    _steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, text: str) -> "JsonPath":
        """Understand an expression.

        Raises:
            PathInvalid: it is not supported.
        """
        if not text.startswith("$"):
            raise PathInvalid(f"a JSONPath begins with $: {text}")
        steps = []
        place = 1
        while place < len(text):
            found = _STEP.match(text, place)
            if found is None:
                raise PathInvalid(f"{text[place:]!r} of {text} is none of the supported operators")
            if found.lastgroup is not None:
                steps.append(_step(found.lastgroup, found[found.lastgroup], text))
            elif found.end() == len(text):
                raise PathInvalid(f"{text} ends with a dot")
            place = found.end()
        return cls(text, tuple(steps))

    @property
    def selects_all(self) -> bool:
        """It is `$`."""
        return not self._steps

    @cached_property
    def definite(self) -> bool:
        """It leads to one value; otherwise to a list of them."""
        return all(step.definite for step in self._steps)

    def select(self, value: Any) -> Any:
        """What the expression takes of a JSON value: the one value it leads to, or a list if there may be several.

        Raises:
            NotFound: there is no such index or attribute.
        """
        found = [value]
        for step in self._steps:
            found = [each for node in found for each in step.take(node)]
        return found[0] if self.definite else found

    def select_row(self, row: list[str]) -> list[str]:
        """What it takes of a row of a CSV file, as a row.

        Raises:
            NotFound: the row has no such column.
        """
        found = self.select(row)
        return found if isinstance(found, list) else [found]


def _step(kind: str, written: str, text: str) -> _Step:
    if kind == "name":
        return _names([written])
    if kind == "wildcard":
        return _Step(_all_of, definite=False)
    if kind == "names":
        return _names([single or double for single, double in _QUOTED.findall(written)])
    return _indexes([each.strip() for each in written.split(",")], text)


def _all_of(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    if isinstance(node, list):
        return list(node)
    raise NotFound("* needs an object or an array")


def _names(names: list[str]) -> _Step:
    def take(node: Any) -> list[Any]:
        if not isinstance(node, dict):
            raise NotFound(f"there is no attribute {names[0]!r} in what is not an object")
        for name in names:
            if name not in node:
                raise NotFound(f"there is no attribute {name!r}")
        return [node[names[0]] if len(names) == 1 else {name: node[name] for name in names}]

    return _Step(take, definite=True)


def _indexes(written: list[str], text: str) -> _Step:
    parts = [_part(each, text) for each in written]

    def take(node: Any) -> list[Any]:
        if not isinstance(node, list):
            raise NotFound(f"[{','.join(written)}] needs an array")
        return [each for part in parts for each in _elements(node, part)]

    return _Step(take, definite=len(parts) == 1 and isinstance(parts[0], int))


def _part(written: str, text: str) -> int | slice:
    if _INDEX.fullmatch(written):
        return int(written)
    if found := _SLICE.fullmatch(written):
        start, end = (None if bound is None else int(bound) for bound in found.groups())
        return slice(start, end)
    raise PathInvalid(f"[{written}] of {text} is neither an index nor a slice")


def _elements(array: list[Any], part: int | slice) -> Iterable[Any]:
    """Elements of an array. The end of a slice is not among them, as in the JSONPath library that AWS refers to."""
    if isinstance(part, slice):
        if part.start is not None and part.start >= max(len(array), 1):
            raise NotFound(f"there is no index {part.start}: there are {len(array)} elements")
        return array[part]
    if not -len(array) <= part < len(array):
        raise NotFound(f"there is no index {part}: there are {len(array)} elements")
    return [array[part]]
