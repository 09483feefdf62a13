"""A channel's images and labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sagesmith.algorithms.data import annotations, images
from sagesmith.algorithms.data.images import Example
from sagesmith.algorithms.data.read import Source, parameters
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.image_classification import pictures
from sagesmith.algorithms.vision.channels import Waiting, drawn
from sagesmith.algorithms.vision.feed import Feed


def feed(
    source: Source, lists: Source | None, values: Mapping[str, Any], part: tuple[int, int]
) -> Feed[Waiting, tuple[Any, Any]]:
    """A channel: float32 of (channels, height, width), and a class or float32 of (classes,), of each image.

    Args:
        lists: of images that are files, the channel that lists them.
        values: the hyperparameters.
        part: as `Feed` has it.

    Raises:
        CustomerError: images are not listed, or the list is none.
    """
    _, given = parameters(source.content_type)
    count, several, by_id = values["num_classes"], values["multi_label"], given.get("label-format") == "class-id"

    def read(waiting: Waiting, random: np.random.Generator | None) -> tuple[Any, Any]:
        example = waiting()
        label = annotations.classes(example.told(), count, example.place, several=several, by_id=by_id)
        pixels = example.pixels(pictures.mode(values))
        if random is None:
            return pictures.middle(pixels, values), label
        return pictures.varied(pixels, values, random), label

    def listed() -> Sequence[Example]:
        if lists is None:
            raise CustomerError(
                f"Channel '{source.name}' has images ({source.content_type}): give the job a channel "
                f"'{source.name}_lst' with the list of their labels."
            )
        return images.listed(source, lists)

    return Feed(drawn(source, listed), read, values["mini_batch_size"], part)
