"""Optimizers, as the text algorithms' hyperparameters name them.

Sources:
    https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-Hyperparameter.html
    https://www.tensorflow.org/api_docs/python/tf/keras/optimizers, whose defaults hold for what the page does not name
    Devlin et al., arXiv:1810.04805, appendix A: the warm-up, the linear decay and the weight decay of `adamw`
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from sagesmith.algorithms.encoder.network import Classifier

_LARGEST_STEP = 5e-5
"""For an encoder's weights, of the optimizers whose steps do not shrink with the gradient: BERT's own recommendation
goes up to here, and the default learning rate of 0.001 would undo what the encoder has learned before."""
_NORMED = ("adam", "adamw", "rmsprop", "adagrad")
_DECAY = 0.01


def optimizer(network: Classifier, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The optimizer that `optimizer` names, of all weights that are to be learned."""
    kind, rate = values["optimizer"], values["learning_rate"]
    decay = _DECAY if kind == "adamw" else 0.0
    slower = min(rate, _LARGEST_STEP) if kind in _NORMED else rate
    groups = [
        {"params": list(network.top.parameters()), "lr": rate, "weight_decay": decay},
        *(
            {"params": weights, "lr": slower, "weight_decay": some}
            for some, weights in ((decay, _wide(network.encoder, True)), (0.0, _wide(network.encoder, False)))
            if weights
        ),
    ]
    return _MAKES[kind](groups, rate, values)


def _wide(network: nn.Module, wide: bool) -> list[Any]:
    """The weights that are tables, or those that are not: biases and norms, which do not decay."""
    return [each for each in network.parameters() if each.requires_grad and (each.ndim > 1) == wide]


def schedule(made: torch.optim.Optimizer, values: Mapping[str, Any], batches: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rates' course over so many batches."""
    warm: int = round(values["warmup_steps_fraction"] * batches)
    decays = values["optimizer"] == "adamw"

    def share(done: int) -> float:
        if not decays:
            return 1.0
        if done < warm:
            return (done + 1) / (warm + 1)
        return max(0.0, (batches - done) / max(1, batches - warm))

    return torch.optim.lr_scheduler.LambdaLR(made, share)


def _adam(groups: Iterable[Any], rate: float, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if values["optimizer"] == "adamw" else torch.optim.Adam
    betas = (values["beta_1"], values["beta_2"])
    made: torch.optim.Optimizer = kind(groups, rate, betas, values["epsilon"], fused=True)
    return made


def _sgd(groups: Iterable[Any], rate: float, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    momentum = values["momentum"]
    return torch.optim.SGD(groups, rate, momentum, nesterov=values["optimizer"] == "nesterov" and momentum > 0)


def _rmsprop(groups: Iterable[Any], rate: float, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, rate, values["rho"], values["epsilon"])


def _adagrad(groups: Iterable[Any], rate: float, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    begun = values["initial_accumulator_value"]
    return torch.optim.Adagrad(groups, rate, initial_accumulator_value=begun, eps=values["epsilon"])


def _adadelta(groups: Iterable[Any], rate: float, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(groups, rate, values["rho"], values["epsilon"])


_MAKES = {
    "adam": _adam,
    "adamw": _adam,
    "sgd": _sgd,
    "nesterov": _sgd,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
}
