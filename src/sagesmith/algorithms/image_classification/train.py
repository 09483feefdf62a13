"""Training Image Classification."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.image_classification import data, model
from sagesmith.algorithms.image_classification.declaration import complete
from sagesmith.algorithms.image_classification.network import Network
from sagesmith.algorithms.run.hosts import Hosts, connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.vision import descent, earlier
from sagesmith.algorithms.vision.feed import Feed, stacked
from sagesmith.algorithms.vision.loop import Loop, Step, Task

_LINE_BATCHES = 20
_HEAVIEST = 100.0


def train(job: Job) -> None:
    """Train, and keep the network of the best accuracy."""
    values = complete(job.values)
    with connected(job) as hosts:
        random = networks.begin()
        feeds = {
            name: data.feed(job.sources[name], job.sources.get(f"{name}_lst"), values, part)
            for name, part in (("train", hosts.part(job.sources["train"].replicated)), ("validation", (0, 1)))
            if name in job.sources
        }
        same = ("num_layers", "image_shape", "num_classes")
        values, network = earlier.begin(job, values, Network, model.artifact, same)
        _, height, width = values["image_shape"]
        networks.use_cores(network, values["mini_batch_size"] * max(1, height * width // 64))
        if values["precision_dtype"] != "float32":
            job.log.warn("precision_dtype: weights and gradients are float32 on CPUs.")
        task = _Task(job, values, network, feeds.get("validation"), not values["checkpoint_frequency"])
        _fit(job, hosts, task, feeds["train"], random)


def _fit(job: Job, hosts: Hosts, task: "_Task", training: Feed[Any, Any], random: np.random.Generator) -> None:
    chosen = {"gamma1": task.values["gamma"], "gamma2": 0.0}
    optimizer = descent.optimizer(task.network.parameters(), {**task.values, **chosen}, ("sgd", "nag"))
    epochs = Loop(job, hosts, task.values, task, optimizer).fit(training, random)
    if task.saved != epochs:
        task.save(epochs)


@dataclass(slots=True)
class _Task(Task[tuple[Any, Any]]):
    """
    Attributes:
        counts, seen: of each class, how many images were of it, for its weight; and how many there were.
        saved: the epoch of the weights that were last put into the artifact.
    """

    job: Job
    values: Mapping[str, Any]
    network: Network
    validation: Feed[Any, Any] | None
    keeps_best: bool
    longest_gradient: float | None = None
    counts: Tensor | None = None
    seen: int = 0
    saved: int = 0

    def learn(self, batch: list[tuple[Any, Any]]) -> Step:
        images, labels = _tensors(batch)
        # The variance of a batch of one may be of one number: two of the same have the same gradient.
        logits = self.network(images.expand(2, -1, -1, -1))[:1] if len(images) == 1 else self.network(images)
        loss, found = self._loss(logits, labels), logits.detach()
        notes = {"right": self._right(found, labels)}
        if self.values["top_k"]:
            notes["top"] = float((found.topk(self.values["top_k"]).indices == labels[:, None]).any(1).sum())
        return Step(loss, len(labels), notes)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if not self.values["multi_label"]:
            return cross_entropy(logits, labels)
        weight = None
        if self.values["use_weighted_loss"]:
            self.counts = labels.sum(0) if self.counts is None else self.counts + labels.sum(0)
            self.seen += len(labels)
            weight = ((self.seen - self.counts + 1) / (self.counts + 1)).clamp(1 / _HEAVIEST, _HEAVIEST)
        return binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)

    def _right(self, logits: Tensor, labels: Tensor) -> float:
        """How many images of a batch are told."""
        if self.values["multi_label"]:
            return float(((logits > 0) == (labels > 0)).float().mean(1).sum())
        return float((logits.argmax(1) == labels).sum())

    def running(self, epoch: int, sums: Mapping[str, float], seconds: float) -> None:
        number = int(sums["batches"])
        if number % _LINE_BATCHES == 0:
            speed, accuracy = sums["rows"] / seconds, sums["right"] / sums["rows"]
            line = f"Epoch[{epoch}] Batch [{number}]\tSpeed: {speed:.3f} samples/sec\taccuracy={accuracy:.6f}"
            self.job.log.say(line)

    def told(self, epoch: int, sums: Mapping[str, float], seconds: float) -> float:
        accuracy = sums["right"] / sums["rows"]
        self.job.log.say(f"Epoch[{epoch}] Train-accuracy={accuracy:.6f}")
        if self.values["top_k"]:
            share = sums["top"] / sums["rows"]
            self.job.log.say(f"Epoch[{epoch}] Train-top_k_accuracy_{self.values['top_k']}={share:.6f}")
        self.job.log.say(f"Epoch[{epoch}] Time cost={seconds:.3f}")
        return accuracy

    def measure(self, number: int) -> float | None:
        if self.validation is None:
            return None
        right, seen = 0.0, 0
        for batch in self.validation.batches(number, None):
            images, labels = _tensors(batch)
            right += self._right(self.network(images), labels)
            seen += len(labels)
        return right / seen

    def report(self, epoch: int, score: float) -> None:
        self.job.log.say(f"Epoch[{epoch}] Validation-accuracy={score:.6f}")

    def after(self, epochs: int, score: float, *, best: bool) -> None:
        if not self.keeps_best:
            if epochs % self.values["checkpoint_frequency"] == 0:
                self.save(epochs)
        elif best:
            if self.validation is not None:
                self.job.log.say(f"Storing the best model with validation accuracy: {score:.6f}")
            self.save(epochs)

    def save(self, epochs: int) -> None:
        """Put the network into the artifact, as it is after so many epochs."""
        self.saved = epochs
        if self.job.leads:
            path = model.save(self.network, self.values, self.job.model, epochs, alone=self.keeps_best)
            self.job.log.say(f'Saved checkpoint to "{path}"')

    def state(self) -> dict[str, Any]:
        return {"counts": self.counts, "seen": self.seen}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.counts, self.seen = state["counts"], state["seen"]


def _tensors(batch: list[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    images, labels = stacked(batch)
    return torch.from_numpy(images), torch.from_numpy(np.array(labels))
