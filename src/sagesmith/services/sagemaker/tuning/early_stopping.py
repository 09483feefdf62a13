"""Which training jobs of a tuning job are not worth going on with.

What is compared are the values of the objective metric that each has emitted, one an epoch.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from sagesmith.services.sagemaker.tuning.checks import epochs
from sagesmith.services.sagemaker.tuning.definitions import Definition
from sagesmith.services.sagemaker.tuning.trials import TrainingJob
from sagesmith.store import Transaction
from sagesmith.tuning.stopping import bracket_of, falls_behind, is_below_median

Series = Sequence[float]
"""The values that a training job has emitted, in their order."""


def emitted(
    tx: Transaction, jobs: Sequence[TrainingJob], definitions: Sequence[Definition], known: MutableMapping[str, Series]
) -> Mapping[str, Series]:
    """The values of the objective that training jobs have emitted so far, by their keys.

    Args:
        known: those of jobs that have ended, which need not be read again; more are added.
    """
    found: dict[str, Series] = {}
    for job in jobs:
        key = job.key
        series = known.get(key)
        if series is None:
            points = tx.metric_points(job.arn, definitions[job.definition].metric)
            series = [point.value for point in points]
            if job.has_ended:
                known[key] = series
        found[key] = series
    return found


def to_stop(
    config: Mapping[str, Any],
    jobs: Sequence[TrainingJob],
    definitions: Sequence[Definition],
    series: Mapping[str, Series],
) -> list[TrainingJob]:
    """The running training jobs that are to be stopped now."""
    if config["Strategy"] == "Hyperband":
        return _by_hyperband(config, jobs, definitions, series)
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        return _by_median(jobs, definitions, series)
    return []


def _by_median(
    jobs: Sequence[TrainingJob], definitions: Sequence[Definition], series: Mapping[str, Series]
) -> list[TrainingJob]:
    stop = []
    for index, definition in enumerate(definitions):
        mine = [each for each in jobs if each.definition == index]
        completed = [series[each.key] for each in mine if each.status == "Completed"]
        stop += [
            each
            for each in mine
            if each.status == "InProgress" and is_below_median(series[each.key], completed, definition.maximize)
        ]
    return stop


def _by_hyperband(
    config: Mapping[str, Any],
    jobs: Sequence[TrainingJob],
    definitions: Sequence[Definition],
    series: Mapping[str, Series],
) -> list[TrainingJob]:
    stop = []
    for index, definition in enumerate(definitions):
        least, most = epochs(config, definition)
        brackets = {
            each.key: bracket_of(each.number // len(definitions), least, most)
            for each in jobs
            if each.definition == index
        }
        for job in (each for each in jobs if each.definition == index and each.status == "InProgress"):
            own, (bracket, rungs) = series[job.key], brackets[job.key]
            peers = [series[key] for key, (other, _) in brackets.items() if other == bracket and key != job.key]
            if len(own) >= most or falls_behind(own, rungs, peers, definition.maximize):
                stop.append(job)
    return stop
