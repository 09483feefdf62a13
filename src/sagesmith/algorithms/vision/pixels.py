"""Pixels as networks see them: about zero, by the mean and the deviation of ImageNet's photographs."""

from typing import Any

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
"""Of red, green and blue, from 0 to 255, as all weights have it that were learned from ImageNet."""
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32) * 255


def normalised(pixels: Any) -> Any:
    """An image of (height, width[, 3]) from 0 to 255, as float32 of (channels, height, width)."""
    found = np.asarray(pixels, np.float32)
    if found.ndim == 2:
        return ((found - MEAN.mean()) / DEVIATION.mean())[None]
    return np.ascontiguousarray(((found - MEAN) / DEVIATION).transpose(2, 0, 1))
