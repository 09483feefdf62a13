"""Augmented manifests: a JSON object a line, of which chosen attributes stream into a pipe.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest-stream.html
"""

import json
import os
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagesmith.agent.inputs.ahead import Piece, pieces_of
from sagesmith.agent.inputs.failures import download_failed

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3, S3Object

_REFERENCE = "-ref"
_LOOKED_UP_TOGETHER = 64


class AugmentedManifest:
    """A manifest that lies in a file: only where its lines begin is in memory, for every epoch has an order of its own.

    Args:
        path: the manifest, which is removed from the directory at once and read through its descriptor.
        uri: how it is called in errors.
    """

    def __init__(self, path: Path, uri: str, attributes: Sequence[str]) -> None:
        self._uri = uri
        self._attributes = list(attributes)
        self._file = path.open("rb")
        path.unlink()
        self._starts = array("Q")
        self._lengths = array("L")
        position = 0
        for line in self._file:
            if line.strip():
                self._starts.append(position)
                self._lengths.append(len(line))
            position += len(line)

    def __len__(self) -> int:
        return len(self._starts)

    def pieces(self, s3: "S3", numbers: Sequence[int]) -> Iterator[Piece]:
        """The chosen attributes of some lines, by their numbers, in this order: values as text, `-ref` as the object.

        Raises:
            TaskFailed: a line is not what it should be, or an object is not there.
        """
        for start in range(0, len(numbers), _LOOKED_UP_TOGETHER):
            chosen = numbers[start : start + _LOOKED_UP_TOGETHER]
            values = [pair for number in chosen for pair in self._line(number)]
            found = iter(self._look_up(s3, [value for name, value in values if name.endswith(_REFERENCE)]))
            for name, value in values:
                if name.endswith(_REFERENCE):
                    yield from pieces_of(s3, next(found))
                else:
                    content = (value if isinstance(value, str) else json.dumps(value)).encode()
                    yield Piece(partial(bytes, content), len(content), name, len(content))

    def _line(self, number: int) -> list[tuple[str, Any]]:
        text = os.pread(self._file.fileno(), self._lengths[number], self._starts[number])
        try:
            entry = json.loads(text)
            return [(name, entry[name]) for name in self._attributes]
        except (ValueError, TypeError, KeyError) as error:
            what = f"has no attribute {error}" if isinstance(error, KeyError) else "is not a JSON object"
            raise download_failed(
                f"Line {number + 1} of the augmented manifest {self._uri} {what}. "
                f"AttributeNames asks for {', '.join(self._attributes)} of every line"
            ) from error

    def _look_up(self, s3: "S3", uris: Sequence[Any]) -> "Sequence[S3Object]":
        from sagesmith.agent.s3 import S3Failed, split_uri

        try:
            return s3.look_up([split_uri(str(uri)) for uri in uris])
        except S3Failed as error:
            said = f"{error.code}: {error}"
            raise download_failed(f"An object that the augmented manifest {self._uri} names: {said}") from error
