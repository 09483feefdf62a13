"""Training Image Classification."""

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.image_classification import model
from sagesmith.algorithms.image_classification.data import Images
from sagesmith.algorithms.image_classification.declaration import complete
from sagesmith.algorithms.image_classification.network import Network
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import unpack
from sagesmith.algorithms.vision import pretrained

_LINE_BATCHES = 20
_HEAVIEST = 100.0
_STATE = ("counts", "seen", "best", "since", "improved", "kept", "kept_epoch")


def train(job: Job) -> None:
    """Train, and keep the network of the best accuracy."""
    values = complete(job.values)
    pretrained.check(values["use_pretrained_model"], job.sources, job.algorithm.title)
    random = networks.begin()
    channels = {
        name: Images(job.sources[name], job.sources.get(f"{name}_lst"), values)
        for name in ("train", "validation")
        if name in job.sources
    }
    network = Network(values)
    if "model" in job.sources:
        _begin_with(network, values, job.sources["model"])
    _, height, width = values["image_shape"]
    networks.use_cores(network, values["mini_batch_size"] * max(1, height * width // 64))
    if values["precision_dtype"] != "float32":
        job.log.warn("precision_dtype: weights and gradients are float32 on CPUs.")
    _Training(job, values, network).fit(channels["train"], channels.get("validation"), random)


def _begin_with(network: Network, values: Mapping[str, Any], source: Source) -> None:
    """Take an earlier network's weights; with `use_pretrained_model`, all but the last layer's.

    Raises:
        CustomerError: it is none, or not of the same shape.
    """
    again = values["use_pretrained_model"]
    with pretrained.unpacked(source) as folder:
        earlier, path = model.artifact(folder)
        for name in ("num_layers",) if again else ("num_layers", "image_shape", "num_classes"):
            if earlier.get(name) != values[name]:
                raise CustomerError(
                    f"The model in the channel 'model' has {name} {earlier.get(name)}, and the job {values[name]}: "
                    "they must be the same."
                )
        try:
            weights = {name: torch.from_numpy(value) for name, value in unpack(path.read_bytes()).items()}
            kept = {name: value for name, value in weights.items() if not again or not name.startswith("last.")}
            network.load_state_dict(network.state_dict() | kept)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise CustomerError(f"The model in the channel 'model' cannot be begun with: {error}") from error


class _Training:
    """
    Attributes:
        counts: of each class, how many images were of it, for its weight; and how many there were.
        best: the best accuracy.
        improved, since: the last that was an improvement, and epochs since.
        kept, kept_epoch: the weights of the best one.
        saved: the epoch of those that were last put into the artifact.
    """

    def __init__(self, job: Job, values: Mapping[str, Any], network: Network) -> None:
        self.job, self.values, self.network = job, values, network
        self.optimizer = _optimizer(network, values)
        self.counts, self.seen = torch.zeros(values["num_classes"]), 0
        self.best, self.since, self.improved = -1.0, 0, -1.0
        self.kept: dict[str, Tensor] | None = None
        self.kept_epoch = self.saved = 0

    def fit(self, training: Images, validation: Images | None, random: np.random.Generator) -> None:
        state = networks.resumed(self.job)
        first = reached = self._restore(state, random) if state else 0
        total = first if self._is_enough(first) else self.values["epochs"]
        for epoch in range(first, total):
            reached = epoch + 1
            self._set_rate(epoch)
            accuracy = self._learn(training, epoch, epoch - first, random)
            if self.job.stopping.is_set():
                self.job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                break
            if validation is not None:
                accuracy = self._measure(validation, epoch - first)
                self.job.log.say(f"Epoch[{epoch}] Validation-accuracy={accuracy:.6f}")
            self._consider(accuracy, epoch + 1, chosen=validation is not None)
            self.job.log.progress(epoch + 1, total)
            networks.checkpoint(self.job, self._state(epoch + 1, random))
            if self._is_enough(epoch + 1):
                self.job.log.say(f"Early stopping condition met after {epoch + 1} epochs.")
                break
        if self.saved != reached and (self.kept is None or self.values["checkpoint_frequency"]):
            self._save(reached)

    def _learn(self, training: Images, epoch: int, pipe: int, random: np.random.Generator) -> float:
        """One epoch; the accuracy while learning."""
        self.network.train()
        start, right, top, seen = time.time(), 0.0, 0.0, 0
        for number, (pixels, given) in enumerate(training.batches(pipe, random), 1):
            images, labels = torch.from_numpy(pixels), torch.from_numpy(given)
            logits = self._step(images, labels, epoch)
            right += self._right(logits, labels)
            if self.values["top_k"]:
                top += float((logits.topk(self.values["top_k"]).indices == labels[:, None]).any(1).sum())
            seen += len(labels)
            if number % _LINE_BATCHES == 0:
                speed = seen / (time.time() - start)
                line = f"Epoch[{epoch}] Batch [{number}]\tSpeed: {speed:.3f} samples/sec\taccuracy={right / seen:.6f}"
                self.job.log.say(line)
            if self.job.stopping.is_set():
                break
        self.job.log.say(f"Epoch[{epoch}] Train-accuracy={right / seen:.6f}")
        if self.values["top_k"]:
            self.job.log.say(f"Epoch[{epoch}] Train-top_k_accuracy_{self.values['top_k']}={top / seen:.6f}")
        self.job.log.say(f"Epoch[{epoch}] Time cost={time.time() - start:.3f}")
        if pipe == 0 and seen != self.values["num_training_samples"] and not self.job.stopping.is_set():
            given = self.values["num_training_samples"]
            self.job.log.warn(f"num_training_samples is {given}, and the channel 'train' has {seen} images.")
        return right / seen

    def _step(self, images: Tensor, labels: Tensor, epoch: int) -> Tensor:
        """Learn from a batch; its logits."""
        # The variance of a batch of one may be of one number: two of the same have the same gradient.
        twice = len(images) == 1
        logits = self.network(images.expand(2, -1, -1, -1) if twice else images)
        logits = logits[:1] if twice else logits
        loss = self._loss(logits, labels)
        if not torch.isfinite(loss):
            raise CustomerError(f"The loss is {float(loss)} in epoch {epoch}: lower learning_rate.")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return logits.detach()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if not self.values["multi_label"]:
            return cross_entropy(logits, labels)
        weight = None
        if self.values["use_weighted_loss"]:
            self.counts += labels.sum(0)
            self.seen += len(labels)
            weight = ((self.seen - self.counts + 1) / (self.counts + 1)).clamp(1 / _HEAVIEST, _HEAVIEST)
        return binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)

    def _right(self, logits: Tensor, labels: Tensor) -> float:
        """How many images of a batch are told."""
        if self.values["multi_label"]:
            return float(((logits > 0) == (labels > 0)).float().mean(1).sum())
        return float((logits.argmax(1) == labels).sum())

    def _measure(self, validation: Images, pipe: int) -> float:
        self.network.eval()
        right, seen = 0.0, 0
        with torch.inference_mode():
            for pixels, given in validation.batches(pipe, None):
                right += self._right(self.network(torch.from_numpy(pixels)), torch.from_numpy(given))
                seen += len(given)
        return right / seen

    def _consider(self, accuracy: float, epoch: int, *, chosen: bool) -> None:
        """Keep the network if it is to be kept.

        Args:
            chosen: the accuracy says whether it is.
        """
        self.since += 1
        if accuracy > self.improved + self.values["early_stopping_tolerance"] * max(self.improved, 0.0):
            self.improved, self.since = accuracy, 0
        frequency = self.values["checkpoint_frequency"]
        if frequency:
            if epoch % frequency == 0:
                self._save(epoch)
        elif accuracy > self.best or not chosen:
            if chosen:
                self.job.log.say(f"Storing the best model with validation accuracy: {accuracy:.6f}")
            self._keep(epoch)
        self.best = max(self.best, accuracy)

    def _keep(self, epoch: int) -> None:
        self.kept = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.kept_epoch = epoch
        self._save(epoch)

    def _save(self, epoch: int) -> None:
        alone = not self.values["checkpoint_frequency"]
        path = model.save(self.network, self.values, self.job.model, epoch, alone=alone)
        self.saved = epoch
        self.job.log.say(f'Saved checkpoint to "{path}"')

    def _is_enough(self, epoch: int) -> bool:
        return bool(
            self.values["early_stopping"]
            and epoch >= self.values["early_stopping_min_epochs"]
            and self.since >= self.values["early_stopping_patience"]
        )

    def _set_rate(self, epoch: int) -> None:
        passed = sum(epoch >= each for each in self.values["lr_scheduler_step"] or ())
        rate = self.values["learning_rate"] * self.values["lr_scheduler_factor"] ** passed
        for group in self.optimizer.param_groups:
            if group["lr"] != rate:
                self.job.log.say(f"Epoch[{epoch}] Change learning rate to {rate:.5e}")
                group["lr"] = rate

    def _state(self, epoch: int, random: np.random.Generator) -> dict[str, Any]:
        return {
            "epoch": epoch,
            **{name: getattr(self, name) for name in _STATE},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": json.dumps(random.bit_generator.state),
        }

    def _restore(self, state: Mapping[str, Any], random: np.random.Generator) -> int:
        """Go on from a checkpoint; the epochs that were done."""
        try:
            for name in _STATE:
                setattr(self, name, state[name])
            if self.kept is not None:
                self.network.load_state_dict(self.kept)
                self._save(self.kept_epoch)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["torch"])
            random.bit_generator.state = json.loads(state["numpy"])
            epoch = int(state["epoch"])
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise CustomerError(f"The checkpoint is of another job: {error}") from error
        self.job.log.say(f"Resuming from the checkpoint after {epoch} epochs.")
        return epoch


def _optimizer(network: Network, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    weights, rate, kind = network.parameters(), values["learning_rate"], values["optimizer"]
    if kind == "adam":
        return torch.optim.Adam(weights, rate, (values["beta_1"], values["beta_2"]), values["eps"])
    if kind == "rmsprop":
        return torch.optim.RMSprop(weights, rate, values["gamma"], values["eps"])
    momentum = values["momentum"]
    nesterov = kind == "nag" and momentum > 0
    return torch.optim.SGD(weights, rate, momentum, weight_decay=values["weight_decay"], nesterov=nesterov)
