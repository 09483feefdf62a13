"""Warm start: what a tuning job learns from others before it.

The parents' results are copied when the tuning job is created, into a document of its own, so that neither their
deletion nor that of their training jobs changes what is proposed.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sagesmith.services.sagemaker.engine import Call, Kind
from sagesmith.services.sagemaker.tuning.definitions import OBJECTIVE_HYPERPARAMETER, Definition, definitions_of
from sagesmith.services.sagemaker.tuning.trials import best_of, summary, training_jobs
from sagesmith.store import Document, Transaction
from sagesmith.tuning.ranges import Categorical, Numeric
from sagesmith.tuning.search import Trial, by_rank
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

IDENTICAL = "IdenticalDataAndAlgorithm"
_ENDED = ("Completed", "Failed", "Stopped")
_MAX_CHANGES = 10
_KIND = "tuning-history"
_FIRST_PARENTS = datetime(2018, 10, 1, tzinfo=UTC).timestamp()
"""From when on AWS remembers of a tuning job what others learn from, in seconds since the epoch."""


def remember(call: Call, kind: Kind, identity: str, params: Params) -> None:
    """Check the parents that a new tuning job names, and copy their results.

    Args:
        kind: of tuning jobs.
        identity: the new one's.

    Raises:
        AwsError: a parent is missing, still runs, or does not fit.
    """
    config = params.get("WarmStartConfig")
    if not config:
        return
    parents = [_parent(call, kind, each) for each in config["ParentHyperParameterTuningJobs"]]
    definitions = definitions_of(params)
    observed: list[list[Params]] = [[] for _ in definitions]
    best: list[Params] = []
    for parent in parents:
        theirs = definitions_of(parent.body)
        jobs = training_jobs(call.tx, parent.region, parent.body["_id"], theirs)
        for index, definition in enumerate(definitions):
            place = _place(definition, theirs, parent.name)
            _check_fits(definition, theirs[place], config["WarmStartType"], parent.name)
            mine = [job for job in jobs if job.definition == place and job.result is not None]
            trials = [Trial({**theirs[place].static, **job.tuned}, job.result) for job in mine]
            if config["WarmStartType"] != IDENTICAL:
                trials = by_rank(trials)
            observed[index] += [{"parameters": dict(each.parameters), "value": each.value} for each in trials]
        if found := best_of(jobs, theirs):
            best.append({**summary(found, theirs), "TuningJobName": parent.name})
    body = {"observed": observed, "best": best}
    call.tx.create(Document(_KIND, call.context.region, identity, "", "", body))


def forget(tx: Transaction, tuning_job: Document) -> None:
    """Remove the copy of the parents' results."""
    if tuning_job.body.get("WarmStartConfig"):
        tx.delete(_KIND, tuning_job.region, tuning_job.body["_id"])


def learned(tx: Transaction, tuning_job: Document, definition: int) -> list[Trial]:
    """The parents' trials of one definition; as ranks if their data may have been others (`is_relative`)."""
    return [Trial(each["parameters"], each["value"]) for each in _copied(tx, tuning_job)["observed"][definition]]


def is_relative(tuning_job: Document) -> bool:
    """Whether values can be compared within one tuning job alone."""
    config: Mapping[str, Any] = tuning_job.body.get("WarmStartConfig") or {}
    return bool(config) and config["WarmStartType"] != IDENTICAL


def overall_best(tx: Transaction, tuning_job: Document, own: Params | None, maximize: bool) -> Params | None:
    """The best of a tuning job's best training job and its parents', if they had the same data and algorithm."""
    config = tuning_job.body.get("WarmStartConfig")
    if not config or config["WarmStartType"] != IDENTICAL:
        return None
    found: list[Params] = [*([own] if own else []), *_copied(tx, tuning_job)["best"]]
    values = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in found]
    if not found:
        return None
    return found[values.index(max(values) if maximize else min(values))]


def _copied(tx: Transaction, tuning_job: Document) -> Mapping[str, Any]:
    found = tx.get(_KIND, tuning_job.region, tuning_job.body["_id"])
    assert found is not None, "made and removed with the tuning job"
    return found.body


def _parent(call: Call, kind: Kind, named: Params) -> Document:
    parent = kind.find(call.tx, call.context, named.get("HyperParameterTuningJobName") or "")
    if parent.status not in _ENDED:
        raise ValidationException(
            f"The parent tuning job {parent.name} is in status {parent.status}: all parent jobs must be Completed, "
            "Stopped or Failed before a warm start tuning job starts."
        )
    if parent.created_at < _FIRST_PARENTS:
        raise ValidationException(
            f"The tuning job {parent.name} cannot be a parent of a warm start tuning job: it was created before "
            "October 1, 2018."
        )
    return parent


def _place(definition: Definition, theirs: Sequence[Definition], parent: str) -> int:
    """The index of the parent's definition that one stands for: the only one, or that of its name."""
    if len(theirs) == 1:
        return 0
    names = [each.name for each in theirs]
    if definition.name not in names:
        raise ValidationException(
            f"The parent tuning job {parent} has no training job definition {definition.name or 'without a name'}."
        )
    return names.index(definition.name)


def _check_fits(new: Definition, old: Definition, kind_of_start: str, parent: str) -> None:
    if dict(new.objective) != dict(old.objective):
        raise ValidationException(
            "The objective metric for the new tuning job must be the same as for all parent jobs: "
            f"{parent} has {old.objective.get('Type')} {old.objective.get('MetricName')}."
        )
    if kind_of_start == IDENTICAL:
        _check_identical(new, old, parent)
    types, former = dict(_types(new)), dict(_types(old))
    now, then = (
        len({*named, *each.static} - {OBJECTIVE_HYPERPARAMETER}) for named, each in ((types, new), (former, old))
    )
    if now != then:
        raise ValidationException(
            "The total number of static plus tunable hyperparameters must remain the same as it is in all parent jobs: "
            f"it is {now}, and {then} in {parent}."
        )
    for name in sorted(types.keys() & former.keys()):
        if types[name] != former[name]:
            raise ValidationException(
                f"The type of the hyperparameter {name} must not change: it is {former[name]} in the parent tuning job "
                f"{parent}."
            )
    if (changes := _changes(new, old)) > _MAX_CHANGES:
        raise ValidationException(
            f"At most {_MAX_CHANGES} values of hyperparameters can become static, or change while they are static, "
            f"since a parent tuning job: since {parent} there are {changes}."
        )


def _check_identical(new: Definition, old: Definition, parent: str) -> None:
    for what, now, then in (
        ("TrainingImage", *(each.given["AlgorithmSpecification"].get("TrainingImage") for each in (new, old))),
        ("InputDataConfig", *(each.given.get("InputDataConfig") for each in (new, old))),
    ):
        if now != then:
            raise ValidationException(
                f"A warm start of type {IDENTICAL} uses the same input data and training image as its parent tuning "
                f"jobs: {what} differs from {parent}."
            )


def _types(definition: Definition) -> Iterator[tuple[str, str]]:
    for each in definition.space():
        if isinstance(each, Numeric):
            yield each.name, "integer" if each.whole else "continuous"
        else:
            yield each.name, "categorical"


def _changes(new: Definition, old: Definition) -> int:
    """As AWS counts: every value of a categorical hyperparameter that becomes static, and two of a static one that
    changes: the former and the new one."""
    became_static = (each for each in old.space() if each.name in new.static)
    changed = sum(old.static[name] != new.static[name] for name in old.static.keys() & new.static.keys())
    return 2 * changed + sum(len(each.values) if isinstance(each, Categorical) else 1 for each in became_static)
