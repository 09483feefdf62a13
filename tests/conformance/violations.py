"""Every constraint of an input shape, broken once: where, by which value, and what AWS says of it."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagesmith.wire.patterns import compile_pattern
from tests.conformance.model import is_document

Steps = tuple[str | int, ...]

_STRINGS = ("", " ", "!", "\n", "/", "-", "a b", "é", "#", "A", "a", "0", "_", "\x7f", "arn:aws:x", "日本")
_LONGEST = 1 << 20
"""A request that breaks a longer maximum would be refused for its own size."""

_WRONG_TYPES: dict[str, Any] = {
    "string": 1,
    "integer": "1",
    "long": "1",
    "float": "a",
    "double": "a",
    "boolean": "true",
    "timestamp": True,
    "blob": 1,
    "structure": [],
    "list": {},
    "map": [],
}
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint.

    Attributes:
        steps: where it stands in the request.
        value: what stands there instead, `_ABSENT` if nothing does.
        code: the error that it is.
        said: what its message has to have in it.
    """

    steps: Steps
    value: Any
    code: str
    said: tuple[str, ...]

    def __str__(self) -> str:
        shown = "nothing" if self.value is _ABSENT else repr(self.value)
        return f"{'.'.join(map(str, self.steps))} = {shown:.60}"

    def applied(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request with this one wrong value in it."""
        changed = copy.deepcopy(request)
        place: Any = changed
        for step in self.steps[:-1]:
            place = place[step]
        if self.value is _ABSENT:
            del place[self.steps[-1]]
        else:
            place[self.steps[-1]] = self.value
        return changed


def violations(request: dict[str, Any], shape: Any) -> Iterator[Violation]:
    """One violation of every constraint of `shape` and what it holds, as far as `request` reaches.

    Args:
        request: the JSON of a request with as many members as can be.
    """
    yield from _structure(request, shape, (), "", set())


def _structure(value: Any, shape: Any, steps: Steps, path: str, done: set[str]) -> Iterator[Violation]:
    if shape.name in done or is_document(shape):
        return
    done.add(shape.name)
    for name, member in shape.members.items():
        spelled = f"{path}.{_camel(name)}" if path else _camel(name)
        if name in shape.required_members:
            yield _said((*steps, name), _ABSENT, spelled, "Member must not be null")
        if name in value:
            yield from _value(value[name], member, (*steps, name), spelled, done)


def _value(value: Any, shape: Any, steps: Steps, path: str, done: set[str]) -> Iterator[Violation]:
    if shape.type_name not in _WRONG_TYPES or is_document(shape):
        return
    yield Violation(steps, _WRONG_TYPES[shape.type_name], "SerializationException", ())
    for bad, text in _broken(value, shape):
        yield _said(steps, bad, path, text)
    match shape.type_name:
        case "structure":
            yield from _structure(value, shape, steps, path, done)
        case "list" if value:
            yield from _element(value[0], shape.member, (*steps, 0), path, f"{path}.1.member", done)
        case "map" if value:
            key = next(iter(value))
            yield from _element(value[key], shape.value, (*steps, key), path, f"{path}.{key}.member", done)
            for bad, text in _broken(key, shape.key):
                yield _said(steps, {bad: value[key]}, path, text)


def _element(value: Any, shape: Any, steps: Steps, whole: str, own: str, done: set[str]) -> Iterator[Violation]:
    """Of an element that is a scalar, AWS shows the whole list or map and what each of its elements must be."""
    if shape.type_name in ("structure", "list", "map"):
        yield from _value(value, shape, steps, own, done)
        return
    yield Violation(steps, _WRONG_TYPES[shape.type_name], "SerializationException", ())
    for bad, text in _broken(value, shape):
        yield _said(steps, bad, whole, text)


def _said(steps: Steps, value: Any, path: str, constraint: str) -> Violation:
    return Violation(
        steps,
        value,
        "ValidationException",
        ("validation error", " detected: ", f"at '{path}' failed to satisfy constraint: ", constraint),
    )


def _broken(value: Any, shape: Any) -> Iterator[tuple[Any, str]]:
    """Values that break one constraint of a shape, with the constraint in AWS's words."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string" if shape.enum:
            yield "no such value", f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        case "string":
            yield from _broken_string(value, shape)
        case "list":
            if low:
                yield [], f"Member must have length greater than or equal to {low}"
            if high is not None and high < 1000:
                yield [value[0]] * (high + 1), f"Member must have length less than or equal to {high}"
        case "map":
            if low:
                yield {}, f"Member must have length greater than or equal to {low}"
            if high is not None and high < 1000:
                more = {f"key{number}": next(iter(value.values())) for number in range(high + 1)}
                yield more, f"Member must have length less than or equal to {high}"
        case "integer" | "long" | "float" | "double":
            if low is not None and -math.inf < low - 1:
                yield low - 1, f"Member must have value greater than or equal to {low}"
            if high is not None and (shape.type_name != "integer" or high < 2**31 - 1):
                yield high + 1, f"Member must have value less than or equal to {high}"


def _broken_string(value: str, shape: Any) -> Iterator[tuple[str, str]]:
    low, high = int(shape.metadata.get("min", 0)), shape.metadata.get("max")
    if low:
        yield "a" * (low - 1), f"Member must have length greater than or equal to {low}"
    if high is not None and high < _LONGEST:
        yield "a" * (int(high) + 1), f"Member must have length less than or equal to {high}"
    pattern = shape.metadata.get("pattern")
    if pattern:
        for each in _STRINGS:
            text = each * max(1, low)
            if (
                len(text) >= low
                and (high is None or len(text) <= high)
                and not compile_pattern(pattern).fullmatch(text)
            ):
                yield text, f"Member must satisfy regular expression pattern: {pattern}"
                return


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
