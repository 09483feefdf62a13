"""SSD: boxes of many sizes at every place of several maps of features, each with scores of classes and a shift.

Sources:
    Liu et al.: SSD: Single Shot MultiBox Detector, ECCV 2016
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sagesmith.algorithms.vision.encoders import encoder

_RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
_EXTRAS = 3
_STEPS, _MOST = 3.75, 0.95
"""The sides of boxes in steps from place to place, and those of the last map's as a part of the image's."""
_PER_PLACE = len(_RATIOS) + 1
_HEAD_DEVIATION = 0.01
"""Of the heads' first weights: what they say at first is little, whatever the norm of an encoder's features is."""


class Network(nn.Module):  # type: ignore[misc]
    """What is at each anchor: scores of the background and the classes, and where the object's box is.

    Args:
        values: the hyperparameters, and the name of the `encoder`.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.classes = int(values["num_classes"])
        self.base = encoder(values["encoder"])
        # From an eighth of the size on, which are VGG's last two; those for small images have no such stages.
        self.seen = 3 if len(self.base.widths) > 3 else 2
        widths = [*self.base.widths[-self.seen :]]
        self.extras = nn.ModuleList()
        for _ in range(_EXTRAS):
            self.extras.append(nn.Sequential(_normalised(widths[-1], 128, 1), _normalised(128, 256, 3, 2)))
            widths.append(256)
        self.scale = nn.Parameter(torch.full((1, widths[0], 1, 1), 20.0))
        self.scores = nn.ModuleList(nn.Conv2d(each, _PER_PLACE * (self.classes + 1), 3, padding=1) for each in widths)
        self.shifts = nn.ModuleList(nn.Conv2d(each, _PER_PLACE * 4, 3, padding=1) for each in widths)
        for head in (*self.scores, *self.shifts):
            nn.init.normal_(head.weight, std=_HEAD_DEVIATION)
            nn.init.zeros_(head.bias)

    @property
    def encoder(self) -> nn.Module:
        return self.base

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of (images, anchors, 1 + classes), shifts of (images, anchors, 4), and the anchors, (anchors, 4)."""
        first, *later = self.base(images)[-self.seen :]
        # The norms of an early map's features differ from those of later ones (Liu et al., section 3.1).
        maps = [self.scale * normalize(first), *later]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        scores = [_flat(head(each), self.classes + 1) for head, each in zip(self.scores, maps, strict=True)]
        shifts = [_flat(head(each), 4) for head, each in zip(self.shifts, maps, strict=True)]
        sizes = tuple((each.shape[2], each.shape[3]) for each in maps)
        return torch.cat(scores, 1), torch.cat(shifts, 1), anchors(sizes)


@cache
def anchors(sizes: tuple[tuple[int, int], ...]) -> Tensor:
    """The boxes of all places of maps of (height, width): centre x, centre y, width, height, as parts of the image."""
    sides = _sides([1 / max(size) for size in sizes])
    found = []
    for number, (height, width) in enumerate(sizes):
        side = sides[number]
        between = math.sqrt(side * sides[number + 1])
        shapes = [(side * math.sqrt(ratio), side / math.sqrt(ratio)) for ratio in _RATIOS] + [(between, between)]
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        centres = torch.stack([x / width, y / height], -1)[:, :, None].expand(-1, -1, len(shapes), -1)
        extents = torch.tensor(shapes)[None, None].expand(height, width, -1, -1)
        found.append(torch.cat([centres, extents], -1).reshape(-1, 4))
    return torch.cat(found)


def _sides(steps: list[float]) -> list[float]:
    """The sides of the boxes of maps whose places are so far apart, and of one map more.

    The encoder's maps have boxes so many times as large as the distance, as SSD's for images of 300 pixels: an object
    between two places overlaps none by half that is smaller. Those of the further maps grow to the image's size.
    """
    own = [min(_MOST, _STEPS * step) for step in steps[:-_EXTRAS]]
    return [*own, *(own[-1] + (_MOST - own[-1]) * (number + 1) / _EXTRAS for number in range(_EXTRAS)), 1.05]


def _flat(output: Tensor, width: int) -> Tensor:
    return output.permute(0, 2, 3, 1).reshape(len(output), -1, width)


def _normalised(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
