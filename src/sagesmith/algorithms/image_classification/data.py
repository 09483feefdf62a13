"""A channel's images and labels."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from sagesmith.algorithms.data import annotations, images
from sagesmith.algorithms.data.images import Example
from sagesmith.algorithms.data.read import Source, parameters
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.image_classification import pictures
from sagesmith.algorithms.vision.declaration import IMAGES
from sagesmith.algorithms.vision.feed import Feed

# What waits to be drawn from: enough to mix, little enough for memory.
_WAITING_IMAGES = 4096
_WAITING_BYTES = 256 << 20


def feed(
    source: Source, lists: Source | None, values: Mapping[str, Any], part: tuple[int, int]
) -> Feed[Example, tuple[Any, Any]]:
    """A channel: float32 of (channels, height, width), and a class or float32 of (classes,), of each image.

    Args:
        lists: of images that are files, the channel that lists them.
        values: the hyperparameters.
        part: as `Feed` has it.

    Raises:
        CustomerError: images are not listed, or the list is none.
    """
    kind, given = parameters(source.content_type)
    count, several, by_id = values["num_classes"], values["multi_label"], given.get("label-format") == "class-id"

    def read(example: Example, random: np.random.Generator | None) -> tuple[Any, Any]:
        label = annotations.classes(example.known, count, example.place, several=several, by_id=by_id)
        pixels = example.pixels(pictures.mode(values))
        if random is None:
            return pictures.middle(pixels, values), label
        return pictures.varied(pixels, values, random), label

    if kind == IMAGES or source.mode == "Pipe":

        def examples(number: int, random: np.random.Generator | None) -> Iterable[Example]:
            found = images.records(source, number)
            return found if random is None else _mixed(found, random)

        return Feed(examples, read, values["mini_batch_size"], part)
    if lists is None:
        raise CustomerError(
            f"Channel '{source.name}' has images ({source.content_type}): give the job a channel "
            f"'{source.name}_lst' with the list of their labels."
        )
    listed = images.listed(source, lists)

    def ordered(_: int, random: np.random.Generator | None) -> Iterable[Example]:
        return listed if random is None else map(listed.__getitem__, random.permutation(len(listed)))

    return Feed(ordered, read, values["mini_batch_size"], part)


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
