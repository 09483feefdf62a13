"""Rows that are gone over several times, in memory of a fixed size: small data is read once, large data each time."""

from collections.abc import Callable, Iterator
from typing import Any

from sagesmith.algorithms.data.batch import Batch

KEPT_BYTES = 256 << 20


class Replay:
    """The rows of a channel, pass after pass, and their beginning before the first. Not thread safe.

    The beginning is read only once, so that a pipe, which is never rewound, gives every row to the first pass.

    Args:
        read: opens the channel, given how often it was opened before (the number of a Pipe channel's FIFO).
        kept_bytes: up to this size the rows stay in memory and are not read again.
    """

    def __init__(self, read: Callable[[int], Iterator[Batch]], kept_bytes: int = KEPT_BYTES) -> None:
        self._read = read
        self._room = kept_bytes
        self._kept: list[Batch] | None = []
        self._complete = False
        self._opened = 0
        self._begun: tuple[list[Batch], Iterator[Batch]] | None = None

    def head(self, rows: int) -> list[Batch]:
        """The first rows, fewer if there are fewer. To be called before the first pass."""
        stream, ahead, count = self._stream(), list[Batch](), 0
        while count < rows:
            batch = next(stream, None)
            if batch is None:
                break
            ahead.append(batch)
            count += len(batch)
        self._begun = ahead, stream
        if count > rows:
            return [*ahead[:-1], next(ahead[-1].pieces(len(ahead[-1]) - (count - rows)))]
        return list(ahead)

    def forget(self) -> None:
        """Keep no rows: there is hardly going to be another pass."""
        self._kept, self._complete = None, False

    def __call__(self) -> Iterator[Batch]:
        """All rows."""
        if self._complete:
            yield from self._kept or ()
        elif self._begun is not None:
            (ahead, stream), self._begun = self._begun, None
            yield from ahead
            yield from stream
        else:
            yield from self._stream()

    def _stream(self) -> Iterator[Batch]:
        number, self._opened = self._opened, self._opened + 1
        for batch in self._read(number):
            if self._kept is not None:
                self._keep(batch)
            yield batch
        self._complete = self._kept is not None

    def _keep(self, batch: Batch) -> None:
        self._room -= _bytes(batch)
        if self._room < 0:
            self._kept = None
        elif self._kept is not None:
            self._kept.append(batch)


def _bytes(batch: Batch) -> int:
    def size(array: Any) -> int:
        if array is None:
            return 0
        if hasattr(array, "indptr"):
            return int(array.data.nbytes + array.indices.nbytes + array.indptr.nbytes)
        return int(array.nbytes)

    return size(batch.features) + size(batch.labels) + size(batch.weights)
