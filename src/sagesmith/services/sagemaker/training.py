"""What is a training job's own in the life of a job: its tasks, its secondary statuses, and what its end adds."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sagesmith.algorithms.run.meeting import KEY_VARIABLE
from sagesmith.compute.base import InstanceGroup, MetricDefinition, TaskSpec
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.job_components import follow
from sagesmith.services.sagemaker.jobs import (
    ENDED,
    INTERRUPTED,
    STOPPING,
    WAITING,
    Ending,
    Gang,
    Stage,
    Wait,
    move,
    spent_seconds,
)
from sagesmith.services.sagemaker.training_inputs import channel, checkpoints, tensorboard
from sagesmith.services.sagemaker.training_jobs import TASK_PREFIX, TRAINING_JOB
from sagesmith.services.sagemaker.training_resources import hosts, instance_groups
from sagesmith.services.sagemaker.warm_pools import after, in_use
from sagesmith.store import Document, NotFound, Store, Transaction
from sagesmith.wire.context import Params

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Restarting": "Restarting the training job",
    "Interrupted": "Training job interrupted: its instances were taken away. It starts again from its checkpoint",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


class TrainingJobs:
    """`jobs.JobKind` of training jobs."""

    declaration = TRAINING_JOB
    task_prefix = TASK_PREFIX
    log_group = "/aws/sagemaker/TrainingJobs"
    noun = "training job"
    waits_in_log = False

    def hosts(self, body: Params) -> int:
        return hosts(body)

    def specs(self, home: Home, document: Document, gang: Gang) -> Sequence[TaskSpec]:
        return list(_specs(home, document, gang))

    def instance(self, document: Document, host: str) -> str:
        return host

    def retries(self, body: Params) -> int:
        return int((body.get("RetryStrategy") or {}).get("MaximumRetryAttempts") or 0)

    def waits(self, document: Document, wait: Wait, now: float) -> Document:
        status = "Pending" if wait.for_hosts else document.body["SecondaryStatus"]
        said = document.body["SecondaryStatusTransitions"][-1]
        if said["Status"] == status and (wait.for_hosts or said["StatusMessage"] == wait.message):
            return document
        return _moved(document, status, wait.message, now)

    def reaches(self, document: Document, stage: Stage) -> Document:
        reached = document.body.get("_rank", 0)
        if stage.rank < reached:
            return document
        message = stage.message or _MESSAGES[stage.state]
        if stage.rank == reached and document.body["SecondaryStatusTransitions"][-1]["StatusMessage"] == message:
            return document
        if document.status == STOPPING and stage.state != "Uploading":
            return document
        body = {**document.body, **in_use(document.body), "_rank": stage.rank}
        if stage.state == "Downloading":
            body.setdefault("TrainingStartTime", stage.at)
        return _moved(replace(document, body=body), stage.state, message, stage.at)

    def restarts(self, document: Document, now: float, *, interrupted: bool) -> Document:
        status = "Interrupted" if interrupted else "Restarting"
        body = {name: value for name, value in document.body.items() if name != "_rank"}
        return _moved(replace(document, body=body), status, _MESSAGES[status], now)

    def gives_up(self, document: Document, now: float) -> Ending | None:
        stopping, waited = document.body["StoppingCondition"], now - document.created_at
        if now > _waits_until(document):
            return Ending("Stopped", "MaxWaitTimeExceeded", now, message=_MESSAGES["MaxWaitTimeExceeded"])
        if waited > stopping.get("MaxPendingTimeInSeconds", math.inf):
            message = "Training job stopped: it was pending for longer than MaxPendingTimeInSeconds"
            return Ending("Stopped", "Stopped", now, message=message)
        return None

    def ends(self, document: Document, ending: Ending) -> Document:
        if ending.cause == "MaxRuntimeExceeded" and _waits_until(document) - ending.at < 1.0:
            ending = replace(ending, cause="MaxWaitTimeExceeded", message=_MESSAGES["MaxWaitTimeExceeded"])
        message = ending.message if ending.started_at is None and ending.message else _MESSAGES.get(ending.cause)
        document = _moved(document, ending.cause, message or ending.message, ending.at)
        transitions = document.body["SecondaryStatusTransitions"]
        last = {**transitions[-1], "EndTime": transitions[-1]["StartTime"]}
        body = {
            **document.body,
            **after(document.body, ending),
            "SecondaryStatusTransitions": [*transitions[:-1], last],
        }
        spent = spent_seconds(document)
        if ending.started_at is not None or spent:
            last_seconds = ending.at - ending.started_at if ending.started_at is not None else 0.0
            seconds = max(1, round(spent + last_seconds))
            started = body.get("TrainingStartTime") or ending.started_at or ending.at - seconds
            body |= {
                "TrainingStartTime": started,
                "TrainingEndTime": max(ending.at, started),
                "TrainingTimeInSeconds": seconds,
                "BillableTimeInSeconds": seconds,
            }
        if model := ending.detail.get("model_artifacts"):
            body["ModelArtifacts"] = {"S3ModelArtifacts": model}
        if metrics := ending.detail.get("metrics"):
            body["FinalMetricDataList"] = metrics
        if ending.reason:
            body["FailureReason"] = ending.reason[: tasks.MAX_FAILURE_REASON]
        assert ending.status in ENDED
        return replace(document, status=ending.status, body=body)

    def follow(self, tx: Transaction, document: Document) -> None:
        follow(tx, document)


def _specs(home: Home, document: Document, gang: Gang) -> Iterator[TaskSpec]:
    body = document.body
    algorithm, resources, output = body["AlgorithmSpecification"], body["ResourceConfig"], body["OutputDataConfig"]
    runtime = body["StoppingCondition"]["MaxRuntimeInSeconds"]
    groups = instance_groups(body)
    common = tasks.specification(
        home,
        document,
        "train",
        image=algorithm["TrainingImage"],
        instance_type=resources.get("InstanceType", ""),
        role_arn=body["RoleArn"],
        credentials_seconds=runtime + tasks.CREDENTIALS_SLACK_SECONDS,
        own={"TRAINING_JOB_NAME": document.name, "TRAINING_JOB_ARN": document.arn, **body.get("Environment", {})},
        network_isolation=body["EnableNetworkIsolation"],
    )
    spec = replace(
        common,
        instance_groups=groups,
        command=algorithm.get("ContainerEntrypoint") or [],
        arguments=algorithm.get("ContainerArguments") or [],
        hyperparameters=body.get("HyperParameters", {}),
        channels=[channel(each, algorithm, groups) for each in body.get("InputDataConfig", ())],
        checkpoints=checkpoints(body.get("CheckpointConfig")),
        tensorboard=tensorboard(body.get("TensorBoardOutputConfig"), document.name),
        metric_definitions=[
            MetricDefinition(each["Name"], each["Regex"]) for each in algorithm.get("MetricDefinitions", ())
        ],
        output_uri=output["S3OutputPath"],
        compress_output=output.get("CompressionType") != "NONE",
        kms_key_id=output.get("KmsKeyId") or None,
        max_runtime_seconds=max(1.0, min(runtime - spent_seconds(document), _waits_until(document) - time.time())),
        volume_size_bytes=resources["VolumeSizeInGB"] << 30 if resources.get("VolumeSizeInGB") else None,
    )
    if len(gang.members) > 1:
        spec = replace(spec, environment={**spec.environment, KEY_VARIABLE: home.keyring.hosts_key(gang.id)})
    for each in gang.specs(spec):
        yield replace(each, instance_type=_instance_type(groups, each.host) or each.instance_type)


def _waits_until(document: Document) -> float:
    """Until when a job may wait and run together, over all of its attempts."""
    return document.created_at + float(document.body["StoppingCondition"].get("MaxWaitTimeInSeconds") or math.inf)


def _instance_type(groups: Sequence[InstanceGroup], host: str) -> str | None:
    return next((each.instance_type for each in groups if host in each.hosts), None)


def _moved(document: Document, secondary: str, message: str, now: float) -> Document:
    transitions = move(document.body["SecondaryStatusTransitions"], secondary, message, now)
    return replace(
        document,
        body={**document.body, "SecondaryStatus": secondary, "SecondaryStatusTransitions": transitions},
    )


def interrupt(store: Store, region: str, name: str) -> None:
    """Take a managed spot job's instances away, as AWS does when it needs them: it is asked to end, waits, and starts
    again from its checkpoint.

    Raises:
        NotFound: there is no such job.
        ValueError: it is not one that can be interrupted now; the message says why.
    """
    with store.write() as tx:
        document = tx.lock(TRAINING_JOB.id, region, TRAINING_JOB.key(name), exclusive=True)
        if document is None:
            raise NotFound(f"There is no training job {name} in {region}.")
        if not document.body.get("EnableManagedSpotTraining"):
            raise ValueError(f"{name} is not a managed spot training job: it has no EnableManagedSpotTraining.")
        if document.status != "InProgress" or document.body["_phase"] == WAITING:
            raise ValueError(f"{name} does not run: it is {document.status} ({document.body['SecondaryStatus']}).")
        tx.update(replace(document, body={**document.body, INTERRUPTED: True}))
        tx.schedule(TRAINING_JOB.id, region, document.key, time.time())
