"""Training Object Detection."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms import networks
from sagesmith.algorithms.object_detection.boxes import detections, losses, mean_average_precision, targets
from sagesmith.algorithms.object_detection.declaration import ARCHITECTURE, OF_AWS
from sagesmith.algorithms.object_detection.images import Images, network_input, varied
from sagesmith.algorithms.object_detection.model import FILE, WEIGHTS, artifact
from sagesmith.algorithms.object_detection.network import Network
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.vision import descent, earlier
from sagesmith.algorithms.vision.feed import Feed, in_order, stacked
from sagesmith.algorithms.vision.loop import Loop, Step

_LONGEST_GRADIENT = 10.0


def train(job: Job) -> None:
    """Train for the job's epochs, or until mAP gets no better, and keep the epoch of the best."""
    values: dict[str, Any] = {**job.values, "gamma1": 0.9, "gamma2": 0.9}
    with connected(job) as hosts:
        random = networks.begin()
        asked, wanted = values["base_network"], values["use_pretrained_model"]
        wanted = False if wanted is None and asked not in OF_AWS else wanted
        values, network = earlier.begin(
            job, values | {"encoder": asked}, Network, artifact, ARCHITECTURE, wanted=wanted
        )
        if values["freeze_layer_pattern"]:
            for name, weights in network.base.named_parameters():
                weights.requires_grad = not re.search(values["freeze_layer_pattern"], name)
        training, validation = (Images.of(job, name) for name in ("train", "validation"))
        networks.use_cores(network, values["mini_batch_size"] * (values["image_shape"] // 16) ** 2)
        optimizer = descent.optimizer([each for each in network.parameters() if each.requires_grad], values)
        task = _Task(job, values, network, validation)
        feed = task.feed(training, hosts.part(job.sources["train"].replicated))
        Loop(job, hosts, values, task, optimizer).fit(feed, random)
        if job.leads:
            (job.model / FILE).write_text(json.dumps(values))
            networks.save_weights(network, job.model / WEIGHTS)


@dataclass(slots=True)
class _Task:
    job: Job
    values: Mapping[str, Any]
    network: Network
    validation: Images
    keeps_best: bool = True
    longest_gradient: float | None = _LONGEST_GRADIENT

    def feed(self, images: Images, part: tuple[int, int]) -> Feed[int, tuple[Any, Any]]:
        """A channel's images as the network sees them, with their objects."""
        side = self.values["image_shape"]

        def read(number: int, random: np.random.Generator | None) -> tuple[Any, Any]:
            image, objects = images.load(number)
            if random is not None:
                image, objects = varied(image, objects, random)
            return network_input(image, side), objects

        return Feed(in_order(len(images)), read, self.values["mini_batch_size"], part)

    def learn(self, batch: list[tuple[Any, Any]]) -> Step:
        # The variance of a batch of one may be of one number: two of the same have the same gradient.
        pixels, known = stacked(batch if len(batch) > 1 else batch * 2)
        scores, shifts, anchors = self.network(torch.from_numpy(pixels))
        wanted = [targets(torch.from_numpy(objects), anchors) for objects in known]
        classes, places = (torch.stack(each) for each in zip(*wanted, strict=True))
        entropy, smooth = losses(scores, shifts, classes, places)
        notes = {"cross_entropy": float(entropy.detach()), "smooth_l1": float(smooth.detach())}
        return Step(entropy + smooth, len(batch), notes)

    def running(self, epoch: int, sums: Mapping[str, float], seconds: float) -> None: ...

    def told(self, epoch: int, sums: Mapping[str, float], seconds: float) -> float:
        batches = int(sums["batches"])
        for name in ("cross_entropy", "smooth_l1"):
            at = f"host={self.job.host}, epoch={epoch}, batch={batches}"
            self.job.log.say(f"#quality_metric: {at} train {name} <loss>={sums[name] / batches!r}")
        return -sums["cross_entropy"] / batches

    def measure(self, number: int) -> float | None:
        found, threshold = [], self.values["nms_threshold"]
        for batch in self.feed(self.validation, (0, 1)).batches(number, None):
            scores, shifts, anchors = self.network(torch.from_numpy(stacked(batch)[0]))
            found += [detections(*each, anchors, threshold) for each in zip(scores, shifts, strict=True)]
        classes, overlap = self.values["num_classes"], self.values["overlap_threshold"]
        return mean_average_precision(found, self.validation.objects, classes, overlap)

    def report(self, epoch: int, score: float) -> None:
        at = f"host={self.job.host}, epoch={epoch}"
        self.job.log.say(f"#quality_metric: {at}, validation mAP <score>=({score!r})")

    def after(self, epochs: int, score: float, *, best: bool) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None: ...
