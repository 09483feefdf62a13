"""Images and their objects as a network sees them."""

from typing import Any

import numpy as np
from PIL import Image

from sagesmith.algorithms.vision.pixels import normalised

_LARGEST = 1.5
"""The window of a crop or an expansion, as a part of the image's sides."""
_SMALLEST = 0.6


def network_input(image: Image.Image, side: int) -> Any:
    """An image as a float32 array of (3, side, side)."""
    small = image.resize((side, side), Image.Resampling.BILINEAR)
    return normalised(small)


def varied(image: Image.Image, objects: Any, random: Any) -> tuple[Image.Image, Any]:
    """An image flipped, and cut or put into a larger one, at random; objects whose centre is outside are gone."""
    objects = objects.copy()
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        objects[:, [1, 3]] = 1 - objects[:, [3, 1]]
    if random.random() < 0.5:
        return image, objects
    share = random.uniform(_SMALLEST, _LARGEST)
    left, top = (random.uniform(*sorted((0.0, 1 - share))) for _ in range(2))
    corner = np.array([left, top, left, top], np.float32)
    moved = (objects[:, 1:] - corner) / np.float32(share)
    centre = (moved[:, :2] + moved[:, 2:]) / 2
    inside = ((centre > 0) & (centre < 1)).all(1)
    if len(objects) and not inside.any():
        return image, objects
    width, height = image.size
    window = (left * width, top * height, (left + share) * width, (top + share) * height)
    cut = image.transform(image.size, Image.Transform.EXTENT, window, Image.Resampling.BILINEAR)
    return cut, np.concatenate([objects[inside, :1], moved[inside].clip(0, 1)], 1)
