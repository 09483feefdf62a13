"""Optimizers and learning rates as the image algorithms' hyperparameters name them.

Sources:
    https://docs.aws.amazon.com/sagemaker/latest/dg/segmentation-hyperparameters.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-api-config.html
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

_POWER = 0.9
"""Of the polynomial, as in Zhao et al., Pyramid Scene Parsing Network, 2017."""


def optimizer(parameters: Iterable[Any], values: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The optimizer that `optimizer` names, with the hyperparameters that are for it."""
    rate, momentum, decay = values["learning_rate"], values["momentum"], values["weight_decay"]
    kind = values["optimizer"]
    if kind in ("sgd", "nag"):
        nesterov = kind == "nag" and momentum > 0
        decay = decay if kind == "sgd" else 0.0
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay, nesterov=nesterov)
    if kind == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=values["gamma1"], momentum=values["gamma2"])
    makes: dict[str, Any] = {
        "adadelta": torch.optim.Adadelta,
        "adagrad": torch.optim.Adagrad,
        "adam": torch.optim.Adam,
    }
    made: torch.optim.Optimizer = makes[kind](parameters, lr=rate)
    return made


def rate(values: Mapping[str, Any], done: int, batches: int) -> float:
    """The learning rate after so many batches.

    Args:
        batches: of an epoch, as `num_training_samples` says.
    """
    base: float = values["learning_rate"]
    kind = values.get("lr_scheduler", "step")
    passed = min(1.0, done / (batches * values["epochs"]))
    if kind == "poly":
        return base * float((1 - passed) ** _POWER)
    if kind == "cosine":
        return base * (1 + math.cos(math.pi * passed)) / 2
    steps = values["lr_scheduler_step"] or ()
    return base * float(values["lr_scheduler_factor"] ** sum(done >= step * batches for step in steps))


def set_rate(made: torch.optim.Optimizer, value: float) -> None:
    """Go on with another learning rate."""
    for group in made.param_groups:
        group["lr"] = value


def patience_lost(values: Mapping[str, Any], epochs: int, since: int) -> bool:
    """Whether early stopping stops.

    Args:
        epochs: how many are done.
        since: those since the last improvement.
    """
    return bool(
        values["early_stopping"]
        and epochs >= values["early_stopping_min_epochs"]
        and since >= max(1, values["early_stopping_patience"])
    )


def improved(value: float, best: float | None, tolerance: float) -> bool:
    """Whether a score is better than the best before by more than a part of it."""
    return best is None or value > best * (1 + tolerance)
