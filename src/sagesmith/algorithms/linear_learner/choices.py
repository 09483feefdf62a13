"""How a job's models are trained, as its hyperparameters say."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sagesmith.algorithms.linear_learner.descent import Optimizer
from sagesmith.algorithms.linear_learner.scaling import Scaling

_NEWTON_WEIGHTS = 1024


def method(values: Mapping[str, Any], weights: int) -> str:
    if values["optimizer"] != "auto":
        return str(values["optimizer"])
    gradient = any(values[name] != "auto" for name in ("learning_rate", "momentum", "beta_1", "beta_2", "bias_lr_mult"))
    return "adam" if gradient or weights > _NEWTON_WEIGHTS else "newton"


def optimizer(values: Mapping[str, Any], name: str, rates: Any) -> Optimizer:
    decays = values["use_lr_scheduler"]
    return Optimizer(
        name,
        rates,
        momentum=automatic(values["momentum"], 0.9),
        beta_1=automatic(values["beta_1"], 0.9),
        beta_2=automatic(values["beta_2"], 0.9 if name == "rmsprop" else 0.999),
        bias_lr_mult=automatic(values["bias_lr_mult"], 1.0),
        factor=automatic(values["lr_scheduler_factor"], 0.99) if decays else 1.0,
        every=int(automatic(values["lr_scheduler_step"], 100)),
        least=automatic(values["lr_scheduler_minimum_lr"], 1e-5) if decays else 0.0,
    )


def beginning(values: Mapping[str, Any], models: int, classes: int, scaling: Scaling) -> Any:
    """Weights before the first step, the same of all models."""
    random = np.random.default_rng(0)
    shape = (classes, scaling.width)
    if values["init_method"] == "uniform":
        begin = random.uniform(-values["init_scale"], values["init_scale"], shape)
    else:
        begin = random.normal(0, values["init_sigma"], shape)
    if scaling.bias:
        begin[:, -1] = values["init_bias"]
    return np.repeat(begin[None], models, axis=0)


def automatic(value: Any, chosen: float) -> float:
    return chosen if value == "auto" else float(value)
