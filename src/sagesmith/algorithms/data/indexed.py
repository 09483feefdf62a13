"""Images of RecordIO files in any order: in memory is where each begins, eight bytes, and not the image."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data.images import Example, examples, is_image
from sagesmith.algorithms.data.read import Source, files, no_data
from sagesmith.algorithms.data.recordio import HEAD_BYTES, cut, frames, head

_LOOKED_AT = 16
"""Bytes of a record by which an image is told from what has a header."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of records.

    Attributes:
        name: for people.
        bounds: an int64 array: where each record begins, and where the last one ends.
        together: how many records are an example: two of an augmented manifest's, else one.
    """

    path: Path
    name: str
    bounds: Any
    together: int

    @classmethod
    def of(cls, path: Path, name: str) -> "_File":
        """Look through a file's headers.

        Raises:
            Unreadable: it is not RecordIO, or is cut off within a record.
        """
        bounds, size = [0], path.stat().st_size
        with path.open("rb", buffering=0) as opened:
            first = os.pread(opened.fileno(), HEAD_BYTES + _LOOKED_AT, 0)[HEAD_BYTES:]
            end = 0
            while end < size:
                data, begun = os.pread(opened.fileno(), HEAD_BYTES, end), end
                part, length = head(data)
                end += HEAD_BYTES + length + -length % 4
                last = part in (0, 3)
                if part < 0 or end > size or (end == size and not last):
                    raise cut(data, size - begun, f"{name}, record {len(bounds)} (byte {begun})")
                if last:
                    bounds.append(end)
        return cls(path, name, np.array(bounds, np.int64), 2 if is_image(first) else 1)

    def __len__(self) -> int:
        """How many examples there are; the last one of a manifest may be the half of one."""
        return (len(self.bounds) + self.together - 2) // self.together

    def example(self, number: int) -> Example:
        first = number * self.together
        begin, end = (int(self.bounds[min(each, len(self.bounds) - 1)]) for each in (first, first + self.together))
        with self.path.open("rb", buffering=0) as opened:
            data = os.pread(opened.fileno(), end - begin, begin)
        place = f"{self.name}, record {first + 1} (byte {begin + HEAD_BYTES})"
        (example,) = examples((record, place) for lot in frames(BytesIO(data), self.name) for record in lot)
        return example


class Indexed(Sequence[Example]):
    """The images of a channel's files, each read when it is asked for.

    Raises:
        CustomerError: there are none, or a file is not RecordIO.
    """

    def __init__(self, source: Source) -> None:
        paths = [(path, f"file {source.name}/{path.relative_to(source.folder)}") for path in files(source)]
        self._files = [_File.of(*each) for each in paths]
        self._ends = list(accumulate(map(len, self._files)))
        if not len(self):
            raise no_data(source)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: Any) -> Any:
        """An image.

        Raises:
            Unreadable: the record is none.
        """
        file = bisect_right(self._ends, number)
        return self._files[file].example(number - (self._ends[file - 1] if file else 0))
