"""A Semantic Segmentation model: masks of images."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.data.images import pixels
from sagesmith.algorithms.errors import BadRequest, Unreadable
from sagesmith.algorithms.semantic_segmentation.images import MOST_PIXELS
from sagesmith.algorithms.semantic_segmentation.network import Network
from sagesmith.algorithms.vision import artifact
from sagesmith.algorithms.vision.declaration import PNG
from sagesmith.algorithms.vision.pixels import normalised

TITLE = "Semantic Segmentation"
# What an encoder's weights are used by where an image has some hundred pixels a side.
_USES = 64 * 64


@dataclass(frozen=True, slots=True)
class Masks:
    """Answers requests by a network."""

    network: Network

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("semantic_segmentation")
        serving.readable(content_type, algorithm)
        chosen = serving.writable(accept, algorithm)
        try:
            image = pixels(body, "the request", most=MOST_PIXELS)
        except Unreadable as error:
            raise BadRequest(f"Unable to read the request: {error.why}") from None
        with torch.inference_mode():
            scores = self.network(torch.from_numpy(normalised(image))[None])
            if chosen == PNG:
                return _png(scores[0].argmax(0).numpy().astype(np.uint8)), chosen
            return _probabilities(scores.softmax(1).numpy()), chosen


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    _, network = artifact.load(model_dir, TITLE, Network)
    networks.use_cores(network, _USES)
    return Masks(network)


def _png(mask: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(mask).save(data, "PNG")
    return data.getvalue()


def _probabilities(found: Any) -> bytes:
    """A record of two tensors: `target`, and its `shape` of (1, classes, height, width)."""
    shape = np.array(found.shape, np.int32)
    return recordio.write([protobuf.write({"target": found.reshape(-1), "shape": shape})])
