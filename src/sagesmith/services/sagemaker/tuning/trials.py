"""The trials of a tuning job, read from their training jobs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagesmith.services.sagemaker.jobs.base import ENDED
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.tuning.definitions import Definition
from sagesmith.store import Document, Query, Transaction
from sagesmith.tuning.search import Trial
from sagesmith.wire.context import Params

FACET = "_tuning"
"""The filter of training jobs by the tuning job's identity."""
_PAGE = 100


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A trial's training job.

    Attributes:
        number: the trial's, from 0 on.
        definition: the index of its definition.
        tuned: the values that are tried.
        value: of the objective metric; None if it has emitted none yet.
    """

    document: Document
    number: int
    definition: int
    tuned: Mapping[str, str]
    value: float | None

    @property
    def status(self) -> str:
        return self.document.status

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
        """Seconds since the epoch; of a job that never ran the time at which it was created."""
        return float(self.document.body.get("TrainingEndTime") or self.document.created_at)

    @property
    def trial(self) -> Trial:
        return Trial(self.tuned, self.result, not self.has_ended)

    def counted_as(self) -> str:
        """The member of TrainingJobStatusCounters that counts it."""
        if self.status != "Failed":
            return self.status if self.has_ended else "InProgress"
        is_ours = str(self.document.body.get("FailureReason", "")).startswith("InternalServerError")
        return "RetryableError" if is_ours else "NonRetryableError"


def training_jobs(tx: Transaction, region: str, identity: str, definitions: Sequence[Definition]) -> list[TrainingJob]:
    """The training jobs of a tuning job, by the numbers of their trials."""
    return sorted(_read(tx, region, identity, definitions), key=lambda each: each.number)


def _read(tx: Transaction, region: str, identity: str, definitions: Sequence[Definition]) -> Iterator[TrainingJob]:
    token = None
    while True:
        page = tx.list(Query(TRAINING_JOB.id, region, facets={FACET: identity}, limit=_PAGE, token=token))
        for document in page.documents:
            yield _of(document, definitions)
        if (token := page.next_token) is None:
            return


def _of(document: Document, definitions: Sequence[Definition]) -> TrainingJob:
    trial = document.body["_trial"]
    metric = definitions[trial["definition"]].metric
    emitted = (each["Value"] for each in document.body.get("FinalMetricDataList", ()) if each["MetricName"] == metric)
    return TrainingJob(document, trial["number"], trial["definition"], trial["tuned"], next(emitted, None))


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
    document, definition = job.document, definitions[job.definition]
    shown: dict[str, Any] = {
        "TrainingJobName": document.name,
        "TrainingJobArn": document.arn,
        "CreationTime": document.created_at,
        "TrainingJobStatus": document.status,
        "TunedHyperParameters": dict(job.tuned),
        "ObjectiveStatus": job.objective_status,
    }
    if definition.name:
        shown["TrainingJobDefinitionName"] = definition.name
    for member in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if member in document.body:
            shown[member] = document.body[member]
    if job.value is not None:
        objective = {"MetricName": definition.metric, "Value": job.value}
        if definition.name:
            objective["Type"] = definition.objective["Type"]
        shown["FinalHyperParameterTuningJobObjectiveMetric"] = objective
    return shown
