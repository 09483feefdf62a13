"""Answers of XGBoost's models: the numbers alone, or what SAGEMAKER_INFERENCE_OUTPUT selects.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html, github.com/aws/sagemaker-xgboost-container
(algorithm_mode/handler_service.py and serve_utils.py)
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sagesmith.algorithms.data.encode import encode as encode_common
from sagesmith.algorithms.declaration import CSV, JSON
from sagesmith.algorithms.errors import CustomerError

_SCORE = ("predicted_score",)
_LABELS = ("predicted_label", "labels", "raw_score", "raw_scores")
_PROBABILITIES = ("probability", "probabilities")
SELECTABLE: Mapping[str, tuple[str, ...]] = {
    "reg:squarederror": _SCORE,
    "reg:logistic": _SCORE,
    "reg:gamma": _SCORE,
    "reg:absoluteerror": _SCORE,
    "reg:tweedie": _SCORE,
    "binary:logistic": (*_LABELS, *_PROBABILITIES),
    "binary:logitraw": _LABELS,
    "binary:hinge": _LABELS,
    "multi:softmax": _LABELS,
    "multi:softprob": (*_LABELS, *_PROBABILITIES),
}
"""What may be selected of a model of each objective."""


def check(objective: str) -> None:
    """See that anything can be selected of a model's answers.

    Raises:
        CustomerError: nothing can.
    """
    if objective not in SELECTABLE:
        raise CustomerError(
            f"Objective `{objective}` unsupported for selectable inference predictions: SAGEMAKER_INFERENCE_OUTPUT "
            f"goes with {', '.join(SELECTABLE)}."
        )


def encode(predictions: Any, accept: str, batch: bool) -> bytes:
    """The model's numbers; in CSV with commas between rows, as AWS's container has them, in a batch with new lines."""
    values = predictions.tolist()
    if accept == CSV:
        return _joined([str(value) for value in values], batch)
    if accept == JSON:
        return json.dumps(values).encode()
    return encode_common([{"score": value} for value in values], accept)[0]


def select(predictions: Any, keys: Sequence[str], objective: str, classes: int) -> list[dict[str, Any]]:
    """For each row the selected values by key; NaN for what does not go with the objective."""
    allowed = SELECTABLE[objective]
    return [
        {key: _value(key, each, objective, classes) if key in allowed else float("nan") for key in keys}
        for each in predictions
    ]


def encode_selected(found: Sequence[Mapping[str, Any]], keys: Sequence[str], accept: str, batch: bool) -> bytes:
    if accept == CSV:
        lines = [
            ",".join(f'"{row[key]}"' if isinstance(row[key], list) else str(row[key]) for key in keys) for row in found
        ]
        return ("\n".join(lines) + ("\n" if batch else "")).encode()
    return encode_common(list(found), accept)[0]


def _joined(values: list[str], batch: bool) -> bytes:
    return ("\n".join(values) + "\n").encode() if batch else ",".join(values).encode()


def _value(key: str, answer: Any, objective: str, classes: int) -> Any:
    several = objective == "multi:softprob"
    if key == "predicted_score":
        return float(answer)
    if key == "labels":
        return list(range(classes)) if objective.startswith("multi:") else [0, 1]
    if key == "predicted_label":
        return _label(answer, objective)
    if key in ("probability", "raw_score"):
        return float(np.max(answer)) if several else float(answer)
    if several:
        return [float(each) for each in answer]
    one = float(answer)
    return [1.0 - one, one]


def _label(answer: Any, objective: str) -> int | float:
    if objective == "multi:softprob":
        return int(np.argmax(answer))
    if objective == "binary:logistic":
        return int(answer > 0.5)
    if objective == "binary:logitraw":
        return int(answer > 0)
    return float(answer)
