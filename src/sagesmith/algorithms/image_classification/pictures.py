"""Images of any size as arrays of one shape: scaled, cut out, varied, normalised."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from sagesmith.algorithms.vision.pixels import MEAN, normalised

# Of hue, saturation and lightness, as OpenCV counts them.
_MOST = (36, 50, 50)
# A strip that is enlarged for its narrow side is cut to so many times the network's input: a few hundred bytes of PNG
# can be 50,000 pixels long and one high.
_LONGEST = 16
_DEGREES, _SHEAR, _ASPECT = 10.0, 0.1, 0.25


def mode(values: Mapping[str, Any]) -> str:
    """Pillow's name of what an image's pixels have to be."""
    return "L" if values["image_shape"][0] == 1 else "RGB"


def middle(pixels: Any, values: Mapping[str, Any], *, whole: bool = False) -> Any:
    """An image as the network sees it, without chance.

    Args:
        pixels: uint8 of (height, width) or (height, width, 3).
        whole: scale images down too that are too large, so that the middle is as much as possible of them.

    Returns:
        float32 of (channels, height, width).
    """
    _, height, width = values["image_shape"]
    scaled = _scaled(Image.fromarray(pixels), values, whole)
    left, top = (scaled.width - width) // 2, (scaled.height - height) // 2
    return normalised(np.asarray(scaled.crop((left, top, left + width, top + height))))


def varied(pixels: Any, values: Mapping[str, Any], random: np.random.Generator) -> Any:
    """The same with chance, as `augmentation_type` says."""
    kind = values["augmentation_type"]
    if kind is None:
        return middle(pixels, values)
    _, height, width = values["image_shape"]
    image = Image.fromarray(pixels)
    if kind == "crop_color_transform":
        image = _transformed(image, random)
    image = _scaled(image, values, whole=False)
    left = int(random.integers(image.width - width + 1))
    top = int(random.integers(image.height - height + 1))
    found = np.asarray(image.crop((left, top, left + width, top + height)))
    if random.random() < 0.5:
        found = found[:, ::-1]
    if kind != "crop":
        found = coloured(found, *(float(random.integers(-most, most + 1)) for most in _MOST))
    return normalised(found)


def coloured(pixels: Any, hue: float, saturation: float, lightness: float) -> Any:
    """Pixels whose hue (of 180), saturation and lightness (of 255) are shifted; grey ones have only lightness."""
    if pixels.ndim == 2:
        return np.clip(pixels.astype(np.int16) + int(lightness), 0, 255).astype(np.uint8)
    rgb = pixels.astype(np.float32) / 255
    high, low = rgb.max(2), rgb.min(2)
    spread, total = high - low, high + low
    divisor = np.where(spread == 0, 1, spread)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    # Sixths of the circle, from red.
    sixth = np.where(
        high == red,
        (green - blue) / divisor,
        np.where(high == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    light = total / 2
    room = 1 - np.abs(2 * light - 1)
    share = np.where(spread == 0, 0, spread / np.where(room <= 0, 1, room))
    sixth = sixth + hue / 30
    # What has no hue gets no saturation, or grey would turn red.
    share = np.where(spread == 0, 0, np.clip(share + saturation / 255, 0, 1))
    light = np.clip(light + lightness / 255, 0, 1)
    chroma = share * np.minimum(light, 1 - light)
    found = [light - chroma * np.clip(np.minimum(at - 3, 9 - at), -1, 1) for at in _turned(sixth)]
    return (np.stack(found, 2) * 255 + 0.5).clip(0, 255).astype(np.uint8)


def _turned(sixth: Any) -> list[Any]:
    """Of red, green and blue: how far, in twelfths, the hue is from where the component is least or most."""
    return [(start + 2 * sixth) % 12 for start in (0, 8, 4)]


def _scaled(image: Image.Image, values: Mapping[str, Any], whole: bool) -> Image.Image:
    """An image that is no smaller than the network's input, and whose shorter side is `resize` long if that is set."""
    _, height, width = values["image_shape"]
    cover = max(height / image.height, width / image.width)
    factor = cover if whole or cover > 1 else 1.0
    if values["resize"] is not None:
        factor = max(cover, values["resize"] / min(image.height, image.width))
    if factor == 1:
        return image
    if factor > 1:
        image = _cut(image, math.ceil(_LONGEST * width / factor), math.ceil(_LONGEST * height / factor))
    size = (max(width, round(image.width * factor)), max(height, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _cut(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of an image where it is larger than that."""
    wide, high = min(image.width, width), min(image.height, height)
    if (wide, high) == image.size:
        return image
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def _transformed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Rotated, sheared and stretched about the middle."""
    angle = np.deg2rad(random.uniform(-_DEGREES, _DEGREES))
    shear = random.uniform(-_SHEAR, _SHEAR)
    stretch = np.sqrt(1 + random.uniform(-_ASPECT, _ASPECT))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1, shear], [0, 1]]) @ np.diag([stretch, 1 / stretch])
    centre = np.array([image.width / 2, image.height / 2])
    shift = centre - matrix @ centre
    data = (*matrix[0].tolist(), float(shift[0]), *matrix[1].tolist(), float(shift[1]))
    fill = tuple(int(each) for each in MEAN) if image.mode == "RGB" else int(MEAN.mean())
    return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR, fillcolor=fill)
