"""Which values the next trial gets.

Every trial draws from a generator of its own, seeded with the search's seed and the trial's number. A random search is
therefore the same whenever it is repeated, however its trials overlap; a Bayesian one is the same if the same trials
had ended when each was proposed.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from sagesmith.tuning.ranges import Categorical, Numeric, Range, Space, combination, combinations

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Strategy = Literal["Bayesian", "Random", "Hyperband", "Grid"]

_RANDOM_FIRST = 10
"""Trials that have to have a value before a Bayesian search learns from them, as is Optuna's default."""
_ATTEMPTS = 5
"""Draws that may turn out to have been tried, before one of those that were not is taken."""
_ENUMERABLE = 10_000
"""Spaces of more combinations than that are not enumerated."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is known of a trial.

    Attributes:
        parameters: its tuned hyperparameters; those of a parent's trial may be others than are searched now.
        value: of the objective; None if it has none, or none yet.
        running: whether it may still get one.
    """

    parameters: Mapping[str, str]
    value: float | None = None
    running: bool = False


def propose(
    space: Space, strategy: Strategy, seed: str, number: int, history: Sequence[Trial], maximize: bool
) -> dict[str, str]:
    """The values of one more trial; of a finite space one that was not tried, as long as there is one.

    Args:
        seed: of the search.
        number: the trial's, from 0 on.
        history: the other trials in the order of their numbers, a parent's first.
        maximize: whether more is better.
    """
    if strategy == "Grid":
        return combination(space, number)
    draw = _bayesian if strategy == "Bayesian" else _randomly
    tried = {_identity(space, trial.parameters) for trial in history}
    values: dict[str, str] = {}
    for attempt in range(_ATTEMPTS):
        values = draw(space, f"{seed}/{number}/{attempt}", history, maximize)
        if _identity(space, values) not in tried:
            return values
    return _untried(space, f"{seed}/{number}", tried) or values


def by_rank(trials: Sequence[Trial]) -> list[Trial]:
    """Trials with their values' places among each other, between 0 and 1, instead of the values.

    So those of another data set, where all values may be higher or lower, can stand beside one's own.
    """
    places = {value: place for place, value in enumerate(sorted({t.value for t in trials if t.value is not None}))}
    return [
        each if each.value is None else replace(each, value=(places[each.value] + 0.5) / len(places)) for each in trials
    ]


def _identity(space: Space, values: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(values.get(each.name) for each in space)


def _untried(space: Space, seed: str, tried: set[tuple[str | None, ...]]) -> dict[str, str] | None:
    size = combinations(space)
    if size > _ENUMERABLE:
        return None
    found = (combination(space, number) for number in range(int(size)))
    left = [values for values in found if _identity(space, values) not in tried]
    return _generator(seed).choice(left) if left else None


def _randomly(space: Space, seed: str, history: Sequence[Trial], maximize: bool) -> dict[str, str]:
    # A generator for each name keeps a parameter's values when another is added.
    return {each.name: each.at(_generator(f"{seed}/{each.name}").random()) for each in space}


def _generator(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - for samples, not for secrets


def _bayesian(space: Space, seed: str, history: Sequence[Trial], maximize: bool) -> dict[str, str]:
    """By the tree-structured Parzen estimator over all parameters at once; trials that run count as mediocre ones.

    Source: https://proceedings.neurips.cc/paper/2011/hash/86e8f7ab32cfd12577bc2619bc635690-Abstract.html
    """
    if sum(trial.value is not None for trial in history) < _RANDOM_FIRST:
        return _randomly(space, seed, history, maximize)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {each.name: _distribution(each) for each in space if each.size > 1}
    sampler = optuna.samplers.TPESampler(
        seed=int.from_bytes(sha256(seed.encode()).digest()[:4]), n_startup_trials=_RANDOM_FIRST
    )
    study = optuna.create_study(sampler=sampler, direction="maximize" if maximize else "minimize")
    study.add_trials(_frozen(space, distributions, history))
    asked = study.ask(distributions).params
    return {each.name: _text(each, asked.get(each.name)) for each in space}


def _distribution(of: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(of, Categorical):
        return CategoricalDistribution(of.values)
    if of.whole:
        return IntDistribution(int(of.low), int(of.high), log=of.scale == "Logarithmic")
    if of.scale == "ReverseLogarithmic":
        return FloatDistribution(1 - of.high, 1 - of.low, log=True)
    return FloatDistribution(of.low, of.high, log=of.scale == "Logarithmic")


def _frozen(
    space: Space, distributions: Mapping[str, "BaseDistribution"], history: Sequence[Trial]
) -> "Iterator[FrozenTrial]":
    """The trials that lie within the space, as Optuna has them."""
    from optuna.trial import TrialState, create_trial

    searched = [each for each in space if each.name in distributions]
    for trial in history:
        if trial.value is None and not trial.running:
            continue
        values = {each.name: _value(each, trial.parameters.get(each.name)) for each in searched}
        if all(value is not None for value in values.values()):
            state = TrialState.RUNNING if trial.value is None else TrialState.COMPLETE
            yield create_trial(state=state, value=trial.value, params=values, distributions=dict(distributions))


def _value(of: Range, text: str | None) -> str | float | None:
    """A value as Optuna has it, None if it lies outside."""
    if text is None or not of.has(text):
        return None
    if isinstance(of, Categorical):
        return text
    number = float(text)
    if of.whole:
        return int(number)
    return _mirrored(of, number) if of.scale == "ReverseLogarithmic" else number


def _mirrored(of: Numeric, number: float) -> float:
    """1 less a number, within the ends of its distribution whatever rounding did."""
    return min(max(1 - number, 1 - of.high), 1 - of.low)


def _text(of: Range, value: object) -> str:
    if isinstance(of, Categorical):
        return of.values[0] if value is None else str(value)
    if value is None:
        return of.text(of.low)
    assert isinstance(value, int | float)
    return of.text(1 - value if of.scale == "ReverseLogarithmic" else value)
