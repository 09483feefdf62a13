"""Writes, as JSON, how far our networks with pretrained weights are from what those weights are of.

Torchvision is not there: its files are made here, by its names, and what its networks answer is computed from those
names by nothing but PyTorch's functions.
"""

import json
import tempfile
from io import StringIO
from pathlib import Path

import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as f

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.log import Log
from sagesmith.algorithms.vision import pretrained
from sagesmith.algorithms.vision.encoders import encoder
from sagesmith.algorithms.vision.pixels import normalised
from sagesmith.algorithms.vision.vgg import WIDTHS

STAGES = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
torch.manual_seed(0)


def resnet(layers: int) -> dict[str, Tensor]:
    """A file of torchvision's `resnet<layers>`."""
    wide = 4 if layers >= 50 else 1
    found = {"fc.weight": torch.zeros(10, 512 * wide), "fc.bias": torch.zeros(10)}
    convolution(found, "conv1", "bn1", 3, 64, 7)
    inputs = 64
    for stage, count in enumerate(STAGES[layers], 1):
        width = 32 << stage
        for block in range(count):
            name = f"layer{stage}.{block}"
            shapes = [(inputs, width, 1), (width, width, 3), (width, 4 * width, 1)]
            shapes = shapes if wide == 4 else [(inputs, width, 3), (width, width, 3)]
            for number, shape in enumerate(shapes, 1):
                convolution(found, f"{name}.conv{number}", f"{name}.bn{number}", *shape)
            if block == 0 and (stage > 1 or wide == 4):
                convolution(found, f"{name}.downsample.0", f"{name}.downsample.1", inputs, width * wide, 1)
            inputs = width * wide
    return found


def convolution(found: dict[str, Tensor], name: str, bn: str, inputs: int, outputs: int, size: int) -> None:
    found[f"{name}.weight"] = torch.randn(outputs, inputs, size, size) * (2 / (inputs * size * size)) ** 0.5
    normalisation(found, bn, outputs)


def normalisation(found: dict[str, Tensor], name: str, width: int) -> None:
    found |= {f"{name}.weight": torch.rand(width), f"{name}.bias": torch.randn(width) / 9}
    found |= {f"{name}.running_mean": torch.randn(width) / 9, f"{name}.running_var": 0.5 + torch.rand(width)}


def answer_of_resnet(weights: dict[str, Tensor], layers: int, x: Tensor) -> Tensor:
    def step(x: Tensor, name: str, bn: str, stride: int = 1) -> Tensor:
        kernel = weights[f"{name}.weight"]
        x = f.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
        return f.batch_norm(x, *(weights[f"{bn}.{each}"] for each in ("running_mean", "running_var", "weight", "bias")))

    x = f.max_pool2d(step(x, "conv1", "bn1", 2).relu(), 3, 2, 1)
    for stage, count in enumerate(STAGES[layers], 1):
        for block in range(count):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            last = 3 if layers >= 50 else 2
            short = x
            if f"{name}.downsample.0.weight" in weights:
                short = step(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            for number in range(1, last + 1):
                here = stride if number == (2 if last == 3 else 1) else 1
                x = step(x, f"{name}.conv{number}", f"{name}.bn{number}", here)
                x = x.relu() if number < last else (x + short).relu()
    return x


def vgg(*, normalised: bool) -> dict[str, Tensor]:
    """A file of torchvision's `vgg16` or `vgg16_bn`."""
    found, place, inputs = {"classifier.6.bias": torch.zeros(10)}, 0, 3
    for widths in WIDTHS:
        for width in widths:
            name, bn = f"features.{place}", f"features.{place + 1}"
            found[f"{name}.weight"] = torch.randn(width, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
            found[f"{name}.bias"] = torch.randn(width) / 9
            if normalised:
                normalisation(found, bn, width)
            place, inputs = place + (3 if normalised else 2), width
        place += 1
    return found


def answer_of_vgg(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    place, normalised = 0, "features.1.weight" in weights
    for stage, widths in enumerate(WIDTHS):
        x = f.max_pool2d(x, 2) if stage else x
        for _ in widths:
            x = f.conv2d(x, weights[f"features.{place}.weight"], weights[f"features.{place}.bias"], padding=1)
            if normalised:
                names = ("running_mean", "running_var", "weight", "bias")
                x = f.batch_norm(x, *(weights[f"features.{place + 1}.{each}"] for each in names))
            x, place = x.relu(), place + (3 if normalised else 2)
        place += 1
    return x


def apart(name: str, asked: str, weights: dict[str, Tensor], wanted: Tensor, images: Tensor) -> float:
    """The relative distance of our network's answer, with a file that the administrator has."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(weights, Path(folder) / f"{name}-0123abcd.pth")
        chosen = pretrained.choose(asked, True, Log("algo-1", "", StringIO()), Path(folder))
        network = encoder(chosen.encoder, channels=images.shape[1])
        chosen.load(network)
    found = network.eval()(images)[-1]
    return float((found - wanted).abs().max() / wanted.abs().max())


def label() -> int:
    """The class, of ImageNet's thousand, that the packaged weights say of scikit-learn's picture of a palace."""
    chosen = pretrained.choose("resnet-200", None, Log("algo-1", "", StringIO()))
    network = encoder(chosen.encoder, head=True)
    chosen.load(network)
    weights = torch.load(chosen.file, weights_only=True)
    pixels = torch.from_numpy(normalised(load_sample_image("china.jpg")))[None, :, :, 106:533]
    features = network.eval()(f.interpolate(pixels, (224, 224), mode="bilinear", antialias=True))[-1].mean((2, 3))
    return int((features @ weights["_fc.weight"].T + weights["_fc.bias"]).argmax())


def without_any() -> dict[str, str]:
    """What is said where not even the packaged weights are there, and where a file has others."""
    pretrained._PACKAGE = "no_such_package"
    said = StringIO()
    log = Log("algo-1", "", said)
    assert pretrained.choose("resnet-50", None, log) == pretrained.Chosen("resnet-50")
    found = {"default": said.getvalue()}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "resnet50-1.pth"
        torch.save({"fc.bias": torch.zeros(1)}, other)
        for name, call in {
            "wanted": lambda: pretrained.choose("vgg-16", True, log, Path(folder)),
            "other": lambda: pretrained.Chosen("resnet-50", other).load(encoder("resnet-50")),
        }.items():
            try:
                call()
            except CustomerError as error:
                found[name] = error.reason
    return found


with torch.inference_mode():
    images = torch.randn(2, 3, 64, 64)
    files = {"resnet18": resnet(18), "resnet50": resnet(50), "vgg16": vgg(normalised=False)}
    files["vgg16_bn"] = vgg(normalised=True)
    answers = {layers: answer_of_resnet(files[f"resnet{layers}"], layers, images) for layers in STAGES}
    grey = images[:, :1]
    far = {
        "resnet18": apart("resnet18", "resnet-18", files["resnet18"], answers[18], images),
        "resnet50": apart("resnet50", "resnet-50", files["resnet50"], answers[50], images),
        "grey": apart(
            "resnet18",
            "resnet-18",
            files["resnet18"],
            answer_of_resnet(files["resnet18"], 18, grey.expand(-1, 3, -1, -1)),
            grey,
        ),
        "vgg16": apart("vgg16", "vgg-16", files["vgg16"], answer_of_vgg(files["vgg16"], images), images),
        "vgg16_bn": apart("vgg16_bn", "vgg-16", files["vgg16_bn"], answer_of_vgg(files["vgg16_bn"], images), images),
    }
    print(json.dumps({"far": far, "label": label(), "said": without_any()}))
