"""What of objects is in memory: blocks that were asked for, and those that will be.

Blocks are fetched in runs. A file that is read from somewhere gets a run of one block; as long as it is read on from
there the runs grow, and the next ones are on their way before somebody asks. What nobody has read for longest makes
room for what is new.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3Object

BLOCK_BYTES = 1 << 20
_LONGEST_RUN = 8
_RUNS_AHEAD = 2
_FURTHEST_AHEAD = (_RUNS_AHEAD + 1) * _LONGEST_RUN
_CACHE_BYTES = 96 << 20
_FETCHERS = 8
_STREAMS = 256

Fetch = Callable[["S3Object", int, int], bytes]


@dataclass(eq=False, slots=True)
class _Run:
    file: int
    first: int
    count: int
    size: int
    content: "Future[bytes]"


@dataclass(slots=True)
class _Stream:
    """How a file is read: the last read's start and end, up to which block was fetched, how long the next run is."""

    start: int = -1
    position: int = -2 * BLOCK_BYTES
    fetched: int = 0
    length: int = 1


class Blocks:
    """The blocks of a channel's files. Thread safe.

    Args:
        fetch: reads a range of an object: start and length in bytes.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        # A fetch may fail while it is being submitted, in the thread that has the lock.
        self._lock = threading.RLock()
        self._runs: OrderedDict[_Run, None] = OrderedDict()
        self._by_block: dict[tuple[int, int], _Run] = {}
        self._streams: OrderedDict[int, _Stream] = OrderedDict()
        self._held = 0
        self._pool = ThreadPoolExecutor(_FETCHERS, "fastfile")

    def read(self, file: int, entry: "S3Object", offset: int, size: int) -> "Sequence[memoryview] | Future[bytes]":
        """A range of a file: its parts, or what to wait for before asking again.

        Raises:
            Whatever `fetch` raised.
        """
        size = min(size, entry.size - offset)
        if size <= 0:
            return []
        with self._lock:
            runs = self._wanted(file, entry, offset, size)
        for run in runs:
            if not run.content.done():
                return run.content
        return [_part(run, offset, size) for run in runs]

    @property
    def held_bytes(self) -> int:
        """How much is in memory, or on its way there."""
        return self._held

    def _wanted(self, file: int, entry: "S3Object", offset: int, size: int) -> list[_Run]:
        first, last = offset // BLOCK_BYTES, (offset + size - 1) // BLOCK_BYTES
        stream = self._stream(file)
        # Who has waited asks again. The kernel reads ahead by itself, too, and may be answered out of order.
        asked_again = offset == stream.start
        goes_on = not asked_again and abs(offset - stream.position) <= BLOCK_BYTES
        if not asked_again:
            stream.start, stream.position = offset, offset + size
            stream.length = stream.length if goes_on else 1
        runs: list[_Run] = []
        block = first
        while block <= last:
            run = self._by_block.get((file, block)) or self._begin(file, entry, block, stream)
            if run in self._runs:  # One that failed at once is not.
                self._runs.move_to_end(run)
            runs.append(run)
            block = run.first + run.count
        if not asked_again and not (goes_on and block <= stream.fetched <= block + _FURTHEST_AHEAD):
            stream.fetched = block
        if goes_on:
            self._read_ahead(file, entry, last, stream)
        return runs

    def _read_ahead(self, file: int, entry: "S3Object", last: int, stream: _Stream) -> None:
        end = min(last + 1 + _RUNS_AHEAD * stream.length, -(-entry.size // BLOCK_BYTES))
        while stream.fetched < end:
            if (file, stream.fetched) in self._by_block:
                stream.fetched += 1
            else:
                stream.length = min(2 * stream.length, _LONGEST_RUN)
                self._begin(file, entry, stream.fetched, stream)

    def _stream(self, file: int) -> _Stream:
        stream = self._streams.setdefault(file, _Stream())
        self._streams.move_to_end(file)
        if len(self._streams) > _STREAMS:
            self._streams.popitem(last=False)
        return stream

    def _begin(self, file: int, entry: "S3Object", block: int, stream: _Stream) -> _Run:
        count = 1
        blocks = -(-entry.size // BLOCK_BYTES)
        while count < stream.length and block + count < blocks and (file, block + count) not in self._by_block:
            count += 1
        start = block * BLOCK_BYTES
        size = min(count * BLOCK_BYTES, entry.size - start)
        run = _Run(file, block, count, size, self._pool.submit(self._fetch, entry, start, size))
        self._runs[run] = None
        self._by_block.update(((file, block + each), run) for each in range(count))
        self._held += size
        stream.fetched = block + count
        self._make_room(run)
        run.content.add_done_callback(lambda done: self._forget_failed(run) if _failed(done) else None)
        return run

    def _make_room(self, latest: _Run) -> None:
        while self._held > _CACHE_BYTES:
            oldest = next(iter(self._runs))
            if oldest is latest or not oldest.content.done():
                return
            self._forget(oldest)

    def _forget_failed(self, run: _Run) -> None:
        # It is reported to who waits for it now; who asks again shall have it tried again.
        with self._lock:
            if run in self._runs:
                self._forget(run)

    def _forget(self, run: _Run) -> None:
        del self._runs[run]
        self._held -= run.size
        for each in range(run.count):
            if self._by_block.get((run.file, run.first + each)) is run:
                del self._by_block[run.file, run.first + each]


def _failed(done: "Future[bytes]") -> bool:
    return done.cancelled() or done.exception() is not None


def _part(run: _Run, offset: int, size: int) -> memoryview:
    start = run.first * BLOCK_BYTES
    return memoryview(run.content.result())[max(0, offset - start) : offset + size - start]
