"""The life of a tuning job: training jobs are launched, as many at once as it may have, until a criterion ends it.

All that is known of a trial is in its training job. Each step reads these, and does one thing: launch a training job,
stop some, or end. The number of the trial decides its name and its generator, and is taken in the transaction that
creates the training job; so a crash before or after costs nothing, and no trial is run twice.
"""

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sagesmith import logging
from sagesmith.credentials import Principal
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.engine import Call, changed, created
from sagesmith.services.sagemaker.jobs.base import ENDED, IN_PROGRESS, METRICS_IN_FULL, STOPPING
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.tuning import warm_start
from sagesmith.services.sagemaker.tuning.checks import most_trials, refuse
from sagesmith.services.sagemaker.tuning.definitions import (
    Definition,
    definitions_of,
    training_job,
    training_job_name,
)
from sagesmith.services.sagemaker.tuning.early_stopping import Series, emitted, to_stop
from sagesmith.services.sagemaker.tuning.trials import TrainingJob, Trials, best_of, summary
from sagesmith.services.sagemaker.tuning_jobs import TUNING_JOB
from sagesmith.store import Document, Transaction
from sagesmith.tuning.completion import patience, progress, reaches
from sagesmith.tuning.ranges import dimensions
from sagesmith.tuning.search import by_rank, propose
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, ResourceLimitExceeded

KIND = TUNING_JOB.id
_STOP = "StopTrainingJob"
ATTEMPTS = 5
"""Training jobs of which at least one has to succeed, as at AWS."""
EPOCH_LOOK_SECONDS = 0.5
"""How often the values are looked at of training jobs that may be stopped early."""
NO_ROOM_LOOK_SECONDS = 5.0

_NONE_SUCCEEDED = (
    "No training job succeeded after {count} attempts. For additional details, please take a look at the training job "
    "failures by listing training jobs for the hyperparameter tuning job."
)
_NO_METRICS = (
    "No objective metrics found after running {count} training jobs. Please ensure that the custom algorithm is "
    "emitting the objective metric as defined by the regular expression provided."
)

log = logging.get("tuning")


@dataclass(frozen=True, slots=True)
class _Look:
    """A tuning job and its training jobs, at one time.

    Attributes:
        now: seconds since the epoch.
    """

    document: Document
    definitions: Sequence[Definition]
    jobs: Sequence[TrainingJob]
    now: float

    @property
    def config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.document.body["HyperParameterTuningJobConfig"]
        return config

    @property
    def running(self) -> list[TrainingJob]:
        return [each for each in self.jobs if not each.has_ended]

    @property
    def results(self) -> list[float]:
        """The values of the objective in the order in which they came, as far as they can be compared."""
        first = self.definitions[0].maximize
        ended = sorted((each for each in self.jobs if each.has_ended), key=lambda each: (each.ended_at, each.number))
        return [
            each.result
            for each in ended
            if each.result is not None and self.definitions[each.definition].maximize == first
        ]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a tuning job's trials that have ended, and need not be read again.

    Attributes:
        series: what they had emitted, by their keys.
    """

    trials: Trials = field(default_factory=Trials)
    series: dict[str, Series] = field(default_factory=dict)


def waker(tx: Transaction, before: Document | None, after: Document | None) -> None:
    """Wakes a tuning job when one of its training jobs is in another status, for `Store.on_change`."""
    document = after or before
    if document is None or document.kind != TRAINING_JOB.id or "_trial" not in document.body:
        return
    if before is None or after is None or before.status == after.status:
        return
    tx.schedule(KIND, document.region, document.body["_trial"]["key"], time.time())


class TuningReconciler:
    """Launches the training jobs of tuning jobs and follows them to their end."""

    kind = KIND

    def __init__(self) -> None:
        self._read: dict[str, _Read] = {}

    def recover(self, home: Home) -> None:
        """Look at every tuning job that has not ended."""
        with home.store.write() as tx:
            for status in (IN_PROGRESS, STOPPING):
                for document in tasks.all_documents(tx, KIND, status):
                    tx.schedule(KIND, document.region, document.key, time.time())

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the tuning job one step on."""
        if document.status in ENDED:
            return None
        definitions = definitions_of(document.body)
        with home.store.read() as tx:
            read = self._read.setdefault(document.body["_id"], _Read())
            jobs = read.trials.read(tx, document.region, document.body["_id"], definitions)
            look = _Look(document, definitions, jobs, time.time())
            series = emitted(tx, jobs, definitions, read.series) if _stops_early(look.config) else {}
            told = _told(tx, look)
        document = replace(document, body={**document.body, **told})
        look = replace(look, document=document)
        if "_ending" not in document.body and (ending := _ending(look)):
            document = replace(document, body={**document.body, "_ending": ending})
            look = replace(look, document=document)
        if document.status == STOPPING or "_ending" in document.body:
            self._read.pop(document.body["_id"], None)
            return _wind_up(home, look)
        if behind := to_stop(look.config, jobs, definitions, series):
            _store(home, look, stop=behind)
            return 0.0
        if _has_more(look) and len(look.running) < look.config["ResourceLimits"]["MaxParallelTrainingJobs"]:
            return _launch(home, look)
        _store(home, look)
        return _next_look(look)


def _has_more(look: _Look) -> bool:
    return bool(look.document.body["_launched"] < most_trials(look.document.body))


def _stops_early(config: Mapping[str, Any]) -> bool:
    return config["Strategy"] == "Hyperband" or config.get("TrainingJobEarlyStoppingType") == "Auto"


def _next_look(look: _Look) -> float | None:
    """When to look again if no training job ends before, which is told by `waker`."""
    limit = look.config["ResourceLimits"].get("MaxRuntimeInSeconds")
    at_the_end = max(0.0, look.document.created_at + limit - look.now) if limit else math.inf
    soon = EPOCH_LOOK_SECONDS if _stops_early(look.config) and look.running else math.inf
    seconds = min(at_the_end, soon)
    return seconds if math.isfinite(seconds) else None


def _told(tx: Transaction, look: _Look) -> Params:
    """The members of Describe that follow from the training jobs."""
    body = look.document.body
    statuses = dict.fromkeys(body["TrainingJobStatusCounters"], 0)
    objectives = dict.fromkeys(body["ObjectiveStatusCounters"], 0)
    for job in look.jobs:
        statuses[job.counted_as()] += 1
        objectives[job.objective_status] += 1
    first = look.definitions[0]
    went = progress(look.results, first.maximize)
    details = {**body["TuningJobCompletionDetails"], "NumberOfTrainingJobsObjectiveNotImproving": went.not_improving}
    if went.not_improving >= patience(dimensions(first.space())):
        details.setdefault("ConvergenceDetectedTime", look.now)
    told: Params = {
        "TrainingJobStatusCounters": statuses,
        "ObjectiveStatusCounters": objectives,
        "TuningJobCompletionDetails": details,
    }
    best = best_of(look.jobs, look.definitions)
    if best is not None:
        told["BestTrainingJob"] = summary(best, look.definitions)
    overall = warm_start.overall_best(tx, look.document, told.get("BestTrainingJob"), first.maximize)
    if overall is not None:
        told["OverallBestTrainingJob"] = overall
    return told


def _ending(look: _Look) -> Params | None:
    """How the tuning job ends, if nothing more is to be launched: a status, and why if that is Failed."""
    ended = [each for each in look.jobs if each.has_ended]
    is_over = not _has_more(look) and not look.running
    if (len(ended) >= ATTEMPTS or is_over) and not any(each.result is not None for each in ended):
        said = _NO_METRICS if any(each.status != "Failed" for each in ended) else _NONE_SUCCEEDED
        return {"status": "Failed", "reason": said.format(count=len(ended))}
    return {"status": "Completed"} if is_over or _meets_a_criterion(look) else None


def _meets_a_criterion(look: _Look) -> bool:
    """Whether one of the completion criteria is met
    (https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-progress.html)."""
    criteria = look.config.get("TuningJobCompletionCriteria") or {}
    details = look.document.body["TuningJobCompletionDetails"]
    limit = look.config["ResourceLimits"].get("MaxRuntimeInSeconds")
    target = criteria.get("TargetObjectiveMetricValue")
    patience_given = (criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving")
    said = (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence")
    on_convergence = said == "Enabled" or (said is None and "Autotune" in look.document.body)
    return (
        (limit is not None and look.now >= look.document.created_at + limit)
        or (target is not None and any(reaches(each, target, look.definitions[0].maximize) for each in look.results))
        or (patience_given is not None and details["NumberOfTrainingJobsObjectiveNotImproving"] >= patience_given)
        or (on_convergence and "ConvergenceDetectedTime" in details)
    )


def _wind_up(home: Home, look: _Look) -> float | None:
    """Stop what runs, and end when nothing does any more."""
    document = look.document
    if look.running:
        _store(home, look, stop=look.running)
        return None
    ending = document.body.get("_ending", {})
    status = "Stopped" if document.status == STOPPING else ending["status"]
    body = {**document.body, "HyperParameterTuningEndTime": look.now}
    if status == "Failed":
        body["FailureReason"] = ending["reason"][: tasks.MAX_FAILURE_REASON]
    _store(home, replace(look, document=replace(document, status=status, body=body)))
    log.info("tuning job ended", name=document.name, status=status, training_jobs=len(look.jobs))
    return None


def _launch(home: Home, look: _Look) -> float | None:
    """Create the training job of the next trial."""
    document, number = look.document, int(look.document.body["_launched"])
    index = number % len(look.definitions)
    definition = look.definitions[index]
    name = training_job_name(document.name, document.body["_id"], number)
    tuned = _proposal(home, look, number, index)
    document = replace(document, body={**document.body, "_launched": number + 1})
    trial = {"tuning": document.body["_id"], "key": document.key, "number": number, "definition": index, "tuned": tuned}
    followed = {METRICS_IN_FULL: [definition.metric]} if _stops_early(look.config) else {}
    with home.store.read() as tx:
        tags = [{"Key": key, "Value": value} for key, value in tx.tags(document.arn).items()]
    try:
        request = training_job(definition, name, tuned, tags)
        refuse(TRAINING_JOB, request)
        request = TRAINING_JOB.prepare(home, request)
        with home.store.write() as tx:
            call = _call(home, tx, document)
            tx.update(replace(document, facets=TUNING_JOB.facets(document.body)))
            created(call, TRAINING_JOB, {**request, "TuningJobArn": document.arn, "_trial": trial, **followed})
    except ResourceLimitExceeded as error:
        log.warning("no room for a training job", name=document.name, reason=error.message)
        _store(home, look)
        return NO_ROOM_LOOK_SECONDS
    except AwsError as error:
        ending = {"status": "Failed", "reason": f"ClientError: training job {name}: {error.message}"}
        _store(home, replace(look, document=_with(look.document, _ending=ending)))
    return 0.0


def _proposal(home: Home, look: _Look, number: int, index: int) -> dict[str, str]:
    """The values for the trial of this number."""
    body, definition = look.document.body, look.definitions[index]
    seed = str(look.config.get("RandomSeed", body["_id"]))
    history = [each.trial for each in look.jobs if each.definition == index]
    if body.get("WarmStartConfig"):
        with home.store.read() as tx:
            parents = warm_start.learned(tx, look.document, index)
        history = [*parents, *(by_rank(history) if warm_start.is_relative(look.document) else history)]
    strategy = look.config["Strategy"]
    place = number // len(look.definitions)
    return propose(definition.space(), strategy, f"{seed}/{index}", place, history, definition.maximize)


def _with(document: Document, **members: Any) -> Document:
    return replace(document, body={**document.body, **members})


def _store(home: Home, look: _Look, stop: Sequence[TrainingJob] = ()) -> None:
    """Store the tuning job if it differs from what is stored, and stop those of some training jobs that still run, as
    StopTrainingJob does."""
    document = look.document
    with home.store.write() as tx:
        present = tx.lock(KIND, document.region, document.key, exclusive=True)
        if present is None or (present.version, present.status, present.body) != (
            document.version,
            document.status,
            document.body,
        ):
            tx.update(replace(document, facets=TUNING_JOB.facets(document.body)))
        call = _call(home, tx, document)
        # All are locked before the first is changed: to change one is to schedule the tuning job, for which whoever is
        # changing another may be waiting.
        keys = sorted(job.key for job in stop)
        for job in [tx.lock(TRAINING_JOB.id, document.region, key, exclusive=True) for key in keys]:
            if job is not None and job.status == IN_PROGRESS:
                changed(call, TRAINING_JOB, _STOP, job, {}, TRAINING_JOB.changes[_STOP])


def _call(home: Home, tx: Transaction, document: Document) -> Call:
    """A call in the name of whoever created the tuning job."""
    creator = document.body["_creator"]
    principal = Principal(creator["arn"], home.platform.account_id, "", creator["user_id"], document.arn)
    context = RequestContext(str(uuid.uuid4()), "sagemaker", "CreateTrainingJob", document.region, principal, "")
    return Call(home, context, tx, time.time())
