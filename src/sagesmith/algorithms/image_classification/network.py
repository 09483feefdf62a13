"""A network that sees images, with a layer for classes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sagesmith.algorithms.vision.encoders import encoder


class Network(nn.Module):  # type: ignore[misc]
    """Images to logits.

    Args:
        values: the hyperparameters, complete.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        channels = values["image_shape"][0]
        self.body = encoder(values["encoder"], channels=channels, stem=values["stem"], head=True)
        self.last = nn.Linear(self.body.widths[-1], values["num_classes"])

    @property
    def encoder(self) -> nn.Module:
        return self.body

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        return self.last(self.body(images)[-1].mean((2, 3)))
