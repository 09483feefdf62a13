"""Training Object Detection."""

import json
import math
import re
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sagesmith.algorithms import networks
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.object_detection.boxes import detections, losses, mean_average_precision, targets
from sagesmith.algorithms.object_detection.declaration import ARCHITECTURE
from sagesmith.algorithms.object_detection.images import Images, network_input, varied
from sagesmith.algorithms.object_detection.model import FILE, TITLE, WEIGHTS
from sagesmith.algorithms.object_detection.network import Network
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.vision import descent, earlier, pretrained

_NUMBERS = ("epoch", "updates", "best", "since", "kept")
_LONGEST_GRADIENT = 10.0


def train(job: Job) -> None:
    """Train for the job's epochs, or until mAP gets no better, and keep the epoch of the best."""
    values = dict(job.values) | {"gamma1": 0.9, "gamma2": 0.9}
    pretrained.check(bool(values["use_pretrained_model"]), job.sources, TITLE)
    random = networks.begin()
    network = Network(values)
    if "model" in job.sources:
        with pretrained.unpacked(job.sources["model"]) as folder:
            earlier.check(folder, FILE, values, ARCHITECTURE, TITLE)
            networks.load_weights(network, folder / WEIGHTS, TITLE)
            network.train()
    if values["freeze_layer_pattern"]:
        for name, weights in network.base.named_parameters():
            weights.requires_grad = not re.search(values["freeze_layer_pattern"], name)
    training, validation = (Images.of(job, name) for name in ("train", "validation"))
    if len(training) != values["num_training_samples"]:
        job.log.warn(
            f"num_training_samples is {values['num_training_samples']}, and channel 'train' has {len(training)} images."
        )
    networks.use_cores(network, values["mini_batch_size"] * (values["image_shape"] // 16) ** 2)
    _Training(job, values, network).fit(training, validation, random)
    (job.model / FILE).write_text(json.dumps(values))
    networks.save_weights(network, job.model / WEIGHTS)


class _Training:
    """Where training is: after `epoch` epochs of together `updates` batches."""

    def __init__(self, job: Job, values: dict[str, Any], network: Network) -> None:
        self.job, self.values, self.network = job, values, network
        learned = [each for each in network.parameters() if each.requires_grad]
        self.optimizer = descent.optimizer(learned, values)
        self.batches = math.ceil(values["num_training_samples"] / values["mini_batch_size"])
        self.epoch = self.updates = self.since = 0
        self.best: float | None = None
        self.kept: dict[str, Tensor] | None = None

    def fit(self, training: Images, validation: Images, random: np.random.Generator) -> None:
        self._resume(random)
        epochs = self.values["epochs"]
        while self.epoch < epochs and not descent.patience_lost(self.values, self.epoch, self.since):
            start = time.time()
            self._epoch(training, random)
            if self.job.stopping.is_set():
                self.job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                break
            self.job.log.throughput(len(training), time.time() - start)
            self._look(validation)
            self.epoch += 1
            self.job.log.progress(self.epoch, epochs)
            networks.checkpoint(self.job, self._state(random))
        if descent.patience_lost(self.values, self.epoch, self.since):
            self.job.log.say(f"Early stopping condition met after {self.epoch} epochs.")
        if self.kept is not None:
            self.network.load_state_dict(self.kept)

    def _epoch(self, images: Images, random: np.random.Generator) -> None:
        order, size = random.permutation(len(images)), self.values["mini_batch_size"]
        found = []
        for start in range(0, len(images), size):
            pairs = [varied(*images.load(row), random) for row in order[start : start + size]]
            found.append(self._update(pairs))
            if self.job.stopping.is_set():
                return
        for name, value in zip(("cross_entropy", "smooth_l1"), np.mean(found, 0), strict=True):
            at = f"host={self.job.host}, epoch={self.epoch}, batch={len(found)}"
            self.job.log.say(f"#quality_metric: {at} train {name} <loss>={float(value)!r}")

    def _update(self, pairs: list[tuple[Any, Any]]) -> tuple[float, float]:
        descent.set_rate(self.optimizer, descent.rate(self.values, self.updates, self.batches))
        self.updates += 1
        side = self.values["image_shape"]
        inputs = torch.from_numpy(np.stack([network_input(image, side) for image, _ in pairs]))
        if len(inputs) == 1:
            # The variance of a batch of one may be of one number: two of the same have the same gradient.
            inputs, pairs = inputs.expand(2, -1, -1, -1), pairs * 2
        scores, shifts, anchors = self.network(inputs)
        wanted = [targets(torch.from_numpy(objects), anchors) for _, objects in pairs]
        classes, places = (torch.stack(each) for each in zip(*wanted, strict=True))
        entropy, smooth = losses(scores, shifts, classes, places)
        total = entropy + smooth
        if not bool(torch.isfinite(total)):
            raise CustomerError(f"The loss is {float(total)} after {self.updates} batches: lower learning_rate.")
        self.optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST_GRADIENT)
        self.optimizer.step()
        return float(entropy.detach()), float(smooth.detach())

    def _look(self, validation: Images) -> None:
        """Measure, and take in whether it is better."""
        value = self._measure(validation)
        at = f"host={self.job.host}, epoch={self.epoch}"
        self.job.log.say(f"#quality_metric: {at}, validation mAP <score>=({value!r})")
        better = descent.improved(value, self.best, self.values["early_stopping_tolerance"])
        self.since = 0 if better else self.since + 1
        if self.best is None or value > self.best:
            self.best = value
            self.kept = {name: each.detach().clone() for name, each in self.network.state_dict().items()}

    def _measure(self, images: Images) -> float:
        size, side = self.values["mini_batch_size"], self.values["image_shape"]
        self.network.eval()
        found = []
        with torch.inference_mode():
            for start in range(0, len(images), size):
                rows = range(start, min(start + size, len(images)))
                inputs = torch.from_numpy(np.stack([network_input(images.load(row)[0], side) for row in rows]))
                scores, shifts, anchors = self.network(inputs)
                threshold = self.values["nms_threshold"]
                found += [detections(*each, anchors, threshold) for each in zip(scores, shifts, strict=True)]
        self.network.train()
        return mean_average_precision(
            found, images.objects, self.values["num_classes"], self.values["overlap_threshold"]
        )

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
