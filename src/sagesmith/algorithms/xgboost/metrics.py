"""The metrics that AWS's container has beside XGBoost's own.

Source: github.com/aws/sagemaker-xgboost-container, metrics/custom_metrics.py
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xgboost
from sklearn import metrics as scores

from sagesmith.algorithms.xgboost.hyperparameters import MAXIMIZED

_CLASSES: Mapping[str, Callable[[Any, Any], float]] = {
    "accuracy": scores.accuracy_score,
    "balanced_accuracy": scores.balanced_accuracy_score,
    "f1": lambda true, found: scores.f1_score(true, found, average="macro"),
    "f1_binary": lambda true, found: scores.f1_score(true, found, average="binary"),
    "f1_macro": lambda true, found: scores.f1_score(true, found, average="macro"),
    "precision": lambda true, found: scores.precision_score(true, found, average="binary", zero_division=0),
    "precision_macro": lambda true, found: scores.precision_score(true, found, average="macro", zero_division=0),
    "precision_micro": lambda true, found: scores.precision_score(true, found, average="micro", zero_division=0),
    "recall": lambda true, found: scores.recall_score(true, found, average="binary", zero_division=0),
    "recall_macro": lambda true, found: scores.recall_score(true, found, average="macro", zero_division=0),
    "recall_micro": lambda true, found: scores.recall_score(true, found, average="micro", zero_division=0),
}
_NUMBERS: Mapping[str, Callable[[Any, Any], float]] = {"mse": scores.mean_squared_error, "r2": scores.r2_score}
_EXPONENTIAL = ("count:", "reg:gamma", "reg:tweedie", "survival:")
# Since XGBoost 1.6 a metric gets what the model answers; before that, what the trees add up to.
_CUSTOM = "custom_metric" if "custom_metric" in inspect.signature(xgboost.train).parameters else "feval"


def own(names: Sequence[str]) -> list[str]:
    """Those metrics that XGBoost does not have itself."""
    return [name for name in names if name in _CLASSES or name in _NUMBERS]


def maximized(name: str) -> bool:
    """Whether more of a metric is better."""
    return name.partition("@")[0] in MAXIMIZED


def arguments(names: Sequence[str], objective: str) -> dict[str, Any]:
    """What `xgboost.train` is to be told of the metrics that it does not have."""
    chosen = own(names)
    if not chosen:
        return {}

    def evaluate(answers: Any, data: Any) -> list[tuple[str, float]]:
        answers = answers if _CUSTOM == "custom_metric" else _answers(answers, objective)
        true = data.get_label()
        return [(name, _score(name, true, answers, objective)) for name in chosen]

    return {_CUSTOM: evaluate}


def _score(name: str, true: Any, answers: Any, objective: str) -> float:
    if name in _NUMBERS:
        return float(_NUMBERS[name](true, classes(answers, objective) if answers.ndim > 1 else answers))
    return float(_CLASSES[name](true, classes(answers, objective)))


def classes(answers: Any, objective: str) -> Any:
    """The class that each answer of a model stands for."""
    if answers.ndim > 1:
        return answers.argmax(axis=1)
    if objective == "binary:logitraw":
        return (answers > 0).astype(np.int64)
    return np.rint(answers).astype(np.int64)


def _answers(margins: Any, objective: str) -> Any:
    """What a model answers where its trees add up to this."""
    if margins.ndim > 1 or objective == "binary:logitraw":
        return margins
    if objective == "binary:hinge":
        return (margins > 0).astype(np.float32)
    if objective.endswith(":logistic"):
        return 1 / (1 + np.exp(-margins))
    if objective.startswith(_EXPONENTIAL):
        return np.exp(margins)
    return margins
