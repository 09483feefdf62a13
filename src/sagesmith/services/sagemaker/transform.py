"""What is a transform job's own in the life of a job: its tasks, and what its end adds."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from sagesmith.compute.base import TaskSpec, Transform
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.job_components import follow
from sagesmith.services.sagemaker.jobs import Ending, Gang, Stage, Wait, noting
from sagesmith.services.sagemaker.serving import model_container, model_data, source_archive
from sagesmith.services.sagemaker.transform_jobs import TASK_PREFIX, TRANSFORM_JOB
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params

MAX_RUNTIME_SECONDS = 5 * 86_400
"""AWS's limit of a transform job (https://docs.aws.amazon.com/general/latest/gr/sagemaker.html)."""
RETRIES = 3
"""How often a job goes on after its node was lost: what is done is not done again."""
DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_RETRIES = 3
_STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}


class TransformJobs:
    """`jobs.JobKind` of transform jobs. Nothing in their description tells why they wait: their log does."""

    declaration = TRANSFORM_JOB
    task_prefix = TASK_PREFIX
    log_group = "/aws/sagemaker/TransformJobs"
    noun = "transform job"
    waits_in_log = True

    def hosts(self, body: Params) -> int:
        return int(body["TransformResources"]["InstanceCount"])

    def specs(self, home: Home, document: Document, gang: Gang) -> Sequence[TaskSpec]:
        return gang.specs(_spec(home, document))

    def instance(self, document: Document, host: str) -> str:
        """An instance id: the streams of transform jobs are called by them, not by hosts' names.

        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
        """
        named = f"{document.body['_task']}-{host}"
        return f"i-{hashlib.sha256(named.encode()).hexdigest()[:17]}"

    def retries(self, body: Params) -> int:
        return RETRIES

    def waits(self, document: Document, wait: Wait, now: float) -> Document:
        return noting(document, wait)

    def reaches(self, document: Document, stage: Stage) -> Document:
        if stage.state != "Downloading" or "TransformStartTime" in document.body:
            return document
        return replace(document, body={**document.body, "TransformStartTime": stage.at})

    def restarts(self, document: Document, now: float, *, interrupted: bool) -> Document:
        return document

    def gives_up(self, document: Document, now: float) -> Ending | None:
        return None

    def ends(self, document: Document, ending: Ending) -> Document:
        body = dict(document.body)
        if ending.started_at is not None:
            started = body.setdefault("TransformStartTime", ending.started_at)
            body["TransformEndTime"] = max(ending.at, started)
        if ending.reason:
            body["FailureReason"] = ending.reason[: tasks.MAX_FAILURE_REASON]
        return replace(document, status=ending.status, body=body)

    def follow(self, tx: Transaction, document: Document) -> None:
        follow(tx, document)


def _spec(home: Home, document: Document) -> TaskSpec:
    """What all hosts are told alike."""
    body = document.body
    model = body["_model"]
    container = model["container"]
    several = model.get("containers") or ()
    given = {} if several else container.get("Environment") or {}
    of_job = {**body.get("Environment", {}), **_batch_environment(body)}
    common = tasks.specification(
        home,
        document,
        "transform",
        image=container["Image"],
        instance_type=body["TransformResources"]["InstanceType"],
        role_arn=model["role"],
        credentials_seconds=MAX_RUNTIME_SECONDS + tasks.CREDENTIALS_SLACK_SECONDS,
        own={**_server_timeout(body), **given, **of_job},
        network_isolation=model["network_isolation"],
    )
    return replace(
        common,
        model_data=model_data(container),
        code=source_archive(given),
        containers=[model_container(each, {**(each.get("Environment") or {}), **of_job}) for each in several],
        kms_key_id=body["TransformOutput"]["KmsKeyId"] or None,
        max_runtime_seconds=MAX_RUNTIME_SECONDS,
        transform=_transform(document),
    )


def _server_timeout(body: Params) -> Params:
    """The frameworks' containers give up after a minute what a transform job may wait for ten times as long."""
    return {"SAGEMAKER_MODEL_SERVER_TIMEOUT": str(_timeout_seconds(body))}


def _batch_environment(body: Params) -> Params:
    """What a container is told of the job: only what the job itself says.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    said = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": body.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": _STRATEGIES.get(body.get("BatchStrategy", "")),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": body.get("MaxConcurrentTransforms") or None,
    }
    return {"SAGEMAKER_BATCH": "true", **{name: str(value) for name, value in said.items() if value is not None}}


def _timeout_seconds(body: Params) -> int:
    return int((body.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds") or DEFAULT_TIMEOUT_SECONDS)


def _transform(document: Document) -> Transform:
    body = document.body
    source, output, processing = body["TransformInput"], body["TransformOutput"], body["DataProcessing"]
    capture = body.get("DataCaptureConfig") or {}
    return Transform(
        run=body["_task"],
        started_at=body.get("TransformStartTime"),
        s3_uri=source["DataSource"]["S3DataSource"]["S3Uri"],
        s3_data_type=source["DataSource"]["S3DataSource"]["S3DataType"],
        content_type=source.get("ContentType") or None,
        compression=source["CompressionType"],
        split=source["SplitType"],
        strategy=body.get("BatchStrategy"),
        output_uri=output["S3OutputPath"],
        accept=output.get("Accept") or None,
        assemble_with=output["AssembleWith"],
        max_payload_mb=body.get("MaxPayloadInMB"),
        max_concurrent=body.get("MaxConcurrentTransforms"),
        timeout_seconds=_timeout_seconds(body),
        max_retries=(body.get("ModelClientConfig") or {}).get("InvocationsMaxRetries", DEFAULT_RETRIES),
        input_filter=processing["InputFilter"] or "$",
        output_filter=processing["OutputFilter"] or "$",
        join_input=processing["JoinSource"] == "Input",
        capture_uri=capture.get("DestinationS3Uri"),
        capture_kms_key_id=capture.get("KmsKeyId") or None,
        inference_ids=bool(capture.get("GenerateInferenceId")),
    )
