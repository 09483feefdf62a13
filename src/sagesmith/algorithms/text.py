"""Lines and JSON, for algorithms whose rows are not vectors of numbers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sagesmith.algorithms.data.lines import blocks
from sagesmith.algorithms.data.read import Source, streams
from sagesmith.algorithms.errors import BadRequest


def lines(source: Source, epoch: int = 0) -> Iterator[tuple[bytes, str]]:
    """The lines of all files that are not empty, and where each stands, for people.

    Raises:
        CustomerError: a file cannot be read.
    """
    for stream, name in streams(source, epoch):
        for block in blocks(stream):
            for number, line in enumerate(block.data.split(b"\n"), block.line):
                if line.strip():
                    yield line, f"{name}, line {number}"


def loads(text: bytes | str) -> Any:
    """The JSON value that a text is.

    Raises:
        ValueError: it is none, or too deep a one.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def instances(body: bytes, example: str) -> tuple[list[Any], Mapping[str, Any]]:
    """The list of a request `{"instances": […]}`, and the whole request.

    Args:
        example: of a request, for the message.

    Raises:
        BadRequest: it has none.
    """
    try:
        request = loads(body)
    except ValueError as error:
        raise BadRequest(f"The request is not JSON: {error}") from None
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise BadRequest(f"The request must be an object with a list: {example}.")
    return request["instances"], request


def entries(body: bytes) -> list[tuple[Any, str]]:
    """The values of a request in JSON lines, and where each stands, for people.

    Raises:
        BadRequest: a line is not JSON.
    """
    found = []
    for number, line in enumerate(body.splitlines(), 1):
        if line.strip():
            try:
                found.append((loads(line), f"line {number}"))
            except ValueError as error:
                raise BadRequest(f"The line is not JSON: {error} (line {number})") from None
    return found
