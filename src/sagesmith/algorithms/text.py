"""Lines and JSON, for algorithms whose rows are not vectors of numbers."""

import json
from collections.abc import Iterator
from typing import Any

from sagesmith.algorithms.data.read import Source, streams


def lines(source: Source, epoch: int = 0) -> Iterator[tuple[bytes, str]]:
    """The lines of all files that are not empty, and where each stands, for people.

    Raises:
        CustomerError: a file cannot be read.
    """
    for stream, name in streams(source, epoch):
        number, rest = 0, b""
        buffer = bytearray(1 << 20)
        while count := stream.readinto(buffer) or 0:
            *whole, rest = (rest + buffer[:count]).split(b"\n")
            for line in whole:
                number += 1
                if line.strip():
                    yield bytes(line), f"{name}, line {number}"
        if rest.strip():
            yield bytes(rest), f"{name}, line {number + 1}"


def loads(text: bytes | str) -> Any:
    """The JSON value that a text is.

    Raises:
        ValueError: it is none, or too deep a one.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
