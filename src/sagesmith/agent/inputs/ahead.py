"""Objects read one after the other, and the next ones ahead of time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3, S3Object

PIECE_BYTES = 4 << 20
AHEAD_BYTES = 32 << 20
"""What a channel holds in memory of what nobody has read yet."""
AHEAD_PIECES = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a record, which is an object of S3 or a value.

    Attributes:
        size: how many bytes `read` gives.
        record: what it is a part of, for people.
        record_size: how many bytes that has.
        first: whether the record begins with it.
        last: whether the record ends with it.
    """

    read: Callable[[], bytes]
    size: int
    record: str
    record_size: int
    first: bool = True
    last: bool = True


def pieces_of(s3: "S3", entry: "S3Object") -> Iterator[Piece]:
    """An object in pieces; an empty one has one, too."""
    for start in range(0, max(entry.size, 1), PIECE_BYTES):
        size = min(PIECE_BYTES, entry.size - start)
        read = partial(s3.read_range, entry, start, size)
        yield Piece(read, size, entry.uri, entry.size, start == 0, start + size >= entry.size)


def read_ahead(pieces: Iterable[Piece], pool: ThreadPoolExecutor) -> Generator[tuple[Piece, bytes]]:
    """Each piece, in order, with its content.

    Raises:
        Whatever a piece's `read` raises.
    """
    coming = iter(pieces)
    pending: deque[tuple[Piece, Future[bytes]]] = deque()
    held = 0
    try:
        while True:
            while held < AHEAD_BYTES and len(pending) < AHEAD_PIECES and (piece := next(coming, None)) is not None:
                pending.append((piece, pool.submit(piece.read)))
                held += piece.size
            if not pending:
                return
            piece, future = pending.popleft()
            yield piece, future.result()
            held -= piece.size
    finally:
        for _, future in pending:
            future.cancel()
