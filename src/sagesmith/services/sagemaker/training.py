"""The life of a training job: Starting, Downloading, Training, Uploading, and an end.

The node agent's report says what happened and when; each step here brings the document up to what the report says. A
job's last log lines are stored before its end is, so that whoever sees the end can read the whole log.
"""

import contextlib
import math
import shutil
import threading
import time
from dataclasses import replace

from sagesmith import logging
from sagesmith.compute.base import ENDED as TASK_ENDED
from sagesmith.compute.base import MetricDefinition, TaskEvent, TaskObservation, TaskSpec
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.job_components import follow
from sagesmith.services.sagemaker.training_inputs import channel, checkpoints
from sagesmith.services.sagemaker.training_jobs import ENDED, STARTING, STOPPING, TRAINING_JOB, move
from sagesmith.store import Document, Query

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
TASK_PREFIX = "train-"
RUNNING_LOOK_SECONDS = 0.05
NEXT_LOOK_SECONDS = 0.5
"""For the job that is next in line; the others are woken when it has started, or when a job has ended."""
WAITING_LOOK_SECONDS = 10.0
CREDENTIALS_SLACK_SECONDS = 86_400
"""A job may download before and upload after the time that its runtime limit counts."""
MAX_FAILURE_REASON = 1024
KIND = TRAINING_JOB.id

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}

log = logging.get("training")


class TrainingReconciler:
    """Starts training jobs in the order in which they were created and follows them to their end.

    Args:
        concurrency: how many jobs run at once; the others wait.
    """

    kind = KIND

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._starting = threading.Lock()

    def recover(self, home: Home) -> None:
        """End tasks of jobs that have ended or are gone, and look at every job that has not."""
        named = set()
        with home.store.write() as tx:
            for status in ("InProgress", STOPPING):
                for document in tasks.all_documents(tx, KIND, status):
                    named.add(document.body["_task"])
                    tx.schedule(KIND, document.region, document.key, time.time())
        tasks.discard_orphans(home, TASK_PREFIX, named)

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the job one step on."""
        if document.status in ENDED:
            tasks.discard(home.backend, document.body["_task"])
            return None
        if document.body["_phase"] == "waiting":
            return self._start(home, document)
        return self._follow(home, document)

    def _start(self, home: Home, document: Document) -> float | None:
        if given_up := _given_up(document, time.time()):
            return _end(home, document, None, *given_up)
        with self._starting:
            if _disk_is_short(home) and home.backend.inspect(document.body["_task"]) is None:
                _say_disk_is_short(home, document)
                return NEXT_LOOK_SECONDS if self._is_next(home, document) else WAITING_LOOK_SECONDS
            if not self._has_room(home, document):
                _say_waiting(home, document, self._concurrency)
                return NEXT_LOOK_SECONDS if self._is_next(home, document) else WAITING_LOOK_SECONDS
            if not self._is_next(home, document):
                return NEXT_LOOK_SECONDS
            try:
                home.backend.start([task_spec(home, document)])
            except Exception as error:
                # Whatever it is, the jobs behind this one must not wait for it.
                log.exception("training job could not be started", name=document.name)
                said = str(error) if isinstance(error, OSError) else "see the log of the API process"
                reason = f"InternalServerError: the job could not be started: {said}"
                return _end(home, document, None, "Failed", _MESSAGES["Failed"], reason)
            started = replace(document, body={**document.body, "_phase": "started"})
            _store(home, _moved(started, STARTING, _MESSAGES[STARTING], time.time()))
        _wake_next(home, document.region)
        return RUNNING_LOOK_SECONDS

    def _is_next(self, home: Home, document: Document) -> bool:
        with home.store.read() as tx:
            first = tx.list(_next_in_line(document.region)).documents
        return not first or first[0].key == document.key

    def _has_room(self, home: Home, document: Document) -> bool:
        if home.backend.inspect(document.body["_task"]) is not None:
            return True
        running = [
            task for task in home.backend.tasks() if task.id.startswith(TASK_PREFIX) and task.alive and not task.ended
        ]
        return len(running) < self._concurrency

    def _follow(self, home: Home, document: Document) -> float | None:
        task_id = document.body["_task"]
        task = tasks.observe(home.backend, task_id)
        if document.status == STOPPING and task is not None and task.alive and "_stop_asked" not in document.body:
            home.backend.stop(task_id)
            document = _store(home, replace(document, body={**document.body, "_stop_asked": True}))
        if task is None or task.ended or task.lost:
            while task is not None and _collect(home, document):
                pass
            return self._finish(home, document, task)
        _collect(home, document)
        moved = _follow_events(document, task.events)
        if moved is not document:
            _store(home, moved)
        return RUNNING_LOOK_SECONDS

    def _finish(self, home: Home, document: Document, task: TaskObservation | None) -> float | None:
        if task is None or task.lost:
            reason = (
                "InternalServerError: the node agent ended without a report of how the job ended. "
                "Was it killed, or the machine restarted?"
            )
            if task is not None:
                home.backend.kill(task.id)
            ended = _end(home, document, task, "Failed", _MESSAGES["Failed"], reason)
        else:
            last = task.events[-1]
            secondary = str(last.detail.get("secondary_status") or last.state)
            reason = str(last.detail.get("failure_reason") or last.message)
            if secondary == "Stopped" and document.status != STOPPING:
                secondary, reason = "Failed", "InternalServerError: the platform was shut down while the job ran."
            ended = _end(home, document, task, secondary, _MESSAGES.get(secondary, last.message), reason)
        _wake_next(home, document.region)
        return ended


def _next_in_line(region: str) -> Query:
    return Query(KIND, region, facets={"_phase": "waiting"}, sort="created_at", descending=False, limit=1)


def _wake_next(home: Home, region: str) -> None:
    with home.store.write() as tx:
        for document in tx.list(_next_in_line(region)).documents:
            tx.schedule(KIND, region, document.key, time.time())


def task_spec(home: Home, document: Document) -> TaskSpec:
    """What the node agent is to do for a training job."""
    body = document.body
    algorithm, resources, output = body["AlgorithmSpecification"], body["ResourceConfig"], body["OutputDataConfig"]
    runtime = body["StoppingCondition"]["MaxRuntimeInSeconds"]
    own = {
        "TRAINING_JOB_NAME": document.name,
        "TRAINING_JOB_ARN": document.arn,
        **body.get("Environment", {}),
    }
    return TaskSpec(
        id=body["_task"],
        kind="train",
        label=document.name,
        job_name=document.name,
        job_arn=document.arn,
        image=algorithm["TrainingImage"],
        instance_type=resources["InstanceType"],
        hosts=[tasks.HOST],
        host=tasks.HOST,
        s3=tasks.s3_access(home),
        cache=home.platform.cache,
        command=[*algorithm.get("ContainerEntrypoint", ()), *algorithm.get("ContainerArguments", ())],
        environment=tasks.environment(
            home,
            document.region,
            body["RoleArn"],
            document.arn,
            runtime + CREDENTIALS_SLACK_SECONDS,
            own,
            network_isolation=body["EnableNetworkIsolation"],
        ),
        hyperparameters=body.get("HyperParameters", {}),
        channels=[channel(each, algorithm) for each in body.get("InputDataConfig", ())],
        checkpoints=checkpoints(body.get("CheckpointConfig")),
        metric_definitions=[
            MetricDefinition(each["Name"], each["Regex"]) for each in algorithm.get("MetricDefinitions", ())
        ],
        output_uri=output["S3OutputPath"],
        compress_output=output.get("CompressionType") != "NONE",
        kms_key_id=output.get("KmsKeyId") or None,
        network_isolation=body["EnableNetworkIsolation"],
        max_runtime_seconds=runtime,
        volume_size_bytes=resources["VolumeSizeInGB"] << 30 if resources.get("VolumeSizeInGB") else None,
        ca_bundle=tasks.ca_bundle(home),
    )


def _given_up(document: Document, now: float) -> tuple[str, str] | None:
    """The end, (secondary status, message), of a waiting job that is to be stopped, or waits for longer than it may."""
    if document.status == STOPPING:
        return "Stopped", _MESSAGES["Stopped"]
    stopping, waited = document.body["StoppingCondition"], now - document.created_at
    if waited > stopping.get("MaxWaitTimeInSeconds", math.inf):
        return "MaxWaitTimeExceeded", "Training job wait time exceeded MaxWaitTimeInSeconds provided"
    if waited > stopping.get("MaxPendingTimeInSeconds", math.inf):
        return "Stopped", "Training job stopped: it was pending for longer than MaxPendingTimeInSeconds"
    return None


def _say_waiting(home: Home, document: Document, concurrency: int) -> None:
    if document.body["SecondaryStatus"] == "Pending":
        return
    message = f"Waiting for compute capacity: {concurrency} training jobs run at once on this machine"
    _store(home, _moved(document, "Pending", message, time.time()))


def _disk_is_short(home: Home) -> bool:
    return shutil.disk_usage(home.platform.data).free < home.platform.min_free_disk_bytes


def _say_disk_is_short(home: Home, document: Document) -> None:
    platform = home.platform
    message = (
        f"Waiting for disk space: less than {platform.min_free_disk_bytes / 2**30:.1f} GiB are free at {platform.data} "
        "(SAGESMITH_MIN_FREE_DISK). Free some, for example with `sagesmith prune`"
    )
    if document.body["SecondaryStatusTransitions"][-1]["StatusMessage"] != message:
        log.warning("jobs wait for disk space", name=document.name, data=platform.data)
        _store(home, _moved(document, STARTING, message, time.time()))


def _collect(home: Home, document: Document) -> bool:
    stream = f"{document.name}/{tasks.HOST}-{int(document.created_at * 1000)}"
    return tasks.collect_log(home, document.body["_task"], document.region, LOG_GROUP, stream)


def _follow_events(document: Document, events: list[TaskEvent]) -> Document:
    """The document after those events that it does not know yet, itself if there are none."""
    seen = document.body.get("_seen", 0)
    for event in events:
        if event.sequence <= seen or event.state in TASK_ENDED:
            continue
        document = replace(document, body={**document.body, "_seen": event.sequence})
        if document.status == STOPPING and event.state != "Uploading":
            continue
        if event.state == "Downloading" and "TrainingStartTime" not in document.body:
            document = replace(document, body={**document.body, "TrainingStartTime": event.time})
        document = _moved(document, event.state, event.message or _MESSAGES[event.state], event.time)
    return document


def _moved(document: Document, secondary: str, message: str, now: float) -> Document:
    transitions = move(document.body["SecondaryStatusTransitions"], secondary, message, now)
    return replace(
        document,
        body={**document.body, "SecondaryStatus": secondary, "SecondaryStatusTransitions": transitions},
    )


def _end(
    home: Home,
    document: Document,
    task: TaskObservation | None,
    secondary: str,
    message: str,
    reason: str | None = None,
) -> float | None:
    events = task.events if task is not None else []
    document = _follow_events(document, events)
    last = events[-1] if events and events[-1].state in TASK_ENDED else None
    now = last.time if last is not None else time.time()
    document = _moved(document, secondary, message, now)
    transitions = document.body["SecondaryStatusTransitions"]
    body = {
        **document.body,
        "_phase": "ended",
        "SecondaryStatusTransitions": [*transitions[:-1], {**transitions[-1], "EndTime": transitions[-1]["StartTime"]}],
    }
    if events:
        started = body.get("TrainingStartTime") or events[0].time
        seconds = max(1, round(now - started))
        body |= {
            "TrainingStartTime": started,
            "TrainingEndTime": max(now, started),
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": seconds,
        }
    detail = last.detail if last is not None else {}
    if detail.get("model_artifacts"):
        body["ModelArtifacts"] = {"S3ModelArtifacts": detail["model_artifacts"]}
    if detail.get("metrics"):
        body["FinalMetricDataList"] = detail["metrics"]
    status = secondary if secondary in ENDED else "Stopped"
    if status == "Failed" and reason:
        body["FailureReason"] = reason[:MAX_FAILURE_REASON]
    _store(home, replace(document, status=status, body=body))
    log.info("training job ended", name=document.name, status=status, secondary_status=secondary)
    with contextlib.suppress(OSError):
        tasks.discard(home.backend, body["_task"])
    return None


def _store(home: Home, document: Document) -> Document:
    with home.store.write() as tx:
        stored = tx.update(replace(document, facets=TRAINING_JOB.facets(document.body)))
        follow(tx, stored)
        return stored
