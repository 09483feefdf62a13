"""An Image Classification model: an image's probabilities."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.data import images
from sagesmith.algorithms.declaration import JSON_LINES
from sagesmith.algorithms.errors import BadRequest, CustomerError, Unreadable
from sagesmith.algorithms.image_classification import pictures
from sagesmith.algorithms.image_classification.declaration import complete
from sagesmith.algorithms.image_classification.network import Network
from sagesmith.algorithms.text import loads

TITLE = "Image Classification"
FILE = "image-classification.json"
_WEIGHTS = "image-classification-{:04d}.npz"


@dataclass(frozen=True, slots=True)
class Classifier:
    """Answers requests by a network.

    Attributes:
        values: the hyperparameters, complete.
    """

    network: Network
    values: Mapping[str, Any]

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("image_classification")
        serving.readable(content_type, algorithm)
        chosen = serving.writable(accept, algorithm)
        try:
            pixels = images.pixels(body, "the request", pictures.mode(self.values))
        except Unreadable as error:
            raise BadRequest(error.why) from None
        image = torch.from_numpy(pictures.middle(pixels, self.values, whole=True))
        with torch.inference_mode():
            logits = self.network(image[None])[0]
            found = (logits.sigmoid() if self.values["multi_label"] else logits.softmax(0)).tolist()
        if chosen == JSON_LINES:
            return json.dumps({"prediction": found}).encode() + b"\n", chosen
        return json.dumps(found).encode(), chosen


def save(network: Network, values: Mapping[str, Any], model_dir: Path, epoch: int, *, alone: bool) -> Path:
    """Put a network into the artifact.

    Args:
        epoch: after how many epochs it is as it is.
        alone: without those of other epochs.
    """
    (model_dir / FILE).write_text(json.dumps(dict(values)), encoding="utf-8")
    path = model_dir / _WEIGHTS.format(epoch)
    networks.save_weights(network, path)
    if alone:
        for other in model_dir.glob("image-classification-*.npz"):
            if other != path:
                other.unlink()
    return path


def artifact(model_dir: Path) -> tuple[dict[str, Any], Path]:
    """The hyperparameters, and the file of the last network's weights.

    Raises:
        CustomerError: it is another algorithm's.
    """
    try:
        values = complete(loads((model_dir / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of {TITLE}: {FILE}: {error}") from error
    found = {path: re.fullmatch(r"image-classification-(\d+)\.npz", path.name) for path in model_dir.iterdir()}
    epochs = {int(match[1]): path for path, match in found.items() if match}
    if not epochs:
        raise CustomerError(f"The model artifact is not one of {TITLE}: it has no weights")
    return values, epochs[max(epochs)]


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    values, path = artifact(model_dir)
    try:
        network = Network(values)
    except (ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of {TITLE}: {FILE}: {error}") from error
    networks.load_weights(network, path, TITLE)
    _, height, width = values["image_shape"]
    networks.use_cores(network, height * width // 64)
    return Classifier(network, values)
