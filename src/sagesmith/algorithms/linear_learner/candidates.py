"""The models that are trained together: the first as the job says, the others close to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

MODELS = 12
_HEAVY = 256
_HEAVY_MODELS = 8
"""Of models with more weights fewer are trained."""
_SPARING = 2_000_000
"""Numbers that all models together may have before `auto` takes fewer of them."""

_RATES = {"adam": 0.01, "rmsprop": 0.01, "adagrad": 0.1, "sgd": 0.05}
# Multiples of 1 / rows, at which a penalty counts as much as one row does.
_BOTH_AUTO = (
    (0.0, 1.0),
    (0.0, 10.0),
    (0.0, 100.0),
    (10.0, 0.0),
    (0.0, 0.1),
    (0.0, 1000.0),
    (100.0, 0.0),
    (1.0, 0.0),
    (0.0, 30.0),
    (0.0, 300.0),
    (0.0, 3.0),
    (30.0, 0.0),
)
_L1_AUTO = (0.0, 1.0, 10.0, 100.0, 0.1, 1000.0)
_WD_AUTO = (1.0, 10.0, 100.0, 0.1, 0.01, 1000.0)
_CLOSE = (1.0, 0.1, 10.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a model has of its own.

    Attributes:
        positive: what a row of label 1 counts, a row of label 0 counting 1.
    """

    learning_rate: float
    l1: float
    wd: float
    positive: float = 1.0


def candidates(
    values: Mapping[str, Any],
    *,
    optimizer: str,
    weights: int,
    tuned: bool,
    rows: int = 10_000,
    positives: Sequence[float] = (1.0,),
) -> list[Candidate]:
    """The models of a job.

    Args:
        optimizer: `newton`, which knows no learning rates, or a gradient method.
        weights: how many numbers a model has.
        tuned: a tuning job searches, not this one.
        rows: how many rows there are, as far as is known.
        positives: weights of positive rows to choose from.
    """
    wanted = 1 if tuned else _wanted(values, weights)
    pairs = list(_penalties(values, 1 / max(rows, 1)))
    rates = [0.0] if optimizer == "newton" else _learning_rates(values, optimizer)
    # Every pair of penalties with the first learning rate comes before its second.
    found = dict.fromkeys(
        Candidate(rate, l1, wd, positive) for positive in positives for rate, (l1, wd) in _spread(rates, pairs)
    )
    if len(positives) > 1:
        found = dict.fromkeys(sorted(found, key=lambda each: list(found).index(each) % (len(found) // len(positives))))
    return list(islice(_more(list(found), values), wanted))


def _wanted(values: Mapping[str, Any], weights: int) -> int:
    if values["num_models"] != "auto":
        return int(values["num_models"])
    return max(1, min(MODELS if weights <= _HEAVY else _HEAVY_MODELS, _SPARING // max(weights, 1)))


def _penalties(values: Mapping[str, Any], unit: float) -> Iterator[tuple[float, float]]:
    """Pairs of `l1` and `wd`."""
    l1, wd = values["l1"], values["wd"]
    if l1 == "auto" and wd == "auto":
        yield from ((unit * one, unit * other) for one, other in _BOTH_AUTO)
    elif l1 == "auto":
        yield from ((unit * each, wd) for each in _L1_AUTO)
    elif wd == "auto":
        yield from ((l1, unit * each) for each in _WD_AUTO)
    else:
        yield from ((l1 * one, wd * other) for one, other in product(_CLOSE, _CLOSE))


def _learning_rates(values: Mapping[str, Any], optimizer: str) -> list[float]:
    if values["learning_rate"] == "auto":
        return [_RATES[optimizer] * each for each in (1.0, 5.0, 0.2)]
    return [values["learning_rate"] * each for each in (1.0, 3.0, 0.3)]


def _spread(
    rates: Sequence[float], pairs: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, tuple[float, float]]]:
    """All of both, in an order that has each rate and each pair early."""
    combined = list(product(range(len(pairs)), range(len(rates))))
    for pair, rate in sorted(combined, key=lambda each: (each[0] + each[1], each[1])):
        yield rates[rate], pairs[pair]


def _more(found: list[Candidate], values: Mapping[str, Any]) -> Iterator[Candidate]:
    """Those, and then others at random where the job leaves room for any."""
    yield from found
    if values["l1"] != "auto" and values["wd"] != "auto" and found[0].learning_rate == 0:
        return
    random = np.random.default_rng(0)
    while True:
        first = found[int(random.integers(len(found)))]
        l1 = first.l1 if values["l1"] != "auto" else float(10 ** random.uniform(-6, -1))
        wd = first.wd if values["wd"] != "auto" else float(10 ** random.uniform(-6, -1))
        rate = first.learning_rate * float(10 ** random.uniform(-0.5, 0.5))
        yield Candidate(rate, l1, wd, first.positive)
