"""Training Object Detection."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.annotations import boxes
from sagesmith.algorithms.object_detection.boxes import detections, losses, mean_average_precision, targets
from sagesmith.algorithms.object_detection.declaration import ARCHITECTURE, OF_AWS
from sagesmith.algorithms.object_detection.images import network_input, varied
from sagesmith.algorithms.object_detection.model import TITLE
from sagesmith.algorithms.object_detection.network import Network
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.vision import artifact, descent, earlier
from sagesmith.algorithms.vision.channels import Drawn, Waiting, annotated
from sagesmith.algorithms.vision.feed import Feed, stacked
from sagesmith.algorithms.vision.loop import Loop, Step, Task

_LONGEST_GRADIENT = 10.0


def train(job: Job) -> None:
    """Train for the job's epochs, or until mAP gets no better, and keep the epoch of the best."""
    values: dict[str, Any] = {**job.values, "gamma1": 0.9, "gamma2": 0.9, "encoder": job.values["base_network"]}
    with connected(job) as hosts:
        random = networks.begin()
        values, network = earlier.begin(job, values, Network, parts, ARCHITECTURE, OF_AWS)
        if values["freeze_layer_pattern"]:
            for name, weights in network.base.named_parameters():
                weights.requires_grad = not re.search(values["freeze_layer_pattern"], name)
        training, validation = (annotated(job, name, ".json") for name in ("train", "validation"))
        networks.use_cores(network, values["mini_batch_size"] * (values["image_shape"] // 16) ** 2)
        optimizer = descent.optimizer([each for each in network.parameters() if each.requires_grad], values)
        task = _Task(job, values, network, validation)
        feed = task.feed(training, hosts.part(job.sources["train"].replicated))
        Loop(job, hosts, values, task, optimizer).fit(feed, random)
        artifact.save(job, values, network)


def parts(model_dir: Path) -> tuple[dict[str, Any], Path]:
    """An earlier model's, for `earlier.begin`."""
    return artifact.parts(model_dir, TITLE)


@dataclass(slots=True)
class _Task(Task[tuple[Any, Any]]):
    job: Job
    values: Mapping[str, Any]
    network: Network
    validation: Drawn
    keeps_best: bool = True
    longest_gradient: float | None = _LONGEST_GRADIENT

    def feed(self, images: Drawn, part: tuple[int, int] = (0, 1)) -> Feed[Waiting, tuple[Any, Any]]:
        """A channel's images as the network sees them, with their objects."""
        side, classes = self.values["image_shape"], self.values["num_classes"]

        def read(waiting: Waiting, random: np.random.Generator | None) -> tuple[Any, Any]:
            example = waiting()
            image, objects = Image.fromarray(example.pixels()), boxes(example.told(), classes, example.place)
            if random is not None:
                image, objects = varied(image, objects, random)
            return network_input(image, side), objects

        return Feed(images, read, self.values["mini_batch_size"], part)

    def learn(self, batch: list[tuple[Any, Any]]) -> Step:
        # The variance of a batch of one may be of one number: two of the same have the same gradient.
        pixels, known = stacked(batch if len(batch) > 1 else batch * 2)
        scores, shifts, anchors = self.network(torch.from_numpy(pixels))
        wanted = [targets(torch.from_numpy(objects), anchors) for objects in known]
        classes, places = (torch.stack(each) for each in zip(*wanted, strict=True))
        entropy, smooth = losses(scores, shifts, classes, places)
        notes = {"cross_entropy": float(entropy.detach()), "smooth_l1": float(smooth.detach())}
        return Step(entropy + smooth, len(batch), notes)

    def told(self, epoch: int, sums: Mapping[str, float], seconds: float) -> float:
        batches = int(sums["batches"])
        for name in ("cross_entropy", "smooth_l1"):
            at = f"host={self.job.host}, epoch={epoch}, batch={batches}"
            self.job.log.say(f"#quality_metric: {at} train {name} <loss>={sums[name] / batches!r}")
        return -sums["cross_entropy"] / batches

    def measure(self, number: int) -> float | None:
        found, true = list[Any](), list[Any]()
        for batch in self.feed(self.validation).batches(number, None):
            pixels, objects = stacked(batch)
            scores, shifts, anchors = self.network(torch.from_numpy(pixels))
            threshold = self.values["nms_threshold"]
            found += [detections(*each, anchors, threshold) for each in zip(scores, shifts, strict=True)]
            true += objects
        return mean_average_precision(found, true, self.values["num_classes"], self.values["overlap_threshold"])

    def report(self, epoch: int, score: float) -> None:
        at = f"host={self.job.host}, epoch={epoch}"
        self.job.log.say(f"#quality_metric: {at}, validation mAP <score>=({score!r})")
