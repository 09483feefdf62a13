"""Training Linear Learner."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sagesmith.algorithms.data.assemble import in_batches
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.linear_learner import choices, losses
from sagesmith.algorithms.linear_learner.candidates import Candidate, candidates
from sagesmith.algorithms.linear_learner.descent import Descent
from sagesmith.algorithms.linear_learner.evaluation import Judge
from sagesmith.algorithms.linear_learner.learner import Learner
from sagesmith.algorithms.linear_learner.metrics import Criterion
from sagesmith.algorithms.linear_learner.model import Linear
from sagesmith.algorithms.linear_learner.newton import Newton
from sagesmith.algorithms.linear_learner.penalties import Penalties
from sagesmith.algorithms.linear_learner.problem import Problem
from sagesmith.algorithms.linear_learner.rows import Data, class_weights, labels_of, read, see_classes
from sagesmith.algorithms.linear_learner.scaling import Scaling
from sagesmith.algorithms.linear_learner.schema import LOSSES
from sagesmith.algorithms.linear_learner.squares import Squares
from sagesmith.algorithms.run.hosts import Hosts, connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import pack, unpack
from sagesmith.algorithms.run.streaming import passes

_SAMPLE_STEPS = 25
_KINKED_SAMPLE_STEPS = 50
_SAMPLE_GAIN = 1e-3
"""All rows are going to tell more than a sample whose steps gain no larger share of the loss."""
_CALIBRATION_ROWS = 100_000
_MISLED = 1.1
_BLOCK_NUMBERS = 1 << 22


def train(job: Job) -> None:
    with connected(job) as hosts:
        data = Data.opened(job, hosts)
        task = _Task.made(job, hosts, data)
        learner = task.learner()
        # Newton's sums are taken by threads of their own; a gradient method's products are too small to share.
        with threadpool_limits(1, user_api="blas"):
            learner = passes(job, hosts, learner, lambda _: task.batches(), job.values["epochs"], task.judged)
        if job.leads:
            task.model(learner).save(job.model)
        task.report(learner)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is trained, and how."""

    job: Job
    hosts: Hosts
    data: Data
    scaling: Scaling
    problem: Problem
    judge: Judge
    candidates: list[Candidate]
    method: str

    @classmethod
    def made(cls, job: Job, hosts: Hosts, data: Data) -> "_Task":
        values = job.values
        kind = values["predictor_type"]
        scaling = Scaling.chosen(values, data.moments, data.sparse)
        classes = values["num_classes"] if kind == "multiclass_classifier" else 1
        name = LOSSES[kind][0] if values["loss"] == "auto" else values["loss"]
        loss = None if name == "softmax_loss" else losses.loss(name, values)
        positives, balance = class_weights(job, hosts, data)
        weights = scaling.width * classes
        method = choices.method(values, weights)
        found = candidates(
            values,
            optimizer=method,
            weights=weights,
            tuned=job.objective is not None,
            rows=data.moments.count,
            positives=positives,
        )
        weighted = any(each.positive != 1 for each in found)
        problem = Problem(
            classes,
            loss,
            positive=np.array([each.positive for each in found]) if weighted else None,
            balance=balance,
        )
        limit = values["num_calibration_samples"]
        judge = Judge(
            problem=Problem(classes, loss),
            scaling=scaling,
            criterion=Criterion.chosen(values) if kind == "binary_classifier" else None,
            sampled=_CALIBRATION_ROWS if limit == "auto" else limit,
            dense=not data.sparse,
            k=values["accuracy_top_k"],
            beta=values["f_beta"],
        )
        job.log.say(f"{len(found)} models of {weights} weights each are trained by {method}.")
        return cls(job, hosts, data, scaling, problem, judge, found, method)

    def prepare(self, batch: Batch) -> tuple[Any, Any]:
        features = batch.features if self.data.sparse else batch.dense()
        return self.scaling.features(features), self.scaling.labels(batch.labels)

    def batches(self) -> Iterator[Batch]:
        """The rows of a pass, in whole mini-batches where those matter."""
        if self.method == "newton":
            if self._squares:
                self.data.rows.forget()
            return self.data.rows()
        step, width = self.job.values["mini_batch_size"], max(self.data.columns, 1)
        return in_batches(self.data.rows(), step * max(_BLOCK_NUMBERS // (width * step), 1))

    def learner(self) -> Learner:
        """The state before the first pass."""
        values, found = self.job.values, self.candidates
        penalties = Penalties(
            np.array([each.l1 for each in found]),
            np.array([each.wd for each in found]),
            self.scaling.bias,
            choices.automatic(values["bias_wd_mult"], 0.0),
        )
        seen = np.zeros(labels_of(values), np.int64)
        begin = choices.beginning(values, len(found), self.problem.classes, self.scaling)
        if self.method != "newton":
            optimizer = choices.optimizer(values, self.method, np.array([each.learning_rate for each in found]))
            batch = values["mini_batch_size"]
            return Learner(Descent(self.problem, penalties, self.prepare, optimizer, batch, begin), seen)
        if self._squares:
            return Learner(Squares(penalties, self.prepare, begin), seen)
        sampled, kink = self._of_sample(Newton(self.problem, penalties, self.prepare, begin))
        return Learner(Newton(self.problem, penalties, self.prepare, sampled, kink=kink), seen)

    def judged(self, learner: Learner, epoch: int) -> bool:
        """End a pass; whether it was the last one that is needed."""
        see_classes(learner.seen, self.job.values)
        learner.passed += 1
        start = time.time()
        if self._squares:
            # Its models are made of the pass, which has measured none.
            finished = learner.method.step()
            trained = learner.method.mean_losses()
        else:
            trained = learner.method.mean_losses()
            finished = not self._restarted(learner, trained) and learner.method.step()
        channel, rows = self.data.judged
        estimated = channel == "train" and self.judge.by_loss
        if estimated:
            # All rows say more of a loss than a sample of them.
            values, losses_, thresholds = self.judge.expected(learner.method.expected)
        else:
            values, losses_, thresholds = self.judge.compare(rows(), learner.method.weights)
        # Others may come to other last digits: the first one's count.
        said = unpack(self.hosts.gather(pack({"values": values, "losses": losses_, "thresholds": thresholds}))[0])
        tolerance = self.job.values["early_stopping_tolerance"]
        falls = estimated and self.method == "newton" and bool(np.isfinite(said["losses"]).all())
        better = learner.consider(said["values"], said["losses"], said["thresholds"], tolerance, falls=falls)
        self._tell(epoch, start, trained, said, channel)
        if better:
            self.job.log.say(f"Epoch {epoch}: Loss improved. Updating best model")
        return finished or learner.waited >= self.job.values["early_stopping_patience"]

    def _restarted(self, learner: Learner, trained: Any) -> bool:
        """Let models begin anew that the sample has misled: they are worse than if they knew the classes' shares alone.

        Newton's steps from where hardly any row has a curvature lead nowhere.
        """
        if learner.passed > 1 or self.method != "newton" or not self._likelihood:
            return False
        counts = np.broadcast_to(learner.seen.astype(np.float64), (len(trained), len(learner.seen))).copy()
        if self.problem.positive is not None:
            counts[:, 1] *= self.problem.positive
        if self.problem.balance is not None:
            counts *= self.problem.balance
        shares = np.maximum(counts / counts.sum(axis=1, keepdims=True), 1e-12)
        if (trained <= _MISLED * -(shares * np.log(shares)).sum(axis=1)).all():
            return False
        begin = choices.beginning(self.job.values, len(self.candidates), self.problem.classes, self.scaling)
        learner.method = Newton(self.problem, learner.method.penalties, self.prepare, begin)
        learner.kept = begin[0]
        return True

    def model(self, learner: Learner) -> Linear:
        """The kept model in the units of the data."""
        weights, intercepts = self.scaling.original(learner.kept)
        kind = self.job.values["predictor_type"]
        probable = kind == "multiclass_classifier" or self._probable
        return Linear(kind, probable, weights, intercepts, learner.threshold)

    def report(self, learner: Learner) -> None:
        """Print what the kept model is worth."""
        channel, rows = self.data.judged
        self._score(channel, self.judge.measure(rows(), learner.kept, learner.threshold))
        self.job.log.say(f"Best model found for hyperparameters: {json.dumps(self._settings(learner.model))}")
        if "test" in self.job.sources:
            test = read(self.job, "test", self.data.columns, 0)
            self._score("test", self.judge.measure(test, learner.kept, learner.threshold))
        else:
            self.job.log.say("Test data is not provided.")

    @property
    def _squares(self) -> bool:
        return self.method == "newton" and self.problem.loss is not None and self.problem.loss.constant

    @property
    def _likelihood(self) -> bool:
        """The loss is the cross-entropy."""
        return self.problem.loss is None or self._probable

    @property
    def _probable(self) -> bool:
        return self.problem.loss is not None and self.problem.loss.score is losses.sigmoid

    def _of_sample(self, method: Newton) -> tuple[Any, float]:
        """The weights that are best for the sample of the first instance, and how wide kinks are there.

        Of one class alone nothing can be said: all begin as they are.
        """
        steps = _KINKED_SAMPLE_STEPS if method.kinked else _SAMPLE_STEPS
        finished = not self.data.tells(self.job.values)
        with threadpool_limits(1, user_api="blas"):
            for _ in range(0 if finished else steps):
                for batch in self.data.sample:
                    method.update(batch)
                finished = method.step() or method.near(_SAMPLE_GAIN)
                if finished or self.job.stopping.is_set():
                    break
        weights = method.weights if finished else method.best
        found = unpack(self.hosts.gather(pack({"weights": weights, "kink": method.kink}))[0])
        return found["weights"], float(found["kink"])

    def _settings(self, model: int) -> dict[str, object]:
        each = self.candidates[model]
        settings: dict[str, object] = {"optimizer": self.method, "l1": each.l1, "wd": each.wd}
        if self.method != "newton":
            settings["learning_rate"] = each.learning_rate
        if each.positive != 1:
            settings["positive_example_weight_mult"] = each.positive
        return settings

    def _tell(self, epoch: int, start: float, trained: Any, said: dict[str, Any], channel: str) -> None:
        log, objective = self.job.log, f"{self.problem.objective}_objective"
        best = int(np.lexsort((said["losses"], -said["values"]))[0])
        for model, loss in enumerate(trained):
            log.metrics({f"train_{objective}": float(loss)}, start, start, epoch=epoch, model=model)
        log.quality("train", objective, float(trained[best]), epoch=epoch)
        if channel == "validation":
            for model, loss in enumerate(said["losses"]):
                log.metrics({f"validation_{objective}": float(loss)}, start, start, epoch=epoch, model=model)
            log.quality("validation", objective, float(said["losses"][best]), epoch=epoch)
        value = abs(float(said["values"][best]))
        log.say(
            f"#early_stopping_criteria_metric: host={self.job.host}, epoch={epoch}, criteria={self.judge.name}, "
            f"value={value}"
        )

    def _score(self, channel: str, found: dict[str, float]) -> None:
        for name, value in found.items():
            self.job.log.say(f"#{channel}_score ({self.job.host}) : ('{name}', {value})")
        for name, value in found.items():
            less = name.endswith("_objective") or name in ("mse", "rmse", "mae", "absolute_loss")
            self.job.log.quality(channel, name, value, kind="loss" if less else "score")
