"""What a model is worth, in AWS's metrics, and where a binary classifier's threshold lies best.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Criterion:
    """By what binary classifiers and their thresholds are compared.

    Attributes:
        name: AWS's, of `binary_classifier_model_selection_criteria`.
        target: the precision or recall that is to be kept.
    """

    name: str
    beta: float = 1.0
    target: float = 0.8

    @classmethod
    def chosen(cls, values: Mapping[str, Any]) -> "Criterion":
        name = values["binary_classifier_model_selection_criteria"]
        target = values["target_recall" if name == "precision_at_target_recall" else "target_precision"]
        return cls(name, 1.0 if name == "f1" else values["f_beta"], target)

    @property
    def is_loss(self) -> bool:
        """Models are compared by their losses; no threshold is chosen."""
        return self.name in ("cross_entropy_loss", "loss_function")

    def of(self, hits: Any, alarms: Any, positives: int, negatives: int) -> Any:
        """How good it is, more is better, to have so many positive and so many negative rows above the threshold."""
        if self.name == "accuracy":
            return (hits + negatives - alarms) / (positives + negatives)
        precision, recall = _share(hits, hits + alarms), _share(hits, positives)
        if self.name in ("f1", "f_beta"):
            return f_score(precision, recall, self.beta)
        kept, wanted = (recall, precision) if self.name == "precision_at_target_recall" else (precision, recall)
        # What misses its target is worse than whatever keeps it, and the worse the more it misses.
        return np.where(kept >= self.target, wanted, kept - self.target - 1)


def best_threshold(scores: Any, labels: Any, criterion: Criterion, default: float) -> tuple[float, float]:
    """The threshold by which a criterion is best, and how good it is there.

    It lies in the middle between two scores. Of several that are equally good the one closest to `default` is taken.
    """
    order = np.argsort(-scores)
    ranked, is_positive = scores[order].astype(np.float64), labels[order] == 1
    hits = np.concatenate([[0], np.cumsum(is_positive)])
    alarms = np.concatenate([[0], np.cumsum(~is_positive)])
    # A threshold separates different scores, or takes none or all of the rows.
    ends = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])
    inner = (ranked[1:] + ranked[:-1]) / 2
    edge = max(float(np.ptp(ranked)), 1e-6) if len(ranked) else 1.0
    cuts = np.concatenate([[ranked[0] + edge], inner, [ranked[-1] - edge]])
    values = np.where(ends, criterion.of(hits, alarms, int(hits[-1]), int(alarms[-1])), -np.inf)
    best = values.max()
    tied = np.flatnonzero(values >= best)
    nearest = tied[np.abs(cuts[tied] - default).argmin()]
    # Where the default itself lies between the same two scores, it is it.
    low = ranked[nearest] if nearest < len(ranked) else -np.inf
    high = ranked[nearest - 1] if nearest > 0 else np.inf
    return (default if low < default <= high else float(cuts[nearest])), float(best)


def binary(scores: Any, labels: Any, threshold: float, beta: float) -> dict[str, float]:
    """The metrics of a binary classifier, by the names that are printed."""
    said, true = scores >= threshold, labels == 1
    hits, alarms = int((said & true).sum()), int((said & ~true).sum())
    precision, recall = float(_share(hits, hits + alarms)), float(_share(hits, int(true.sum())))
    return {
        "binary_classification_accuracy": float((said == true).mean()),
        f"binary_f_{beta:.3f}": float(f_score(precision, recall, beta)),
        "precision": precision,
        "recall": recall,
        "roc_auc_score": roc_auc(scores, labels),
    }


def roc_auc(scores: Any, labels: Any) -> float:
    """The area under the ROC curve, ties counting half; NaN of one class."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    ranks = (upto - (counts - 1) / 2)[places]
    positives = int((labels == 1).sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def regression(sums: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a regressor from `regression_sums`."""
    count = max(sums["count"], 1)
    mse = sums["squared"] / count
    spread = sums["labels_squared"] / count - (sums["labels"] / count) ** 2
    return {
        "mse": mse,
        "absolute_loss": sums["absolute"] / count,
        "rmse": float(np.sqrt(mse)),
        "r2": 1 - mse / spread if spread > 0 else float("nan"),
        "mae": sums["absolute"] / count,
    }


def regression_sums(predictions: Any, labels: Any) -> dict[str, float]:
    """What of some rows is added up."""
    errors, wanted = predictions.astype(np.float64) - labels, labels.astype(np.float64)
    return {
        "count": float(len(labels)),
        "squared": float((errors**2).sum()),
        "absolute": float(np.abs(errors).sum()),
        "labels": float(wanted.sum()),
        "labels_squared": float((wanted**2).sum()),
    }


@dataclass(slots=True)
class Confusion:
    """How often a multiclass classifier said what, by the label.

    Attributes:
        table: labels by predictions.
        top, gain: rows whose label is among the k best; the sum of discounted gains.
    """

    table: Any
    k: int
    top: int = 0
    gain: float = 0.0

    @classmethod
    def empty(cls, classes: int, k: int) -> "Confusion":
        return cls(np.zeros((classes, classes), np.int64), min(k, classes))

    def add(self, scores: Any, labels: Any) -> None:
        """Take in rows' scores, shape (rows, classes)."""
        wanted = labels.astype(np.intp)
        np.add.at(self.table, (wanted, scores.argmax(axis=1)), 1)
        ranks = (scores > scores[np.arange(len(wanted)), wanted][:, None]).sum(axis=1)
        self.top += int((ranks < self.k).sum())
        self.gain += float((1 / np.log2(ranks + 2)).sum())

    def metrics(self, beta: float) -> dict[str, float]:
        """By the names that are printed; a class without rows counts in no mean."""
        right, count = np.diag(self.table), max(int(self.table.sum()), 1)
        labelled, said = self.table.sum(axis=1), self.table.sum(axis=0)
        there = labelled > 0
        recalls, precisions = _share(right, labelled)[there], _share(right, said)[there]
        return {
            "multiclass_accuracy": float(right.sum() / count),
            f"multiclass_top_k_accuracy_{self.k}": self.top / count,
            "dcg": self.gain / count,
            "macro_recall": float(recalls.mean()),
            "macro_precision": float(precisions.mean()),
            f"macro_f_{beta:.3f}": float(f_score(precisions, recalls, beta).mean()),
        }


def f_score(precision: Any, recall: Any, beta: float) -> Any:
    return _share((1 + beta**2) * precision * recall, beta**2 * precision + recall)


def _share(part: Any, whole: Any) -> Any:
    """part / whole, 0 of nothing."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)
