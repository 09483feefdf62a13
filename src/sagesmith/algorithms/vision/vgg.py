"""VGG-16's convolutions.

Source: Simonyan and Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Of each stage's convolutions; between stages the size is halved."""


class Vgg(nn.Module):  # type: ignore[misc]
    """The stages of convolutions.

    Args:
        normalised: after each convolution, so that they learn without pretrained weights too.
    """

    widths = (512, 512)

    def __init__(self, *, normalised: bool) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        inputs = 3
        for widths in WIDTHS:
            layers = []
            for width in widths:
                convolution = nn.Conv2d(inputs, width, 3, padding=1, bias=not normalised)
                between = [nn.BatchNorm2d(width)] if normalised else []
                layers.append(nn.Sequential(convolution, *between, nn.ReLU()))
                inputs = width
            self.stages.append(nn.Sequential(*layers))

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """The outputs of all stages."""
        x, outputs = images, []
        for number, stage in enumerate(self.stages):
            x = stage(max_pool2d(x, 2, ceil_mode=True) if number else x)
            outputs.append(x)
        return outputs
