"""Hyperparameter tuning jobs: what is asked for. What becomes of it is the reconciler's (`tuning.reconciler`).

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
"""

import struct
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording, paged, reading, sagemaker_shapes
from sagesmith.services.sagemaker.jobs.base import IN_PROGRESS, STOPPING, job_lifecycle
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.tuning import warm_start
from sagesmith.services.sagemaker.tuning.checks import check
from sagesmith.services.sagemaker.tuning.definitions import OBJECTIVE_HYPERPARAMETER, definitions_of
from sagesmith.services.sagemaker.tuning.trials import TrainingJob, summary, training_jobs
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound


def _initial(call: Call, params: Params) -> Params:
    identity = uuid.uuid4().hex
    warm_start.remember(call, TUNING_JOB, identity, params)
    principal = call.context.principal
    return {
        **_shown_definitions(params),
        "HyperParameterTuningJobConfig": _shown_config(params["HyperParameterTuningJobConfig"]),
        "TrainingJobStatusCounters": dict.fromkeys(
            ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
        ),
        "ObjectiveStatusCounters": dict.fromkeys(("Succeeded", "Pending", "Failed"), 0),
        "TuningJobCompletionDetails": {"NumberOfTrainingJobsObjectiveNotImproving": 0},
        "_id": identity,
        "_launched": 0,
        "_creator": {"arn": principal.arn, "user_id": principal.user_id},
    }


def _shown_config(config: Params) -> Params:
    """The configuration with what AWS's Describe adds to it: SDK v2's `attach` reads three lists of ranges always."""
    shown: Params = {"TrainingJobEarlyStoppingType": "Off", **config}
    if ranges := config.get("ParameterRanges"):
        kinds = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
        shown["ParameterRanges"] = {**{kind: [] for kind in kinds}, **ranges}
    return shown


def _shown_definitions(params: Params) -> Params:
    """The definitions with what AWS's Describe adds to them: SDK v2's `attach` reads a ResourceConfig and a KmsKeyId
    always, and removes the hyperparameter that tells programs their objective."""
    told = []
    for each in definitions_of(params):
        static = {**each.static, OBJECTIVE_HYPERPARAMETER: each.metric}
        shown: Params = {
            **each.given,
            "StaticHyperParameters": static,
            "OutputDataConfig": {"KmsKeyId": "", **each.given["OutputDataConfig"]},
            "ResourceConfig": each.resources(),
        }
        told.append(shown)
    return (
        {"TrainingJobDefinitions": told} if params.get("TrainingJobDefinitions") else {"TrainingJobDefinition": told[0]}
    )


def _answer(document: Document) -> Params:
    """The wall clock's time that it has taken, which goes on until it ends; and no list of definitions if it has one
    alone, for by that the SDK tells the two forms apart."""
    until = document.body.get("HyperParameterTuningEndTime") or time.time()
    return {
        "ConsumedResources": {"RuntimeInSeconds": max(0, round(until - document.created_at))},
        "TrainingJobDefinitions": document.body.get("TrainingJobDefinitions"),
    }


def _stop(call: Call, document: Document, params: Params) -> Document:
    return replace(document, status=STOPPING)


def _delete(call: Call, document: Document) -> None:
    warm_start.forget(call.tx, document)


def operations(home: Home) -> dict[str, Handler]:
    """ListTrainingJobsForHyperParameterTuningJob."""
    return {"ListTrainingJobsForHyperParameterTuningJob": reading(home, _list_training_jobs)}


def _list_training_jobs(call: Call, params: Params) -> Params:
    tuning_job = TUNING_JOB.find(call.tx, call.context, params["HyperParameterTuningJobName"])
    definitions = definitions_of(tuning_job.body)
    jobs = training_jobs(call.tx, tuning_job.region, tuning_job.body["_id"], definitions)
    by = params.get("SortBy") or "Name"
    wanted = [
        each
        for each in jobs
        if params.get("StatusEquals") in (None, each.status)
        and (by != "FinalObjectiveMetricValue" or each.value is not None)
    ]
    page, token = paged(wanted, params, _PLACES[by], descending=params.get("SortOrder") == "Descending")
    return {"TrainingJobSummaries": [summary(each, definitions) for each in page], "NextToken": token}


def _by_value(job: TrainingJob) -> str:
    """A text that sorts as the value does: the bits of a float do, once those of negative ones are mirrored."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", job.value or 0.0))
    ordered = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    return f"{ordered:020d}/{job.number:06d}"


_PLACES: dict[str, Callable[[TrainingJob], str]] = {
    "Name": lambda job: f"{job.number:06d}",
    "CreationTime": lambda job: f"{job.created_at:020.6f}/{job.number:06d}",
    "Status": lambda job: f"{job.status}/{job.number:06d}",
    "FinalObjectiveMetricValue": _by_value,
}


def _of_definitions(path: str) -> Iterator[str]:
    """The paths in a tuning job's input of what stands at a path in CreateTrainingJob's; none if it has no such."""
    shapes, shape = sagemaker_shapes(), "HyperParameterTrainingJobDefinition"
    for step in path.split("."):
        members = shapes.members(shape)
        if (name := step.removesuffix("[]")) not in members:
            return
        shape = members[name]
        if step.endswith("[]"):
            shape = shapes.shape(shape)["member"]["shape"]
    yield f"TrainingJobDefinition.{path}"
    yield f"TrainingJobDefinitions[].{path}"


TUNING_JOB = Kind(
    noun="HyperParameterTuningJob",
    called="hyperparameter tuning job",
    search="HyperParameterTuningJob",
    starts_as=IN_PROGRESS,
    lifecycle=job_lifecycle("HyperParameterTuningJob"),
    check=check,
    initial=_initial,
    answer=_answer,
    summary={
        "Strategy": "HyperParameterTuningJobConfig.Strategy",
        "ResourceLimits": "HyperParameterTuningJobConfig.ResourceLimits",
    },
    changes={"StopHyperParameterTuningJob": _stop},
    on_delete=_delete,
    missing=Wording(ResourceNotFound, "Amazon SageMaker can't find a tuning job with the name {name}."),
    duplicate=Wording(
        ResourceInUse,
        "A hyperparameter tuning job with the name, {name}, already exists. Choose a different name.",
    ),
    unbuilt=tuple(
        Unbuilt(path, each.feature, each.values) for each in TRAINING_JOB.unbuilt for path in _of_definitions(each.path)
    ),
    without_effect={
        path: why for member, why in TRAINING_JOB.without_effect.items() for path in _of_definitions(member)
    },
)
