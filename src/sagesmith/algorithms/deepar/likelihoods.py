"""What a value may be distributed like: losses to learn by, and values drawn from uniform numbers.

Values are drawn by the inverse of the distribution function from uniform numbers that are drawn before, so that a
series' forecast depends on nothing but its own numbers, whichever other series are in the request.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import Tensor
from torch.nn.functional import softplus

_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A likelihood.

    Attributes:
        parameters: how many a distribution has.
        constrain: numbers of a network to parameters.
        loss: the negative logarithm of the density (or probability) of values, given parameters and scales.
        draw: values from parameters, scales and two uniform numbers each; arrays of one shape.
        scaled: the network sees values divided by their series' scale.
        relative: the first parameter, where values lie, is told from a linear forecast on, and in units of how far that
            one was off in the context; so is the second one, how far they spread, if there is one.
        low, high: the values that it takes, None for any.
    """

    parameters: int
    constrain: Callable[[list[Tensor]], list[Tensor]]
    loss: Callable[[list[Tensor], Tensor, Tensor], Tensor]
    draw: Callable[[list[Any], Any, Any, Any], Any]
    scaled: bool = True
    relative: bool = False
    low: float | None = None
    high: float | None = None

    def constrained(self, output: Tensor) -> list[Tensor]:
        return self.constrain(list(output.unbind(-1)))


def _positive(values: Tensor) -> Tensor:
    return softplus(values) + _LEAST


def _inside(uniform: Any) -> Any:
    return np.clip(uniform, 1e-9, 1 - 1e-9)


def _gaussian_loss(parameters: list[Tensor], values: Tensor, scales: Tensor) -> Tensor:
    mean, deviation = parameters
    rest = (values / scales - mean) / deviation
    return 0.5 * rest**2 + deviation.log() + scales.log() + 0.5 * math.log(2 * math.pi)


def _gaussian_draw(parameters: list[Any], scales: Any, uniform: Any, _: Any) -> Any:
    return (parameters[0] + parameters[1] * special.ndtri(_inside(uniform))) * scales


def _student_loss(parameters: list[Tensor], values: Tensor, scales: Tensor) -> Tensor:
    mean, deviation, freedom = parameters
    rest = (values / scales - mean) / deviation
    normal = torch.lgamma(freedom / 2) - torch.lgamma((freedom + 1) / 2) + 0.5 * torch.log(freedom * math.pi)
    return normal + deviation.log() + scales.log() + (freedom + 1) / 2 * torch.log1p(rest**2 / freedom)


def _student_draw(parameters: list[Any], scales: Any, uniform: Any, _: Any) -> Any:
    return (parameters[0] + parameters[1] * special.stdtrit(parameters[2], _inside(uniform))) * scales


def _negative_binomial_loss(parameters: list[Tensor], values: Tensor, scales: Tensor) -> Tensor:
    mean, shape = parameters[0] * scales, parameters[1] / scales.sqrt()
    inverse = 1 / shape
    likelihood = torch.lgamma(values + inverse) - torch.lgamma(values + 1) - torch.lgamma(inverse)
    likelihood = likelihood + inverse * torch.log(1 / (1 + shape * mean))
    return -(likelihood + values * torch.log(shape * mean / (1 + shape * mean)))


def _negative_binomial_draw(parameters: list[Any], scales: Any, uniform: Any, other: Any) -> Any:
    mean, shape = parameters[0] * scales, parameters[1] / np.sqrt(scales)
    # A Poisson variable whose rate has a gamma distribution.
    rate = np.maximum(special.gammaincinv(1 / shape, _inside(uniform)) * shape * mean, 1e-12)
    return np.maximum(np.ceil(special.pdtrik(_inside(other), rate)), 0.0)


def _beta_loss(parameters: list[Tensor], values: Tensor, _: Tensor) -> Tensor:
    first, second = parameters
    inside = values.clamp(_LEAST, 1 - _LEAST)
    normal = torch.lgamma(first) + torch.lgamma(second) - torch.lgamma(first + second)
    return normal - (first - 1) * inside.log() - (second - 1) * torch.log1p(-inside)


def _beta_draw(parameters: list[Any], _scales: Any, uniform: Any, _: Any) -> Any:
    return special.betaincinv(parameters[0], parameters[1], _inside(uniform))


LIKELIHOODS: Mapping[str, Likelihood] = {
    "gaussian": Likelihood(2, lambda raw: [raw[0], _positive(raw[1])], _gaussian_loss, _gaussian_draw, relative=True),
    "student-T": Likelihood(
        3,
        lambda raw: [raw[0], _positive(raw[1]), 2 + _positive(raw[2])],
        _student_loss,
        _student_draw,
        relative=True,
    ),
    "negative-binomial": Likelihood(
        2,
        lambda raw: [_positive(raw[0]), _positive(raw[1])],
        _negative_binomial_loss,
        _negative_binomial_draw,
        low=0.0,
    ),
    "beta": Likelihood(
        2, lambda raw: [_positive(raw[0]), _positive(raw[1])], _beta_loss, _beta_draw, scaled=False, low=0.0, high=1.0
    ),
    "deterministic-L1": Likelihood(
        1,
        lambda raw: raw,
        lambda parameters, values, scales: (values / scales - parameters[0]).abs() * scales,
        lambda parameters, scales, _uniform, _other: parameters[0] * scales,
        relative=True,
    ),
}
