"""What is a processing job's own in the life of a job: its tasks, and what its end adds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sagesmith.compute.base import Channel, ProcessingOutput, TaskSpec
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.engine import view_of
from sagesmith.services.sagemaker.job_components import follow
from sagesmith.services.sagemaker.jobs import Ending, Gang, Stage, Wait, noting
from sagesmith.services.sagemaker.processing_jobs import (
    PROCESSING_JOB,
    TASK_PREFIX,
    folder_of,
    instances,
    managed_inputs,
    managed_outputs,
)
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params

MAX_EXIT_MESSAGE_BYTES = 1024

_CONFIGURATION = (
    "ProcessingJobArn",
    "ProcessingJobName",
    "AppSpecification",
    "Environment",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "NetworkConfig",
    "RoleArn",
    "StoppingCondition",
)


class ProcessingJobs:
    """`jobs.JobKind` of processing jobs. Nothing in their description tells why they wait: their log does."""

    declaration = PROCESSING_JOB
    task_prefix = TASK_PREFIX
    log_group = "/aws/sagemaker/ProcessingJobs"
    noun = "processing job"
    waits_in_log = True

    def hosts(self, body: Params) -> int:
        return instances(body)[1]

    def specs(self, home: Home, document: Document, gang: Gang) -> Sequence[TaskSpec]:
        return gang.specs(_spec(home, document))

    def instance(self, document: Document, host: str) -> str:
        return host

    def retries(self, body: Params) -> int:
        return 0

    def waits(self, document: Document, wait: Wait, now: float) -> Document:
        return noting(document, wait)

    def reaches(self, document: Document, stage: Stage) -> Document:
        if stage.state != "Downloading" or "ProcessingStartTime" in document.body:
            return document
        return replace(document, body={**document.body, "ProcessingStartTime": stage.at})

    def restarts(self, document: Document, now: float, *, interrupted: bool) -> Document:
        return document

    def gives_up(self, document: Document, now: float) -> Ending | None:
        return None

    def ends(self, document: Document, ending: Ending) -> Document:
        body = dict(document.body)
        if ending.started_at is not None:
            started = body.setdefault("ProcessingStartTime", ending.started_at)
            body["ProcessingEndTime"] = max(ending.at, started)
        if message := ending.detail.get("exit_message"):
            body["ExitMessage"] = _first_kilobyte(message)
        if ending.reason:
            body["FailureReason"] = ending.reason[: tasks.MAX_FAILURE_REASON]
        return replace(document, status=ending.status, body=body)

    def follow(self, tx: Transaction, document: Document) -> None:
        follow(tx, document)


def _first_kilobyte(text: str) -> str:
    return text.encode()[:MAX_EXIT_MESSAGE_BYTES].decode(errors="ignore")


def _spec(home: Home, document: Document) -> TaskSpec:
    """What all hosts are told alike."""
    body = document.body
    application = body["AppSpecification"]
    instance_type, _ = instances(body)
    runtime = body["StoppingCondition"]["MaxRuntimeInSeconds"]
    common = tasks.specification(
        home,
        document,
        "process",
        image=application["ImageUri"],
        instance_type=instance_type,
        role_arn=body["RoleArn"],
        credentials_seconds=runtime + tasks.CREDENTIALS_SLACK_SECONDS,
        own=body.get("Environment", {}),
        network_isolation=bool(body.get("NetworkConfig", {}).get("EnableNetworkIsolation")),
    )
    return replace(
        common,
        command=list(application.get("ContainerEntrypoint", ())),
        arguments=list(application.get("ContainerArguments", ())),
        channels=[_channel(each) for each in managed_inputs(body)],
        outputs=[_output(each) for each in managed_outputs(body)],
        configuration=configuration(document),
        kms_key_id=body.get("ProcessingOutputConfig", {}).get("KmsKeyId") or None,
        max_runtime_seconds=runtime,
        volume_size_bytes=body["ProcessingResources"]["ClusterConfig"]["VolumeSizeInGB"] << 30,
    )


def configuration(document: Document) -> dict[str, Any]:
    """The content of processingjobconfig.json: what was asked for, null for what could have been."""
    described = view_of(PROCESSING_JOB).describe(document)
    found = {member: described[member] for member in _CONFIGURATION if member in described}
    found["AppSpecification"] = {"ContainerEntrypoint": None, "ContainerArguments": None, **found["AppSpecification"]}
    return found


def _channel(source: Params) -> Channel:
    s3 = source["S3Input"]
    return Channel(
        name=folder_of(s3["LocalPath"]),
        s3_uri=s3["S3Uri"],
        s3_data_type=s3["S3DataType"],
        distribution=s3["S3DataDistributionType"],
        input_mode=s3["S3InputMode"],
        compression=s3["S3CompressionType"],
    )


def _output(output: Params) -> ProcessingOutput:
    s3 = output["S3Output"]
    return ProcessingOutput(folder_of(s3["LocalPath"]), s3["S3Uri"], s3["S3UploadMode"] == "Continuous")
