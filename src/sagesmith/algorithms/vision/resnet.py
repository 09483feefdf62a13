"""Residual networks: what classification, detection and segmentation of images see with.

Names and shapes of the weights of the deep ones are those of torchvision's `resnet18` … `resnet152`, but that stage n
is `stages.(n-1)` where it has `layer<n>`.

Sources:
    He et al.: Deep Residual Learning for Image Recognition, CVPR 2016 (sections 3.3, 4.2)
    Yu et al.: Dilated Residual Networks, CVPR 2017 (strides that become dilations)
    Goyal et al.: Accurate, Large Minibatch SGD, 2017 (the last normalisation of a block begins with 0)
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import relu

DEEP = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
"""Blocks of each stage, by layers: for images of a few hundred pixels."""

SHALLOW = (20, 32, 44, 56, 110)
"""Layers of those for images of some 30 pixels."""

_BOTTLENECKS_FROM = 50


class Residual(nn.Module):  # type: ignore[misc]
    """A block: two convolutions of 3×3, or of 1×1, 3×3 and 1×1, beside a shortcut.

    Args:
        narrow: channels of the 3×3 convolution.
        wide: channels that come out.
        stride, dilation: of the 3×3 convolution, the first if there are two.
    """

    def __init__(self, inputs: int, narrow: int, wide: int, stride: int, dilation: int, *, bottleneck: bool) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        if bottleneck:
            self.conv1, self.bn1 = _convolution(inputs, narrow, 1), nn.BatchNorm2d(narrow)
            self.conv2, self.bn2 = _convolution(narrow, narrow, 3, stride, dilation), nn.BatchNorm2d(narrow)
            self.conv3, self.bn3 = _convolution(narrow, wide, 1), nn.BatchNorm2d(wide)
        else:
            self.conv1, self.bn1 = _convolution(inputs, wide, 3, stride, dilation), nn.BatchNorm2d(wide)
            self.conv2, self.bn2 = _convolution(wide, wide, 3, 1, dilation), nn.BatchNorm2d(wide)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != wide:
            self.downsample = nn.Sequential(_convolution(inputs, wide, 1, stride), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.bottleneck:
            x = self.bn3(self.conv3(relu(x, inplace=True)))
        return relu(x + shortcut, inplace=True)


class ResNet(nn.Module):  # type: ignore[misc]
    """A residual network without what comes after its last convolution.

    Args:
        layers: one of `DEEP` (four stages, strides 4 to 32) or `SHALLOW` (three stages, strides 1 to 4).
        channels: of the images.
        output_stride: of the last stage of a deep one, 32, 16 or 8: strides beyond become dilations.
        stem: whether a deep one begins with a convolution of 7×7 and a pooling, which divide the size by four; without
            it, for images of up to 32 pixels, all strides are a quarter.

    Attributes:
        widths: the channels of each stage's output.
    """

    def __init__(self, layers: int, *, channels: int = 3, output_stride: int = 32, stem: bool = True) -> None:
        super().__init__()
        deep = layers in DEEP
        if not deep and layers not in SHALLOW:
            raise ValueError(f"there is no residual network of {layers} layers")
        if output_stride not in (8, 16, 32):
            raise ValueError(f"no stage has a stride of {output_stride}")
        bottleneck = deep and layers >= _BOTTLENECKS_FROM
        blocks = DEEP[layers] if deep else ((layers - 2) // 6,) * 3
        narrow = tuple((64 if deep else 16) << number for number in range(len(blocks)))
        self.widths = tuple(4 * each for each in narrow) if bottleneck else narrow
        self.pooled = deep and stem
        self.conv1 = _convolution(channels, narrow[0], 7, 2) if self.pooled else _convolution(channels, narrow[0], 3)
        self.bn1 = nn.BatchNorm2d(narrow[0])
        self.stages = nn.ModuleList()
        inputs, reached, dilation = narrow[0], 4, 1
        for number, count in enumerate(blocks):
            stride, before = (2 if number else 1), dilation
            if stride == 2 and deep and reached >= output_stride:
                stride, dilation = 1, 2 * dilation
            reached *= stride
            stage = []
            for index in range(count):
                first = index == 0
                # The first block of a dilated stage still sees the grid of the stage before.
                options = (stride, before) if first else (1, dilation)
                stage.append(Residual(inputs, narrow[number], self.widths[number], *options, bottleneck=bottleneck))
                inputs = self.widths[number]
            self.stages.append(nn.Sequential(*stage))
        self.apply(_initialize)
        self.apply(_begin_as_identity)

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """The outputs of all stages, the last of which means most, of (images, widths[stage], height, width)."""
        x = relu(self.bn1(self.conv1(images)), inplace=True)
        if self.pooled:
            x = nn.functional.max_pool2d(x, 3, 2, 1)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _begin_as_identity(module: nn.Module) -> None:
    if isinstance(module, Residual):
        nn.init.zeros_((module.bn3 if module.bottleneck else module.bn2).weight)
