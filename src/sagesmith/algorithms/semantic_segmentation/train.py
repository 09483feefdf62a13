"""Training Semantic Segmentation."""

import json
import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.annotations import IGNORED
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.semantic_segmentation.declaration import ARCHITECTURE
from sagesmith.algorithms.semantic_segmentation.images import (
    Agreement,
    Images,
    central_crop,
    network_input,
    random_crop,
    shuffled,
)
from sagesmith.algorithms.semantic_segmentation.model import FILE, TITLE, WEIGHTS
from sagesmith.algorithms.semantic_segmentation.network import Network
from sagesmith.algorithms.vision import descent, earlier, pretrained

_AUXILIARY_WEIGHT = 0.5
_NUMBERS = ("epoch", "updates", "best", "since", "kept")


def train(job: Job) -> None:
    """Train for the job's epochs, or until mIOU gets no better, and keep the epoch of the best."""
    values = dict(job.values) | {"crop_size": math.ceil(job.values["crop_size"] / 8) * 8}
    pretrained.check(bool(values["use_pretrained_model"]), job.sources, TITLE)
    random = networks.begin()
    network = Network(values)
    if "model" in job.sources:
        with pretrained.unpacked(job.sources["model"]) as folder:
            earlier.check(folder, FILE, values, ARCHITECTURE, TITLE)
            networks.load_weights(network, folder / WEIGHTS, TITLE)
            network.train()
    training, validation = (Images.of(job, name) for name in ("train", "validation"))
    if len(training) != values["num_training_samples"]:
        job.log.warn(
            f"num_training_samples is {values['num_training_samples']}, and channel 'train' has {len(training)} images."
        )
    networks.use_cores(network, values["mini_batch_size"] * (values["crop_size"] // 8) ** 2)
    _Training(job, values, network).fit(training, validation, random)
    (job.model / FILE).write_text(json.dumps(values))
    networks.save_weights(network, job.model / WEIGHTS)


class _Training:
    """Where training is: after `epoch` epochs of together `updates` batches."""

    def __init__(self, job: Job, values: dict[str, Any], network: Network) -> None:
        self.job, self.values, self.network = job, values, network
        self.optimizer = descent.optimizer(network.parameters(), values)
        self.batches = math.ceil(values["num_training_samples"] / values["mini_batch_size"])
        self.epoch = self.updates = self.since = 0
        self.best: float | None = None
        self.kept: dict[str, Tensor] | None = None

    def fit(self, training: Images, validation: Images, random: np.random.Generator) -> None:
        self._resume(random)
        epochs = self.values["epochs"]
        while self.epoch < epochs and not descent.patience_lost(self.values, self.epoch, self.since):
            start = time.time()
            loss = self._epoch(training, random)
            if self.job.stopping.is_set():
                self.job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                break
            self.job.log.throughput(len(training), time.time() - start)
            self.job.log.quality("train", "loss", loss, epoch=self.epoch)
            self._look(validation)
            self.epoch += 1
            self.job.log.progress(self.epoch, epochs)
            networks.checkpoint(self.job, self._state(random))
        if descent.patience_lost(self.values, self.epoch, self.since):
            self.job.log.say(f"Early stopping condition met after {self.epoch} epochs.")
        if self.kept is not None:
            self.network.load_state_dict(self.kept)

    def _epoch(self, images: Images, random: np.random.Generator) -> float:
        """The mean loss of an epoch's batches."""
        base, crop = self.values["base_size"], self.values["crop_size"]
        losses = []
        for rows in shuffled(len(images), self.values["mini_batch_size"], random):
            inputs, classes = _tensors([random_crop(*images.load(row), base, crop, random) for row in rows])
            losses.append(self._update(inputs, classes))
            if self.job.stopping.is_set():
                break
        return float(np.mean(losses))

    def _update(self, inputs: Tensor, classes: Tensor) -> float:
        descent.set_rate(self.optimizer, descent.rate(self.values, self.updates, self.batches))
        self.updates += 1
        self.optimizer.zero_grad()
        scores, auxiliary = self.network.both(inputs)
        counted = max(1, int((classes != IGNORED).sum()))
        loss = _loss(scores, classes) / counted
        found = float(loss.detach())
        if not math.isfinite(found):
            raise CustomerError(f"The loss is {found} after {self.updates} batches: lower learning_rate.")
        (loss + _AUXILIARY_WEIGHT * _loss(auxiliary, classes) / counted).backward()
        self.optimizer.step()
        return found

    def _look(self, validation: Images) -> None:
        """Measure, and take in whether it is better."""
        agreement = self._measure(validation)
        value = agreement.mean_iou
        self.job.log.quality("validation", "mIOU", value, kind="score", epoch=self.epoch)
        self.job.log.quality("validation", "pixel_accuracy", agreement.pixel_accuracy, kind="score", epoch=self.epoch)
        better = descent.improved(value, self.best, self.values["early_stopping_tolerance"])
        self.since = 0 if better else self.since + 1
        if self.best is None or value > self.best:
            self.best = value
            self.kept = {name: each.detach().clone() for name, each in self.network.state_dict().items()}

    def _measure(self, images: Images) -> Agreement:
        agreement = Agreement(self.values["num_classes"])
        size, crop = self.values["validation_mini_batch_size"], self.values["crop_size"]
        self.network.eval()
        with torch.inference_mode():
            for start in range(0, len(images), size):
                loaded = [images.load(row) for row in range(start, min(start + size, len(images)))]
                if size == 1:
                    pairs = [(network_input(image), np.asarray(classes, np.int64)) for image, classes in loaded]
                else:
                    pairs = [central_crop(image, classes, crop) for image, classes in loaded]
                inputs, classes = _tensors(pairs)
                agreement.add(classes.numpy(), self.network(inputs).argmax(1).numpy())
        self.network.train()
        return agreement

    def _state(self, random: np.random.Generator) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": json.dumps(random.bit_generator.state),
        }

    def _resume(self, random: np.random.Generator) -> None:
        """Go on from the job's checkpoint, if it has one."""
        state = networks.resumed(self.job)
        if state is None:
            return
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["torch"])
            random.bit_generator.state = json.loads(state["numpy"])
            for name in _NUMBERS:
                setattr(self, name, state[name])
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise CustomerError(f"The checkpoint is of another job: {error}") from error
        self.job.log.say(f"Resuming from the checkpoint after {self.epoch} epochs.")


def _loss(scores: Tensor, classes: Tensor) -> Tensor:
    return cross_entropy(scores, classes, ignore_index=IGNORED, reduction="sum")


def _tensors(pairs: list[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    inputs, classes = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(classes))
