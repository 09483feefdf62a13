"""Whether a trial that runs is worth going on with, by the values of its objective so far.

Each value that a trial emits counts as one epoch. Decisions are made anew from all that is known at the time.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean, median

ENOUGH = 3
"""Completed trials that the median rule needs, lest one bad start decide. AWS does not say how many it wants."""
REDUCTION = 3
"""Of so many trials that reach a rung one goes on, as Hyperband's authors recommend."""


def is_below_median(values: Sequence[float], completed: Sequence[Sequence[float]], maximize: bool) -> bool:
    """Whether a trial's latest value is worse than the median of the running averages of completed trials up to the
    same epoch.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html

    Args:
        values: the trial's, one an epoch.
        completed: those of trials that have ended well.
    """
    comparable = [each for each in completed if each]
    if not values or len(comparable) < ENOUGH:
        return False
    middle = median(fmean(each[: len(values)]) for each in comparable)
    return values[-1] < middle if maximize else values[-1] > middle


def brackets(least: int, most: int) -> list[tuple[int, list[int]]]:
    """Hyperband's brackets: how many trials each has, and the epochs at which these are compared.

    Source: Li et al., Hyperband: https://jmlr.org/papers/v18/16-558.html, algorithm 1

    Args:
        least: epochs that every trial gets.
        most: epochs that none exceeds.
    """
    deepest = 0
    while least * REDUCTION ** (deepest + 1) <= most:
        deepest += 1
    found = []
    for depth in range(deepest, -1, -1):
        trials = math.ceil((deepest + 1) / (depth + 1) * REDUCTION**depth)
        rungs = [max(most // REDUCTION**each, least) for each in range(depth, 0, -1)]
        found.append((trials, rungs))
    return found


def bracket_of(number: int, least: int, most: int) -> tuple[int, list[int]]:
    """The bracket of a trial by its number from 0 on, and its rungs; after the last bracket the first follows again."""
    all_brackets = brackets(least, most)
    ends = list(accumulate(trials for trials, _ in all_brackets))
    place = number % ends[-1]
    index = next(index for index, end in enumerate(ends) if place < end)
    return index, all_brackets[index][1]


def falls_behind(
    values: Sequence[float], rungs: Sequence[int], peers: Sequence[Sequence[float]], maximize: bool
) -> bool:
    """Whether a trial is not among the best third of those that reached the highest rung that it has reached.

    It is asynchronous successive halving, in the form that stops trials instead of pausing them, so that none waits for
    a rung to fill: https://arxiv.org/abs/1810.05934. The first trials at a rung go on.

    Args:
        values: the trial's, one an epoch.
        rungs: epochs at which trials of its bracket are compared, ascending.
        peers: values of the bracket's other trials, whether they run or have ended.
    """
    reached = [rung for rung in rungs if rung <= len(values)]
    if not reached:
        return False
    rung = reached[-1]
    others = [each[rung - 1] for each in peers if len(each) >= rung]
    own = values[rung - 1]
    better = sum(other > own if maximize else other < own for other in others)
    return better >= max((len(others) + 1) // REDUCTION, 1) and len(others) + 1 >= REDUCTION
