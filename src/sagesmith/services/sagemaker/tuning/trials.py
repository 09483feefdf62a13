"""The trials of a tuning job, read from their training jobs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagesmith.services.sagemaker.jobs.base import ENDED
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.tuning.definitions import Definition
from sagesmith.store import Document, Heading, Query, Transaction
from sagesmith.tuning.search import Trial
from sagesmith.wire.context import Params

FACET = "_tuning"
"""The filter of training jobs by the tuning job's identity."""
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What a search knows of a trial's training job. Times are seconds since the epoch.

    Attributes:
        number: the trial's, from 0 on.
        definition: the index of its definition.
        tuned: the values that are tried.
        value: of the objective metric; None if it has emitted none yet.
    """

    key: str
    name: str
    arn: str
    status: str
    created_at: float
    started_at: float | None
    stopped_at: float | None
    failure_reason: str | None
    number: int
    definition: int
    tuned: Mapping[str, str]
    value: float | None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def objective_status(self) -> str:
        """AWS's ObjectiveStatus. A job that failed is not evaluated, whatever it emitted before."""
        if not self.has_ended:
            return "Pending"
        return "Succeeded" if self.value is not None and self.status != "Failed" else "Failed"

    @property
    def result(self) -> float | None:
        """The value that the search learns."""
        return self.value if self.objective_status == "Succeeded" else None

    @property
    def ended_at(self) -> float:
        """Of a job that never ran the time at which it was created."""
        return self.stopped_at or self.created_at

    @property
    def trial(self) -> Trial:
        return Trial(self.tuned, self.result, not self.has_ended)

    def counted_as(self) -> str:
        """The member of TrainingJobStatusCounters that counts it."""
        if self.status != "Failed":
            return self.status if self.has_ended else "InProgress"
        is_ours = (self.failure_reason or "").startswith("InternalServerError")
        return "RetryableError" if is_ours else "NonRetryableError"


class Trials:
    """The trials of one tuning job. Those that had ended when they were last read are read again only if they have
    changed, so that a search of hundreds costs little more than what runs. Not thread safe."""

    def __init__(self) -> None:
        self._ended: dict[int, tuple[Heading, TrainingJob]] = {}

    def read(self, tx: Transaction, region: str, identity: str, definitions: Sequence[Definition]) -> list[TrainingJob]:
        """The training jobs of the tuning job, by the numbers of their trials."""
        found: list[TrainingJob] = []
        ended: dict[int, tuple[Heading, TrainingJob]] = {}
        for heading in _headings(tx, region, identity):
            known = self._ended.get(heading.id)
            if known is None or known[0] != heading:
                document = tx.get_by_arn(heading.arn)
                if document is None:
                    continue
                known = heading, _of(document, definitions)
            if known[1].has_ended:
                ended[heading.id] = known
            found.append(known[1])
        self._ended = ended
        return sorted(found, key=lambda each: each.number)


def training_jobs(tx: Transaction, region: str, identity: str, definitions: Sequence[Definition]) -> list[TrainingJob]:
    """The training jobs of a tuning job, by the numbers of their trials, for who asks once."""
    return Trials().read(tx, region, identity, definitions)


def _headings(tx: Transaction, region: str, identity: str) -> Iterator[Heading]:
    token = None
    while True:
        page = tx.headings(Query(TRAINING_JOB.id, region, facets={FACET: identity}, limit=_PAGE, token=token))
        yield from page.documents
        if (token := page.next_token) is None:
            return


def _of(document: Document, definitions: Sequence[Definition]) -> TrainingJob:
    body = document.body
    trial = body["_trial"]
    metric = definitions[trial["definition"]].metric
    emitted = (each["Value"] for each in body.get("FinalMetricDataList", ()) if each["MetricName"] == metric)
    return TrainingJob(
        document.key,
        document.name,
        document.arn,
        document.status,
        document.created_at,
        body.get("TrainingStartTime"),
        body.get("TrainingEndTime"),
        body.get("FailureReason"),
        trial["number"],
        trial["definition"],
        trial["tuned"],
        next(emitted, None),
    )


def best_of(jobs: Iterable[TrainingJob], definitions: Sequence[Definition]) -> TrainingJob | None:
    """The training job with the best value, None if none has one; of equal ones the earliest.

    Values of several definitions are compared as far as all are to be maximized or minimized; those of definitions that
    want the contrary of the first are not.
    """
    maximize = definitions[0].maximize
    evaluated = [each for each in jobs if each.result is not None and definitions[each.definition].maximize == maximize]
    sign = -1 if maximize else 1
    return min(evaluated, key=lambda each: sign * (each.result or 0.0), default=None)


def summary(job: TrainingJob, definitions: Sequence[Definition]) -> Params:
    """A HyperParameterTrainingJobSummary
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTrainingJobSummary.html)."""
    definition = definitions[job.definition]
    shown: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created_at,
        "TrainingJobStatus": job.status,
        "TunedHyperParameters": dict(job.tuned),
        "ObjectiveStatus": job.objective_status,
    }
    if definition.name:
        shown["TrainingJobDefinitionName"] = definition.name
    more = {
        "TrainingStartTime": job.started_at,
        "TrainingEndTime": job.stopped_at,
        "FailureReason": job.failure_reason,
    }
    shown |= {member: value for member, value in more.items() if value is not None}
    if job.value is not None:
        objective = {"MetricName": definition.metric, "Value": job.value}
        if definition.name:
            objective["Type"] = definition.objective["Type"]
        shown["FinalHyperParameterTuningJobObjectiveMetric"] = objective
    return shown
