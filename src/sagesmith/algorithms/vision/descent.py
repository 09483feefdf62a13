"""Optimizers, learning rates and early stopping as the image algorithms' hyperparameters name them.

Sources:
    https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/segmentation-hyperparameters.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-api-config.html
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

_POWER = 0.9
"""Of the polynomial, as in Zhao et al., Pyramid Scene Parsing Network, 2017."""


def optimizer(
    parameters: Iterable[Any], values: Mapping[str, Any], decayed: tuple[str, ...] = ("sgd",)
) -> torch.optim.Optimizer:
    """The optimizer that `optimizer` names, with the hyperparameters that are for it.

    Args:
        decayed: which optimizers `weight_decay` is for.
    """
    rate, kind = values["learning_rate"], values["optimizer"]
    if kind in ("sgd", "nag"):
        momentum, decay = values["momentum"], values["weight_decay"] if kind in decayed else 0.0
        nesterov = kind == "nag" and momentum > 0
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay, nesterov=nesterov)
    eps = values.get("eps", 1e-8)
    if kind == "rmsprop":
        alpha, momentum = values["gamma1"], values["gamma2"]
        return torch.optim.RMSprop(parameters, lr=rate, alpha=alpha, eps=eps, momentum=momentum)
    if kind == "adam":
        betas = values.get("beta_1", 0.9), values.get("beta_2", 0.999)
        return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=eps)
    makes: dict[str, Any] = {"adadelta": torch.optim.Adadelta, "adagrad": torch.optim.Adagrad}
    made: torch.optim.Optimizer = makes[kind](parameters, lr=rate)
    return made


def is_smooth(values: Mapping[str, Any]) -> bool:
    """Whether the learning rate changes with each batch, not only at some epochs."""
    return bool(values.get("lr_scheduler", "step") != "step")


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
    steps: tuple[int, ...] = values["lr_scheduler_step"] or ()
    return base * float(values["lr_scheduler_factor"] ** sum(done >= step * batches for step in steps))


def set_rate(made: torch.optim.Optimizer, value: float) -> bool:
    """Go on with a learning rate; whether it is another."""
    before = made.param_groups[0]["lr"]
    for group in made.param_groups:
        group["lr"] = value
    return bool(before != value)


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
