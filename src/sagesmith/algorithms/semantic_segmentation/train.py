"""Training Semantic Segmentation."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.annotations import IGNORED
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.semantic_segmentation.declaration import ARCHITECTURE, OF_AWS
from sagesmith.algorithms.semantic_segmentation.images import (
    Agreement,
    Images,
    central_crop,
    random_crop,
    uncut,
)
from sagesmith.algorithms.semantic_segmentation.model import FILE, WEIGHTS, artifact
from sagesmith.algorithms.semantic_segmentation.network import Network
from sagesmith.algorithms.vision import descent, earlier
from sagesmith.algorithms.vision.feed import Feed, in_order, stacked
from sagesmith.algorithms.vision.loop import Loop, Step

_AUXILIARY_WEIGHT = 0.5


def train(job: Job) -> None:
    """Train for the job's epochs, or until mIOU gets no better, and keep the epoch of the best."""
    values: dict[str, Any] = {**job.values, "crop_size": math.ceil(job.values["crop_size"] / 8) * 8}
    with connected(job) as hosts:
        random = networks.begin()
        asked, wanted = values["backbone"], values["use_pretrained_model"]
        wanted = False if wanted is None and asked not in OF_AWS else wanted
        values, network = earlier.begin(
            job, values | {"encoder": asked}, Network, artifact, ARCHITECTURE, wanted=wanted
        )
        training, validation = (Images.of(job, name) for name in ("train", "validation"))
        networks.use_cores(network, values["mini_batch_size"] * (values["crop_size"] // 8) ** 2)
        task = _Task(job, values, network, validation)
        optimizer = descent.optimizer(network.parameters(), values)
        Loop(job, hosts, values, task, optimizer).fit(task.crops(training), random)
        (job.model / FILE).write_text(json.dumps(values))
        networks.save_weights(network, job.model / WEIGHTS)


@dataclass(slots=True)
class _Task:
    job: Job
    values: Mapping[str, Any]
    network: Network
    validation: Images
    keeps_best: bool = True
    longest_gradient: float | None = None
    agreement: Agreement | None = None

    def crops(self, images: Images) -> Feed[int, tuple[Any, Any]]:
        """Random crops of images, with the classes of their pixels."""
        base, crop = self.values["base_size"], self.values["crop_size"]

        def read(number: int, random: np.random.Generator | None) -> tuple[Any, Any]:
            image, classes = images.load(number)
            return random_crop(image, classes, base, crop, random)

        return Feed(in_order(len(images)), read, self.values["mini_batch_size"])

    def whole(self, images: Images) -> Feed[int, tuple[Any, Any]]:
        """Images to measure with: whole ones, or the middle of each where there are several in a batch."""
        size, crop = self.values["validation_mini_batch_size"], self.values["crop_size"]

        def read(number: int, _: np.random.Generator | None) -> tuple[Any, Any]:
            image, classes = images.load(number)
            if size > 1:
                return central_crop(image, classes, crop)
            return uncut(image, classes, images.examples[number].place)

        return Feed(in_order(len(images)), read, size)

    def learn(self, batch: list[tuple[Any, Any]]) -> Step:
        inputs, classes = _tensors(batch)
        scores, auxiliary = self.network.both(inputs)
        counted = max(1, int((classes != IGNORED).sum()))
        loss = _loss(scores, classes) / counted
        whole = loss + _AUXILIARY_WEIGHT * _loss(auxiliary, classes) / counted
        return Step(whole, len(batch), {"loss": float(loss.detach())})

    def running(self, epoch: int, sums: Mapping[str, float], seconds: float) -> None: ...

    def told(self, epoch: int, sums: Mapping[str, float], seconds: float) -> float:
        loss = sums["loss"] / sums["batches"]
        self.job.log.quality("train", "loss", loss, epoch=epoch)
        return -loss

    def measure(self, number: int) -> float | None:
        self.agreement = Agreement(self.values["num_classes"])
        for batch in self.whole(self.validation).batches(number, None):
            inputs, classes = _tensors(batch)
            self.agreement.add(classes.numpy(), self.network(inputs).argmax(1).numpy())
        return self.agreement.mean_iou

    def report(self, epoch: int, score: float) -> None:
        self.job.log.quality("validation", "mIOU", score, kind="score", epoch=epoch)
        if self.agreement is not None:
            accuracy = self.agreement.pixel_accuracy
            self.job.log.quality("validation", "pixel_accuracy", accuracy, kind="score", epoch=epoch)

    def after(self, epochs: int, score: float, *, best: bool) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None: ...


def _loss(scores: Tensor, classes: Tensor) -> Tensor:
    return cross_entropy(scores, classes, ignore_index=IGNORED, reduction="sum")


def _tensors(batch: list[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    inputs, classes = stacked(batch)
    return torch.from_numpy(inputs), torch.from_numpy(np.stack(classes))
