"""A channel's examples in batches, decoded by all cores while the batches before them are learned from."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

E = TypeVar("E")
T = TypeVar("T")
_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Feed(Generic[E, T]):
    """A channel.

    Attributes:
        examples: all of them once, given the number of the pass (of a pipe, which is read once in each), and a
            generator to mix them by or None.
        read: decodes an example and varies it by a generator of its own, or not at all. Called by several threads.
        size: of a batch.
        part: which of the examples are this instance's, and of how many parts; (0, 1) for all of them.
    """

    examples: Callable[[int, np.random.Generator | None], Iterable[E]]
    read: Callable[[E, np.random.Generator | None], T]
    size: int
    part: tuple[int, int] = (0, 1)

    def batches(self, number: int, seed: int | None, skipped: int = 0) -> Generator[list[T]]:
        """All examples once.

        Args:
            number: of the pass, from 0.
            seed: of their order, which is the same for all parts, and of their variation; None for neither.
            skipped: so many batches at the beginning are passed over, undecoded.

        Raises:
            CustomerError: of the first example that is not what it should be.
        """
        pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "decode")
        waiting: deque[list[Future[T]]] = deque()
        own, parts = self.part
        order, variation = (None if seed is None else np.random.default_rng((seed, *each)) for each in ((0,), (1, own)))
        try:
            examples = islice(self.examples(number, order), own, None, parts)
            while lot := list(islice(examples, self.size)):
                seeds = [None] * len(lot) if variation is None else variation.integers(1 << 62, size=len(lot)).tolist()
                if skipped:
                    skipped -= 1
                    continue
                waiting.append([pool.submit(self._read, *each) for each in zip(lot, seeds, strict=True)])
                if len(waiting) > _BATCHES_AHEAD:
                    yield [each.result() for each in waiting.popleft()]
            while waiting:
                yield [each.result() for each in waiting.popleft()]
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, example: E, seed: int | None) -> T:
        return self.read(example, None if seed is None else np.random.default_rng(seed))


def stacked(lot: list[tuple[Any, Any]]) -> tuple[Any, list[Any]]:
    """A batch of (input, truth): one array of the inputs, and the truths."""
    return np.stack([image for image, _ in lot]), [truth for _, truth in lot]
