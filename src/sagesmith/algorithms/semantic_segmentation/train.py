"""Training Semantic Segmentation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.annotations import IGNORED, label_map
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.semantic_segmentation.declaration import ARCHITECTURE, OF_AWS
from sagesmith.algorithms.semantic_segmentation.images import (
    Agreement,
    central_crop,
    pair,
    random_crop,
    uncut,
)
from sagesmith.algorithms.semantic_segmentation.model import TITLE
from sagesmith.algorithms.semantic_segmentation.network import Network
from sagesmith.algorithms.vision import artifact, descent, earlier
from sagesmith.algorithms.vision.channels import Drawn, Waiting, annotated
from sagesmith.algorithms.vision.feed import Feed, stacked
from sagesmith.algorithms.vision.loop import Loop, Step, Task

_AUXILIARY_WEIGHT = 0.5


def train(job: Job) -> None:
    """Train for the job's epochs, or until mIOU gets no better, and keep the epoch of the best."""
    whole = math.ceil(job.values["crop_size"] / 8) * 8
    values: dict[str, Any] = {**job.values, "crop_size": whole, "encoder": job.values["backbone"]}
    with connected(job) as hosts:
        random = networks.begin()
        values, network = earlier.begin(job, values, Network, parts, ARCHITECTURE, OF_AWS)
        training, validation = (annotated(job, name, ".png") for name in ("train", "validation"))
        tables = [label_map(job.sources.get("label_map"), name) for name in ("train", "validation")]
        networks.use_cores(network, values["mini_batch_size"] * (values["crop_size"] // 8) ** 2)
        optimizer = descent.optimizer(network.parameters(), values)
        task = _Task(job, values, network, validation, tables[1])
        Loop(job, hosts, values, task, optimizer).fit(task.crops(training, tables[0]), random)
        artifact.save(job, values, network)


def parts(model_dir: Path) -> tuple[dict[str, Any], Path]:
    """An earlier model's, for `earlier.begin`."""
    return artifact.parts(model_dir, TITLE)


@dataclass(slots=True)
class _Task(Task[tuple[Any, Any]]):
    """
    Attributes:
        table: what the values of validation masks stand for, None if they are classes.
    """

    job: Job
    values: Mapping[str, Any]
    network: Network
    validation: Drawn
    table: Any
    keeps_best: bool = True
    longest_gradient: float | None = None
    agreement: Agreement | None = None

    def crops(self, images: Drawn, table: Any) -> Feed[Waiting, tuple[Any, Any]]:
        """Random crops of images, with the classes of their pixels."""
        base, crop, count = (self.values[name] for name in ("base_size", "crop_size", "num_classes"))

        def read(waiting: Waiting, random: np.random.Generator | None) -> tuple[Any, Any]:
            return random_crop(*pair(waiting(), table, count), base, crop, random)

        return Feed(images, read, self.values["mini_batch_size"])

    def whole(self) -> Feed[Waiting, tuple[Any, Any]]:
        """Images to measure with: whole ones, or the middle of each where there are several in a batch."""
        size, crop, count = (self.values[name] for name in ("validation_mini_batch_size", "crop_size", "num_classes"))

        def read(waiting: Waiting, _: np.random.Generator | None) -> tuple[Any, Any]:
            example = waiting()
            image, classes = pair(example, self.table, count)
            return central_crop(image, classes, crop) if size > 1 else uncut(image, classes, example.place)

        return Feed(self.validation, read, size)

    def learn(self, batch: list[tuple[Any, Any]]) -> Step:
        inputs, classes = _tensors(batch)
        scores, auxiliary = self.network.both(inputs)
        counted = max(1, int((classes != IGNORED).sum()))
        loss = _loss(scores, classes) / counted
        whole = loss + _AUXILIARY_WEIGHT * _loss(auxiliary, classes) / counted
        return Step(whole, len(batch), {"loss": float(loss.detach())})

    def told(self, epoch: int, sums: Mapping[str, float], seconds: float) -> float:
        loss = sums["loss"] / sums["batches"]
        self.job.log.quality("train", "loss", loss, epoch=epoch)
        return -loss

    def measure(self, number: int) -> float | None:
        self.agreement = Agreement(self.values["num_classes"])
        for batch in self.whole().batches(number, None):
            inputs, classes = _tensors(batch)
            self.agreement.add(classes.numpy(), self.network(inputs).argmax(1).numpy())
        return self.agreement.mean_iou

    def report(self, epoch: int, score: float) -> None:
        self.job.log.quality("validation", "mIOU", score, kind="score", epoch=epoch)
        if self.agreement is not None:
            accuracy = self.agreement.pixel_accuracy
            self.job.log.quality("validation", "pixel_accuracy", accuracy, kind="score", epoch=epoch)


def _loss(scores: Tensor, classes: Tensor) -> Tensor:
    return cross_entropy(scores, classes, ignore_index=IGNORED, reduction="sum")


def _tensors(batch: list[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    inputs, classes = stacked(batch)
    return torch.from_numpy(inputs), torch.from_numpy(np.stack(classes))
