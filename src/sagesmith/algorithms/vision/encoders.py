"""The networks that see images, by name: what classification, detection and segmentation build on."""

from typing import Any

from torch import nn

from sagesmith.algorithms.vision import efficientnet
from sagesmith.algorithms.vision.efficientnet import EfficientNet
from sagesmith.algorithms.vision.resnet import ResNet
from sagesmith.algorithms.vision.vgg import Vgg

PLAIN_VGG = "vgg-16-plain"
"""VGG-16 as it was published; `vgg-16` is normalised after each convolution."""


def encoder(
    name: str, *, channels: int = 3, output_stride: int = 32, stem: bool = True, head: bool = False
) -> nn.Module:
    """A network of stages, with `widths`, that answers images with the outputs of all stages.

    Args:
        name: `resnet-<layers>`, `vgg-16`, `vgg-16-plain` or `efficientnet-lite0`.
        channels, output_stride, stem, head: as the networks have them that have them.

    Raises:
        ValueError: there is none of that name.
    """
    if name == efficientnet.NAME:
        return EfficientNet(channels=channels, output_stride=output_stride, head=head)
    kind, _, layers = name.partition("-")
    makes: dict[str, Any] = {
        "vgg-16": lambda: Vgg(normalised=True),
        PLAIN_VGG: lambda: Vgg(normalised=False),
    }
    if name in makes:
        made: nn.Module = makes[name]()
        return made
    if kind != "resnet" or not layers.isdecimal():
        raise ValueError(f"there is no network {name!r}")
    return ResNet(int(layers), channels=channels, output_stride=output_stride, stem=stem)
