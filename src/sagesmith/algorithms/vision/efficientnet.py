"""EfficientNet-Lite0: the network whose weights, learned from ImageNet, come with the image algorithms' environment.

Sources:
    Tan and Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite (no squeeze and excitation, ReLU6,
        pixels of (x - 127) / 128, TensorFlow's padding)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sagesmith.algorithms.vision.pixels import DEVIATION, MEAN

NAME = "efficientnet-lite0"
_EPSILON = 1e-3
_STEM, _HEAD = 32, 1280
# Of each group of blocks: kernel, how many, expansion, stride of the first, channels.
_GROUPS = (
    (3, 1, 1, 1, 16),
    (3, 2, 6, 2, 24),
    (5, 2, 6, 2, 40),
    (3, 3, 6, 2, 80),
    (5, 3, 6, 1, 112),
    (5, 4, 6, 2, 192),
    (3, 1, 6, 1, 320),
)
_GRIDS = (0, 1, 2, 4, 6)
"""The groups after which the grid gets coarser, or the network ends."""


class EfficientNet(nn.Module):  # type: ignore[misc]
    """The network without its last layer.

    Args:
        channels: of the images, 1 or 3.
        output_stride: of the last stage, 32, 16 or 8: strides beyond become dilations.
        head: the last stage is the wide layer that classes are told by.

    Attributes:
        widths: the channels of each stage's output.
    """

    def __init__(self, *, channels: int = 3, output_stride: int = 32, head: bool = False) -> None:
        super().__init__()
        mean, deviation = (each if channels == 3 else each.mean(keepdims=True) for each in (MEAN, DEVIATION))
        for name, value in (("shift", (mean - 127) / 128), ("scale", deviation / 128)):
            self.register_buffer(name, torch.from_numpy(value).view(1, -1, 1, 1), persistent=False)
        self.widths = (*(_GROUPS[group][-1] for group in _GRIDS[:-1]), _HEAD if head else _GROUPS[-1][-1])
        self.stem = _normalised(3, _STEM, 3, 2)
        self.blocks = nn.ModuleList()
        self.ends = set()
        inputs, reached, dilation = _STEM, 2, 1
        for number, (kernel, count, expansion, halving, outputs) in enumerate(_GROUPS):
            before, stride = dilation, halving
            if halving == 2 and reached >= output_stride:
                stride, dilation = 1, 2 * dilation
            reached *= stride
            for index in range(count):
                options = (stride, before) if index == 0 else (1, dilation)
                self.blocks.append(_Block(inputs, outputs, expansion, kernel, *options))
                inputs = outputs
            if number in _GRIDS:
                self.ends.add(len(self.blocks) - 1)
        self.head = _normalised(inputs, _HEAD, 1) if head else nn.Identity()

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """The outputs of all stages, of (images, widths[stage], height, width)."""
        x = self.stem((images * self.scale + self.shift).expand(-1, 3, -1, -1))
        outputs = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.ends:
                outputs.append(x)
        return [*outputs[:-1], self.head(outputs[-1])]


class _Block(nn.Module):  # type: ignore[misc]
    """An inverted residual: wider, a convolution of each channel by itself, narrower."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = _normalised(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _normalised(wide, wide, kernel, stride, dilation, groups=wide)
        self.project = _normalised(wide, outputs, 1)[:2]
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        found = self.project(self.depthwise(self.expand(x)))
        return found + x if self.shortcut else found


class _Convolution(nn.Conv2d):  # type: ignore[misc]
    """Pads as TensorFlow does: where a stride of two needs one pixel more, it is below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        sides = []
        for place in (1, 0):
            size, stride = x.shape[2 + place], self.stride[place]
            reach = self.dilation[place] * (self.kernel_size[place] - 1) + 1
            missing = max(0, (-(-size // stride) - 1) * stride + reach - size)
            sides += [missing // 2, missing - missing // 2]
        return super().forward(pad(x, sides))


def _normalised(
    inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    convolution = _Convolution(inputs, outputs, size, stride, dilation=dilation, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=_EPSILON), nn.ReLU6())
