"""The networks of Semantic Segmentation: a residual encoder at an eighth of the size, and a decoder.

Sources:
    Long et al.: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015
    Zhao et al.: Pyramid Scene Parsing Network, CVPR 2017 (bins of 1, 2, 3 and 6; auxiliary loss)
    Chen et al.: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017 (rates of 12, 24 and 36 at an
        eighth of the size)
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from sagesmith.algorithms.vision.encoders import encoder

_STRIDE = 8
_BINS = (1, 2, 3, 6)
_RATES = (12, 24, 36)
_ATROUS_WIDTH = 256
_DROPOUT = 0.1


class Network(nn.Module):  # type: ignore[misc]
    """Scores of classes for each pixel.

    Args:
        values: the hyperparameters, and the name of the `encoder`.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        classes = values["num_classes"]
        self.backbone = encoder(values["encoder"], output_stride=_STRIDE)
        *_, third, last = self.backbone.widths
        self.decoder = _DECODERS[values["algorithm"]](last, classes)
        self.auxiliary = _head(third, third // 4, classes)

    @property
    def encoder(self) -> nn.Module:
        return self.backbone

    def forward(self, images: Tensor) -> Tensor:
        """Scores of (images, classes, height, width)."""
        return _as_large(self.decoder(self.backbone(images)[-1]), images)

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The scores, and those that the stage before the last makes by itself, by which it learns too."""
        *_, third, last = self.backbone(images)
        return _as_large(self.decoder(last), images), _as_large(self.auxiliary(third), images)


class _Pyramid(nn.Module):  # type: ignore[misc]
    """Means of the image's parts, from the whole to a sixth of each side, beside each pixel's features."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        width = inputs // len(_BINS)
        # A part of a single image may be a single number per channel, which there is no normalising.
        self.parts = nn.ModuleList(nn.Sequential(nn.Conv2d(inputs, width, 1), nn.ReLU()) for _ in _BINS)
        self.head = _head(inputs + width * len(_BINS), inputs // 4, classes)

    def forward(self, features: Tensor) -> Tensor:
        means = (
            _as_large(part(adaptive_avg_pool2d(features, bins)), features)
            for part, bins in zip(self.parts, _BINS, strict=True)
        )
        return self.head(torch.cat([features, *means], 1))


class _Atrous(nn.Module):  # type: ignore[misc]
    """Convolutions that look around at several distances, and the mean of the image."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        width = _ATROUS_WIDTH
        self.branches = nn.ModuleList(
            [_normalised(inputs, width, 1), *(_normalised(inputs, width, 3, rate) for rate in _RATES)]
        )
        self.whole = nn.Sequential(nn.Conv2d(inputs, width, 1), nn.ReLU())
        self.project = nn.Sequential(_normalised((len(self.branches) + 1) * width, width, 1), nn.Dropout(0.5))
        self.head = _head(width, width, classes)

    def forward(self, features: Tensor) -> Tensor:
        whole = _as_large(self.whole(adaptive_avg_pool2d(features, 1)), features)
        seen = [branch(features) for branch in self.branches]
        return self.head(self.project(torch.cat([*seen, whole], 1)))


def _head(inputs: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(_normalised(inputs, width, 3), nn.Dropout(_DROPOUT), nn.Conv2d(width, classes, 1))


def _normalised(inputs: int, outputs: int, size: int, rate: int = 1) -> nn.Sequential:
    padding = rate * (size // 2)
    convolution = nn.Conv2d(inputs, outputs, size, padding=padding, dilation=rate, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    return interpolate(x, other.shape[-2:], mode="bilinear", align_corners=False)


_DECODERS: dict[str, Any] = {
    "fcn": lambda inputs, classes: _head(inputs, inputs // 4, classes),
    "psp": _Pyramid,
    "deeplab": _Atrous,
}
