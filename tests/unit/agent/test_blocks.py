"""What is fetched of an object when somebody reads it, and what is kept."""

from concurrent.futures import Future
from threading import Lock

import pytest

from sagesmith.agent.inputs.blocks import BLOCK_BYTES, Blocks
from sagesmith.agent.s3 import S3Object

KERNEL_BYTES = 128 << 10


class Store:
    """Objects whose byte at any place follows from the place."""

    def __init__(self) -> None:
        self.fetched: list[tuple[int, int]] = []
        self.fails = False
        self._lock = Lock()

    def fetch(self, entry: S3Object, start: int, length: int) -> bytes:
        with self._lock:
            self.fetched.append((start, length))
        if self.fails:
            raise OSError("no such luck")
        return content(start, length)

    @property
    def fetched_bytes(self) -> int:
        return sum(length for _, length in self.fetched)


def content(start: int, length: int) -> bytes:
    pattern = bytes(range(251))
    return (pattern * (length // 251 + 2))[start % 251 :][:length]


def read(blocks: Blocks, entry: S3Object, offset: int, size: int, file: int = 1) -> bytes:
    while isinstance(found := blocks.read(file, entry, offset, size), Future):
        found.result()
    return b"".join(found)


def test_a_file_is_read_whole_and_each_byte_fetched_once() -> None:
    store, entry = Store(), S3Object("b", "k", 30 * BLOCK_BYTES + 77)
    blocks = Blocks(store.fetch)
    for offset in range(0, entry.size, KERNEL_BYTES):
        size = min(KERNEL_BYTES, entry.size - offset)
        assert read(blocks, entry, offset, KERNEL_BYTES) == content(offset, size)
    assert store.fetched_bytes == entry.size
    # Runs grow: 30 requests would be one a block.
    assert len(store.fetched) < 10
    assert read(blocks, entry, entry.size, 10) == b""


def test_reads_here_and_there_fetch_little_more_than_they_ask_for() -> None:
    store, entry = Store(), S3Object("b", "k", 1 << 40)
    blocks = Blocks(store.fetch)
    for number in range(20):
        offset = (number * 7919 % 1000) << 30
        assert read(blocks, entry, offset + 5, 1000) == content(offset + 5, 1000)
    assert store.fetched_bytes <= 20 * BLOCK_BYTES


def test_a_read_across_blocks_is_put_together() -> None:
    store, entry = Store(), S3Object("b", "k", 5 * BLOCK_BYTES)
    offset, size = BLOCK_BYTES - 10, 2 * BLOCK_BYTES
    assert read(Blocks(store.fetch), entry, offset, size) == content(offset, size)


def test_memory_is_bounded() -> None:
    store, entry = Store(), S3Object("b", "k", 400 * BLOCK_BYTES)
    blocks = Blocks(store.fetch)
    for offset in range(0, entry.size, BLOCK_BYTES):
        read(blocks, entry, offset, BLOCK_BYTES)
    assert blocks.held_bytes <= 96 << 20
    read(blocks, entry, 0, 10)
    assert store.fetched_bytes > entry.size


def test_files_are_not_mistaken_for_each_other() -> None:
    blocks = Blocks(lambda entry, start, length: entry.key.encode() * length)
    assert read(blocks, S3Object("b", "x", 3), 0, 3, file=1) == b"xxx"
    assert read(blocks, S3Object("b", "y", 3), 0, 3, file=2) == b"yyy"


def test_a_fetch_that_fails_is_tried_again_by_the_next_reader() -> None:
    store, entry = Store(), S3Object("b", "k", 100)
    blocks = Blocks(store.fetch)
    store.fails = True
    with pytest.raises(OSError, match="no such luck"):
        read(blocks, entry, 0, 100)
    store.fails = False
    assert read(blocks, entry, 0, 100) == content(0, 100)
