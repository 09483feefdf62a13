"""Reads values out of API documents by path, such as `ProductionVariants[].ModelName`."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from sagesmith.store import Document


def values(document: Any, path: str) -> Iterator[Any]:
    """All values at `path` that are present; `[]` after a step goes through a list's elements."""
    steps, last = _split(path)
    yield from _walk(document, steps, last, 0)


def first(document: Any, path: str) -> Any:
    """The first value at `path`, None if there is none."""
    return next(values(document, path), None)


def reader(path: str) -> Callable[[dict[str, Any]], Any]:
    """A function that reads `path`, as fast as it can be for a path of one step."""
    if "." not in path and "[" not in path:
        return lambda document: document.get(path)
    return lambda document: first(document, path)


def contains(path: str) -> Callable[[Document, str], bool]:
    """A filter of List: whether one of the values at `path` has this part."""

    def select(document: Document, part: str) -> bool:
        return any(part in str(value) for value in values(document.body, path))

    return select


@lru_cache(maxsize=1024)
def _split(path: str) -> tuple[tuple[tuple[str, bool], ...], int]:
    steps = tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split("."))
    return steps, len(steps)


def _walk(value: Any, steps: tuple[tuple[str, bool], ...], last: int, depth: int) -> Iterator[Any]:
    if value is None:
        return
    if depth == last:
        yield value
        return
    member, each = steps[depth]
    found = value.get(member)
    if not each:
        yield from _walk(found, steps, last, depth + 1)
        return
    for element in found or ():
        yield from _walk(element, steps, last, depth + 1)
