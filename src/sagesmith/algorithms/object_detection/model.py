"""An Object Detection model: what is in images, and where."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.data.images import pixels
from sagesmith.algorithms.declaration import JSON_LINES
from sagesmith.algorithms.errors import BadRequest, Unreadable
from sagesmith.algorithms.object_detection.boxes import detections
from sagesmith.algorithms.object_detection.images import network_input
from sagesmith.algorithms.object_detection.network import Network
from sagesmith.algorithms.vision import artifact

TITLE = "Object Detection"


@dataclass(frozen=True, slots=True)
class Detector:
    """Answers requests by a network.

    Attributes:
        side: of the images that it sees.
        threshold: `nms_threshold`.
    """

    network: Network
    side: int
    threshold: float

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("object_detection")
        serving.readable(content_type, algorithm)
        chosen = serving.writable(accept, algorithm)
        try:
            image = pixels(body, "the request")
        except Unreadable as error:
            raise BadRequest(f"Unable to read the request: {error.why}") from None
        with torch.inference_mode():
            given = torch.from_numpy(network_input(Image.fromarray(image), self.side))[None]
            scores, shifts, anchors = self.network(given)
            found = detections(scores[0], shifts[0], anchors, self.threshold)
        end = "\n" if chosen == JSON_LINES else ""
        return (json.dumps({"prediction": found.tolist()}) + end).encode(), chosen


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    values, network = artifact.load(model_dir, TITLE, Network)
    side = values["image_shape"]
    networks.use_cores(network, (side // 16) ** 2)
    return Detector(network, side, values["nms_threshold"])
