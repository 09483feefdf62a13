"""Measuring models on rows: all of them while they are trained, one of them at the end."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.linear_learner import metrics
from sagesmith.algorithms.linear_learner.metrics import Confusion, Criterion, best_threshold
from sagesmith.algorithms.linear_learner.problem import Problem
from sagesmith.algorithms.linear_learner.scaling import Scaling

_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Judge:
    """Says how good models are.

    Attributes:
        problem: the loss without weights of classes.
        criterion: None but for a binary classifier.
        sampled: of so many rows at most a threshold is chosen.
        dense: rows are made dense.
    """

    problem: Problem
    scaling: Scaling
    criterion: Criterion | None
    sampled: int
    dense: bool
    k: int
    beta: float

    @property
    def by_loss(self) -> bool:
        """Models are compared by their losses."""
        return self.criterion is None or self.criterion.is_loss

    @property
    def name(self) -> str:
        """The criterion's, as AWS's log has it."""
        if self.criterion is None or self.criterion.is_loss:
            return f"{self.problem.objective}_objective"
        return f"sampled_{self.criterion.name}"

    def compare(self, batches: Iterable[Batch], weights: Any) -> tuple[Any, Any, Any]:
        """The value of each model (more is better), its mean loss, and its threshold.

        Args:
            weights: shape (models, classes, width).
        """
        models = len(weights)
        total, count = np.zeros(models), 0
        scores: list[Any] = []
        labels: list[Any] = []
        for raw, wanted in self._predictions(batches, weights):
            total += self.problem.losses(raw, wanted).sum(axis=0, dtype=np.float64)
            if self.criterion is not None and count < self.sampled:
                scores.append(self._scores(raw[:, :, 0]))
                labels.append(wanted)
            count += len(wanted)
        losses = total / max(count, 1)
        if self.criterion is None or self.criterion.is_loss or not scores:
            return self.expected(losses)
        default = self.problem.loss.threshold if self.problem.loss is not None else 0.0
        sample, truth = np.concatenate(scores)[: self.sampled], np.concatenate(labels)[: self.sampled]
        found = [best_threshold(sample[:, model], truth, self.criterion, default) for model in range(models)]
        return _finite(np.array([value for _, value in found])), losses, np.array([cut for cut, _ in found])

    def expected(self, losses: Any) -> tuple[Any, Any, Any]:
        """The same of models that are compared by losses that are known, shape (models,)."""
        threshold = self.problem.loss.threshold if self.problem.loss is not None else 0.0
        return _finite(-losses), losses, np.full(len(losses), threshold)

    def measure(self, batches: Iterable[Batch], weights: Any, threshold: float) -> dict[str, float]:
        """All metrics of one model, by the names that are printed; the objective's ends in `_objective`.

        Args:
            weights: shape (classes, width).
        """
        total, count = 0.0, 0
        confusion = Confusion.empty(self.problem.classes, self.k)
        sums: dict[str, float] = {}
        scores: list[Any] = []
        labels: list[Any] = []
        for raw, wanted in self._predictions(batches, weights[None]):
            total += float(self.problem.losses(raw, wanted).sum(dtype=np.float64))
            count += len(wanted)
            if self.problem.loss is None:
                confusion.add(raw[:, 0], wanted)
            elif self.criterion is not None:
                scores.append(self._scores(raw[:, 0, 0]))
                labels.append(wanted)
            else:
                added = metrics.regression_sums(raw[:, 0, 0], wanted)
                sums = {name: sums.get(name, 0.0) + value for name, value in added.items()}
        found = {f"{self.problem.objective}_objective": total / max(count, 1)}
        if not count:
            return found
        if self.problem.loss is None:
            return found | confusion.metrics(self.beta)
        if self.criterion is not None:
            return found | metrics.binary(np.concatenate(scores), np.concatenate(labels), threshold, self.beta)
        return found | metrics.regression(sums)

    def _predictions(self, batches: Iterable[Batch], weights: Any) -> Iterable[tuple[Any, Any]]:
        """Raw predictions in the units of the labels, and the labels."""
        for batch in batches:
            for piece in batch.pieces(_ROWS):
                rows = self.scaling.features(piece.dense() if self.dense else piece.features)
                yield self.scaling.raw(self.problem.raw(rows, weights)), piece.labels

    def _scores(self, raw: Any) -> Any:
        return raw if self.problem.loss is None else self.problem.loss.score(raw)


def _finite(values: Any) -> Any:
    """A model that has diverged is worse than any other."""
    return np.where(np.isfinite(values), values, -np.finfo(np.float64).max)
