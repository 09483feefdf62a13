"""Images and masks as a network sees them, and how well masks agree."""

from typing import Any

import numpy as np
from PIL import Image

from sagesmith.algorithms.data.annotations import IGNORED
from sagesmith.algorithms.data.images import Example, mask
from sagesmith.algorithms.errors import Unreadable
from sagesmith.algorithms.vision.pixels import normalised

MOST_PIXELS = 12_000_000
"""Of an image that is seen whole: a network makes some hundred numbers of each."""


def pair(example: Example, table: Any, classes: int) -> tuple[Image.Image, Image.Image]:
    """An image and its mask.

    Args:
        table: what the masks' values stand for, None if they are classes.
        classes: how many there are.

    Raises:
        Unreadable: they are none, do not fit each other, or the mask has a class that there is not.
    """
    pixels = example.pixels()
    found = mask(example.told(), example.place, table)
    if found.shape != pixels.shape[:2]:
        sizes = [f"{width} x {height}" for height, width in (found.shape, pixels.shape[:2])]
        raise Unreadable(example.place, f"The mask has {sizes[0]} pixels, and the image {sizes[1]}")
    wrong = (found >= classes) & (found != IGNORED)
    if wrong.any():
        raise Unreadable(
            example.place,
            f"The mask has class {found[wrong][0]}, which is not one of 0 to {classes - 1} (num_classes is "
            f"{classes}) or {IGNORED}",
        )
    return Image.fromarray(pixels), Image.fromarray(found)


def random_crop(image: Image.Image, classes: Image.Image, base: int, crop: int, random: Any) -> tuple[Any, Any]:
    """A random square of a randomly scaled and flipped image: its input and its classes."""
    if random.random() < 0.5:
        flip = Image.Transpose.FLIP_LEFT_RIGHT
        image, classes = image.transpose(flip), classes.transpose(flip)
    longer = base * random.uniform(0.5, 2.0)
    image, classes = _scaled(image, classes, longer / max(image.size))
    image, classes = _padded(image, classes, crop)
    left, top = (int(random.integers(0, side - crop + 1)) for side in image.size)
    return _cut(image, classes, left, top, crop)


def central_crop(image: Image.Image, classes: Image.Image, crop: int) -> tuple[Any, Any]:
    """The middle square of an image, scaled."""
    side = min(image.size)
    # Cut out first: a strip of one pixel's height would be a thousand times as long too.
    left, top = ((each - side) // 2 for each in image.size)
    box = (left, top, left + side, top + side)
    return _cut(*_scaled(image.crop(box), classes.crop(box), crop / side), 0, 0, crop)


def uncut(image: Image.Image, classes: Image.Image, place: str) -> tuple[Any, Any]:
    """An image as it is, and its classes.

    Raises:
        Unreadable: it is too large for that.
    """
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable(
            place,
            f"The image has {image.width} x {image.height} pixels, and may have {MOST_PIXELS / 1e6:.0f} million where "
            "validation_mini_batch_size is 1: make it smaller, or that larger",
        )
    return normalised(image), np.asarray(classes, np.int64)


def _scaled(image: Image.Image, classes: Image.Image, by: float) -> tuple[Image.Image, Image.Image]:
    width, height = (max(1, round(side * by)) for side in image.size)
    size = (width, height)
    return image.resize(size, Image.Resampling.BILINEAR), classes.resize(size, Image.Resampling.NEAREST)


def _padded(image: Image.Image, classes: Image.Image, least: int) -> tuple[Image.Image, Image.Image]:
    """With black below and to the right, which is of no class, up to a least side."""
    width, height = (max(least, side) for side in image.size)
    size = (width, height)
    if size == image.size:
        return image, classes
    larger, none = Image.new("RGB", size), Image.new("L", size, IGNORED)
    larger.paste(image)
    none.paste(classes)
    return larger, none


def _cut(image: Image.Image, classes: Image.Image, left: int, top: int, side: int) -> tuple[Any, Any]:
    box = (left, top, left + side, top + side)
    return normalised(image.crop(box)), np.array(classes.crop(box), np.int64)


class Agreement:
    """How far masks agree with the true ones, over all pixels that count.

    Attributes:
        pairs: an int64 array of (classes, classes): how many pixels of a true class were said to be of another.
    """

    def __init__(self, classes: int) -> None:
        self.pairs = np.zeros((classes, classes), np.int64)

    def add(self, true: Any, said: Any) -> None:
        counted = true != IGNORED
        count = len(self.pairs)
        self.pairs += np.bincount(true[counted] * count + said[counted], minlength=count * count).reshape(count, count)

    @property
    def pixel_accuracy(self) -> float:
        return float(np.trace(self.pairs) / max(1, self.pairs.sum()))

    @property
    def mean_iou(self) -> float:
        """A class's intersection over union, the mean of those classes that there are."""
        both = np.diag(self.pairs)
        either = self.pairs.sum(0) + self.pairs.sum(1) - both
        there = either > 0
        return float((both[there] / either[there]).mean()) if there.any() else 0.0
