"""A strict reader of answers: what botocore's own parser forgives is a problem here.

It reads the bytes, because botocore drops members that it does not know and fills in what is missing.
"""

import base64
import binascii
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagesmith.wire.patterns import compile_pattern
from tests.conformance.model import is_document, is_union, join

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float),
    "blob": (str,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}
_YEAR_2000, _YEAR_2100 = 946_684_800, 4_102_444_800


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in an answer that its shape does not allow.

    Attributes:
        path: where, `ProductionVariants[].ModelName`.
        rule: unknown, required, missing list, union, type, enum, pattern, length, range, timestamp, blob.
    """

    path: str
    rule: str
    value: Any

    def __str__(self) -> str:
        return f"{self.path or 'the answer'}: {self.rule} ({self.value!r:.120})"


def problems(answer: Any, shape: Any) -> list[Problem]:
    """What is wrong with the JSON of an answer; `shape` is the operation's output, None if it answers nothing.

    A list that an answer has nothing for is there and empty, whatever its least length: clients index it.
    """
    if shape is None:
        return [Problem("", "unknown", answer)] if answer else []
    missing = [
        Problem(name, "missing list", None)
        for name, member in shape.members.items()
        if member.type_name == "list" and name not in answer
    ]
    return [*missing, *_look(answer, shape, "")]


def _look(value: Any, shape: Any, path: str) -> Iterator[Problem]:
    if is_document(shape):
        return
    if not _has_type(value, shape):
        yield Problem(path, "type", value)
        return
    match shape.type_name:
        case "structure":
            yield from _structure(value, shape, path)
        case "list" if value:
            yield from _size(value, shape, path)
            for item in value:
                yield from _look(item, shape.member, f"{path}[]")
        case "map":
            yield from _size(value, shape, path)
            for key, item in value.items():
                yield from _look(key, shape.key, f"{path}{{key}}")
                yield from _look(item, shape.value, f"{path}{{}}")
        case "string":
            yield from _string(value, shape, path)
        case "timestamp":
            if not _YEAR_2000 < value < _YEAR_2100 or not math.isclose(
                value * 1000, round(value * 1000), rel_tol=1e-12
            ):
                yield Problem(path, "timestamp", value)
        case "blob":
            try:
                base64.b64decode(value, validate=True)
            except binascii.Error:
                yield Problem(path, "blob", value)
        case "integer" | "long" | "float" | "double":
            low, high = shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)
            if not low <= value <= high:
                yield Problem(path, "range", value)


def _has_type(value: Any, shape: Any) -> bool:
    expected = _TYPES[shape.type_name]
    return isinstance(value, expected) and (bool in expected or not isinstance(value, bool))


def _structure(value: dict[str, Any], shape: Any, path: str) -> Iterator[Problem]:
    for name, item in value.items():
        if name not in shape.members:
            yield Problem(join(path, name), "unknown", item)
        else:
            yield from _look(item, shape.members[name], join(path, name))
    for name in shape.required_members:
        if name not in value:
            yield Problem(join(path, name), "required", None)
    if is_union(shape) and len(value) != 1:
        yield Problem(path, "union", value)


def _size(value: Any, shape: Any, path: str) -> Iterator[Problem]:
    if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", math.inf):
        yield Problem(path, "length", value)


def _string(value: str, shape: Any, path: str) -> Iterator[Problem]:
    if shape.enum:
        if value not in shape.enum:
            yield Problem(path, "enum", value)
        return
    yield from _size(value, shape, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not compile_pattern(pattern).fullmatch(value):
        yield Problem(path, "pattern", value)
