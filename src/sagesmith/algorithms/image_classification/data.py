"""A channel's images and labels, batch after batch, decoded while others are learned from."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from sagesmith.algorithms.data import annotations, images
from sagesmith.algorithms.data.images import Example
from sagesmith.algorithms.data.read import Source, parameters
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.image_classification import pictures
from sagesmith.algorithms.image_classification.declaration import IMAGE_RECORDS

# What waits to be drawn from: enough to mix, little enough for memory.
_WAITING_IMAGES = 4096
_WAITING_BYTES = 256 << 20
_BATCHES_AHEAD = 2


class Images:
    """A channel.

    Args:
        lists: of images that are files, the channel that lists them.
        values: the hyperparameters.
    """

    def __init__(self, source: Source, lists: Source | None, values: Mapping[str, Any]) -> None:
        kind, given = parameters(source.content_type)
        self._source, self._values = source, values
        self._by_id = given.get("label-format") == "class-id"
        self._listed: list[Example] | None = None
        if kind != IMAGE_RECORDS and source.mode != "Pipe":
            if lists is None:
                raise CustomerError(
                    f"Channel '{source.name}' has images ({source.content_type}): give the job a channel "
                    f"'{source.name}_lst' with the list of their labels."
                )
            self._listed = images.listed(source, lists)

    def batches(self, epoch: int, random: np.random.Generator | None) -> Iterator[tuple[Any, Any]]:
        """All images once.

        Args:
            epoch: of a pipe, which is read once in each.
            random: for their order and variation; None for neither.

        Yields:
            float32 of (images, channels, height, width); their classes, or float32 of (images, classes).

        Raises:
            CustomerError: something is no image, or has no label.
        """
        pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "decode")
        waiting: deque[list[Future[tuple[Any, Any]]]] = deque()
        try:
            examples = self._examples(epoch, random)
            while lot := list(islice(examples, self._values["mini_batch_size"])):
                seeds = [None] * len(lot) if random is None else random.integers(1 << 62, size=len(lot)).tolist()
                waiting.append([pool.submit(self._read, *each) for each in zip(lot, seeds, strict=True)])
                if len(waiting) > _BATCHES_AHEAD:
                    yield _together(waiting.popleft())
            while waiting:
                yield _together(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _examples(self, epoch: int, random: np.random.Generator | None) -> Iterator[Example]:
        if self._listed is None:
            found = images.records(self._source, epoch)
            return found if random is None else _mixed(found, random)
        if random is None:
            return iter(self._listed)
        return map(self._listed.__getitem__, random.permutation(len(self._listed)))

    def _read(self, example: Example, seed: int | None) -> tuple[Any, Any]:
        count, several = self._values["num_classes"], self._values["multi_label"]
        label = annotations.classes(example.known, count, example.place, several=several, by_id=self._by_id)
        pixels = example.pixels(pictures.mode(self._values))
        if seed is None:
            return pictures.middle(pixels, self._values), label
        return pictures.varied(pixels, self._values, np.random.default_rng(seed)), label


def _together(lot: list[Future[tuple[Any, Any]]]) -> tuple[Any, Any]:
    found = [each.result() for each in lot]
    return np.stack([image for image, _ in found]), np.array([label for _, label in found])


def _mixed(examples: Iterator[Example], random: np.random.Generator) -> Iterator[Example]:
    """In another order, as far as those that wait allow."""
    waiting: list[Example] = []
    size = 0
    for example in examples:
        waiting.append(example)
        size += _size(example)
        while len(waiting) > _WAITING_IMAGES or size > _WAITING_BYTES:
            place = int(random.integers(len(waiting)))
            waiting[place], waiting[-1] = waiting[-1], waiting[place]
            drawn = waiting.pop()
            size -= _size(drawn)
            yield drawn
    yield from (waiting[row] for row in random.permutation(len(waiting)))


def _size(example: Example) -> int:
    return len(example.source) if isinstance(example.source, bytes) else 0
