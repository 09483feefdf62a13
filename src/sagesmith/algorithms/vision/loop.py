"""How the image algorithms train: epochs of batches, a measure after each, the best network kept.

An epoch may take hours, so where a job stands is kept at its end, every few minutes within it, and when the job is
asked to stop; a job that begins again goes on with the next batch as if nothing had happened. Several instances each
learn from examples of their own and descend the mean of their gradients, so that their networks stay the same.
"""

import json
import math
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sagesmith.algorithms import networks
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.vision import descent, together
from sagesmith.algorithms.vision.feed import Feed

T = TypeVar("T")
_CHECKPOINT_SECONDS = 300.0
_STATE = ("epoch", "batch", "updates", "best", "since", "kept", "kept_epoch", "sums")


@dataclass(frozen=True, slots=True)
class Step:
    """What a network makes of a batch.

    Attributes:
        loss: to descend.
        rows: the images in it.
        notes: numbers that are added up over an epoch, for its lines in the log.
    """

    loss: Tensor
    rows: int
    notes: Mapping[str, float]


class Task(Protocol[T]):
    """What of training is an algorithm's own.

    Attributes:
        keeps_best: the network of the best epoch is the result, else the last one's.
        longest_gradient: gradients are shortened to this norm, None if not.
    """

    network: nn.Module
    keeps_best: bool
    longest_gradient: float | None

    def learn(self, batch: list[T]) -> Step:
        """The loss of a batch, for which the network is in training mode."""
        ...

    def running(self, epoch: int, sums: Mapping[str, float], seconds: float) -> None:
        """Tell after a batch how the epoch goes, if at all; `sums` has `batches`, `rows` and all notes."""
        return

    def told(self, epoch: int, sums: Mapping[str, float], seconds: float) -> float:
        """Tell of an epoch. Its score, as far as what was learned from tells it."""
        ...

    def measure(self, number: int) -> float | None:
        """The score of the validation images, None if there are none.

        Args:
            number: of the pass over them, from 0 in each run of the job.
        """
        ...

    def report(self, epoch: int, score: float) -> None:
        """Tell the score that was measured."""
        ...

    def after(self, epochs: int, score: float, *, best: bool) -> None:
        """Called after an epoch, with how many are done, and whether its network is the one that is kept."""
        return

    def state(self) -> dict[str, Any]:
        """What of the task a checkpoint has to have, as tensors and numbers by name; nothing unless it says so."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with that."""
        return


@dataclass(slots=True)
class Loop:
    """Where training is.

    Attributes:
        epoch, batch, updates: epochs that are done, batches of the one under way, and batches altogether.
        sums: of the epoch under way.
        best, since: the best score, and epochs since one that was better by more than the tolerance.
        kept, kept_epoch: the weights that are kept, and after how many epochs they were so.
    """

    job: Job
    hosts: Hosts
    values: Mapping[str, Any]
    task: Task[Any]
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    batch: int = 0
    updates: int = 0
    best: float | None = None
    since: int = 0
    kept: dict[str, Tensor] | None = None
    kept_epoch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    _begun: str = ""
    _saved: float = field(default_factory=time.monotonic)

    def fit(self, training: Feed[Any, T], random: np.random.Generator) -> int:
        """Train for the job's epochs, until it is enough, or until the job is asked to stop.

        Returns:
            After how many epochs the task's network, at the end, is as it is.
        """
        job, epochs = self.job, self.values["epochs"]
        self._resume(random)
        first = self.epoch
        while self.epoch < epochs and not self._is_enough():
            start, self._begun = time.time(), json.dumps(random.bit_generator.state)
            if not self._learn(training.batches(self.epoch - first, int(random.integers(1 << 62)), self.batch), start):
                self._checkpoint()
                job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                break
            self._finish(first, time.time() - start)
            self._begun = json.dumps(random.bit_generator.state)
            job.log.progress(self.epoch, epochs)
            self._checkpoint()
        if self._is_enough():
            job.log.say(f"Early stopping condition met after {self.epoch} epochs.")
        if self.kept is None:
            return self.epoch + (self.batch > 0)
        self.task.network.load_state_dict(self.kept)
        return self.kept_epoch

    def _is_enough(self) -> bool:
        return descent.patience_lost(self.values, self.epoch, self.since)

    def _learn(self, batches: Generator[list[T]], start: float) -> bool:
        """What is left of an epoch; whether it came to its end."""
        self.task.network.train()
        with closing(batches):
            while True:
                everybodys, stop = self._update(next(batches, None))
                if not everybodys:
                    return True
                self.task.running(self.epoch, self.sums, time.time() - start)
                if stop:
                    return False
                if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
                    self._checkpoint()

    def _update(self, lot: list[Any] | None) -> tuple[int, bool]:
        """Learn from a batch, which this instance may have no more.

        Returns:
            The images of all instances' batches, and whether one of them is asked to stop.
        """
        stop, rows = self.job.stopping.is_set(), 0
        self.optimizer.zero_grad()
        if lot is not None:
            step = self.task.learn(lot)
            rows = step.rows
            if not bool(torch.isfinite(step.loss)):
                raise CustomerError(
                    f"The loss is {float(step.loss)} in epoch {self.epoch}, after {self.updates} batches: lower "
                    "learning_rate."
                )
            step.loss.backward()
            for name, value in {**step.notes, "rows": rows, "batches": 1}.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
        learned = [each for group in self.optimizer.param_groups for each in group["params"]]
        everybodys, stop = together.average(learned, self.hosts, rows, stop)
        if everybodys:
            if self.task.longest_gradient is not None:
                torch.nn.utils.clip_grad_norm_(learned, self.task.longest_gradient)
            self._set_rate()
            self.optimizer.step()
            self.updates += 1
            self.batch += 1
        return everybodys, stop

    def _set_rate(self) -> None:
        batches = math.ceil(self.values["num_training_samples"] / (self.values["mini_batch_size"] * self.hosts.size))
        rate = descent.rate(self.values, self.updates, batches)
        if descent.set_rate(self.optimizer, rate) and not descent.is_smooth(self.values):
            self.job.log.say(f"Epoch[{self.epoch}] Change learning rate to {rate:.5e}")

    def _finish(self, first: int, seconds: float) -> None:
        """Tell of an epoch that was learned from, measure, and take in whether it is better."""
        sums = together.added(self.sums, self.hosts)
        together.same_statistics(self.task.network, self.hosts)
        rows, given = int(sums.get("rows", 0)), self.values["num_training_samples"]
        if rows == 0:
            raise CustomerError("The channel 'train' has no images.")
        self.job.log.throughput(rows, seconds)
        score = self.task.told(self.epoch, sums, seconds)
        if self.epoch == first and rows != given:
            self.job.log.warn(f"num_training_samples is {given}, and the channel 'train' has {rows} images.")
        self.task.network.eval()
        with torch.inference_mode():
            found = self.task.measure(self.epoch - first)
        if found is not None:
            score = together.mean(found, self.hosts)
            self.task.report(self.epoch, score)
        self._take_in(score, measured=found is not None)

    def _take_in(self, score: float, *, measured: bool) -> None:
        best = not measured or self.best is None or score > self.best
        better = descent.improved(score, self.best, self.values["early_stopping_tolerance"])
        self.since = 0 if better else self.since + 1
        self.best = score if self.best is None else max(self.best, score)
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, {}
        if best and self.task.keeps_best:
            self.kept = {name: each.detach().clone() for name, each in self.task.network.state_dict().items()}
            self.kept_epoch = self.epoch
        self.task.after(self.epoch, score, best=best)

    def _checkpoint(self) -> None:
        """Keep where training is."""
        self._saved = time.monotonic()
        networks.checkpoint(
            self.job,
            {
                **{name: getattr(self, name) for name in _STATE},
                "network": self.task.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "task": self.task.state(),
                "torch": torch.get_rng_state(),
                "numpy": self._begun,
            },
        )

    def _resume(self, random: np.random.Generator) -> None:
        """Go on from the leader's checkpoint, if it has one."""
        state = networks.resumed(self.job, self.hosts)
        if state is None:
            return
        with networks.restoring():
            self.task.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.task.restore(state["task"])
            torch.set_rng_state(state["torch"])
            random.bit_generator.state = json.loads(state["numpy"])
            for name in _STATE:
                setattr(self, name, state[name])
        within = f" and {self.batch} batches" if self.batch else ""
        self.job.log.say(f"Resuming from the checkpoint after {self.epoch} epochs{within}.")
