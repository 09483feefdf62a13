"""A residual network with a layer for classes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sagesmith.algorithms.vision.resnet import ResNet, needs_stem


class Network(nn.Module):  # type: ignore[misc]
    """Images to logits.

    Args:
        values: the hyperparameters.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        channels, height, width = values["image_shape"]
        self.body = ResNet(values["num_layers"], channels=channels, stem=needs_stem(height, width))
        self.last = nn.Linear(self.body.widths[-1], values["num_classes"])

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        return self.last(self.body(images)[-1].mean((2, 3)))
