"""The trial component that each job has: what it was given, how it goes, and what came of it.

It is called `<job>-aws-training-job`, or after its job's kind. ExperimentConfig says in which trial it is, and of which
run the job is a source.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ExperimentConfig.html; of the names
https://github.com/aws/sagemaker-experiments (`Tracker.load`) and the unit tests of
https://github.com/aws/sagemaker-python-sdk (`test_deserializer_for_map_type`)
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sagesmith.services.sagemaker import task_metrics
from sagesmith.services.sagemaker.engine import Call, created
from sagesmith.services.sagemaker.experiments import EXPERIMENT, TRIAL, TRIAL_COMPONENT, associate, locked
from sagesmith.store import Document, Transaction, number_of
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

_MODEL = "SageMaker.ModelArtifact"
_TRIAL_SUFFIX = "-aws-trial"
_MEDIA_TYPE = re.compile(r"[-\w]+/[-\w+]+")
_KEPT = ("TrialComponentName", "CreatedBy", "LastModifiedBy", "Parents")
"""What a component has of its own, whichever job is its source."""


@dataclass(frozen=True, slots=True)
class _Source:
    """How the jobs of one kind give a component.

    Attributes:
        name: the member that holds the job's name.
        suffix: what the component's name has after the job's.
        type: the component's SourceType.
        start, end: the members that hold when it ran.
        parameters: what a job is given, of the input of its Create.
        inputs: the artifacts that it reads, of the same.
        outputs: the artifacts that came of it, of a job that is completed.
    """

    name: str
    suffix: str
    type: str
    start: str
    end: str
    parameters: Callable[[Params], Iterator[tuple[str, Params]]]
    inputs: Callable[[Params], Params]
    outputs: Callable[[Params], Params]


def track(call: Call, job: Document) -> None:
    """Make the component of a job that was just created, and put it where its ExperimentConfig wants it.

    A component of a former job of this name becomes the new one's. It is made after the job, whose name nobody else can
    then take meanwhile.

    Raises:
        AwsError: an experiment, trial or run that ExperimentConfig names is missing, or they do not fit together.
    """
    config = job.body.get("ExperimentConfig") or {}
    kind = _source_of(job.body)
    source = {"SourceArn": job.arn, "SourceType": kind.type}
    name = f"{job.name}{kind.suffix}"
    members = {
        "DisplayName": config.get("TrialComponentDisplayName") or name,
        "Source": source,
        "Status": {"PrimaryStatus": "InProgress"},
        "Parameters": dict(kind.parameters(job.body)),
        "InputArtifacts": kind.inputs(job.body),
        "OutputArtifacts": {},
    }
    trial = _trial(call, config, job.name)
    component = _stored(call, name, members)
    if trial is not None:
        associate(call, trial, component)
    if run := config.get("RunName"):
        _add_source(call, run, source)


def follow(tx: Transaction, job: Document) -> None:
    """Bring the component of a job up to what the job is now; one that was deleted stays so."""
    kind = _source_of(job.body)
    name = f"{job.name}{kind.suffix}"
    component = tx.lock(TRIAL_COMPONENT.id, job.region, TRIAL_COMPONENT.key(name), exclusive=True)
    if component is None or component.body.get("Source", {}).get("SourceArn") != job.arn:
        return
    body = {**component.body, **_became(tx, component, job, kind)}
    if body != component.body:
        tx.update(replace(component, body=body))


def _stored(call: Call, name: str, members: Params) -> Document:
    former = TRIAL_COMPONENT.seek(call.tx, call.context, name)
    if former is None:
        return created(call, TRIAL_COMPONENT, {"TrialComponentName": name, **members})
    body = {member: former.body[member] for member in _KEPT if member in former.body} | members
    call.tx.remove_metrics(former.arn)
    return call.tx.update(replace(former, body=body, facets=TRIAL_COMPONENT.facets(body)))


def _source_of(job: Params) -> _Source:
    return next(each for each in _SOURCES if each.name in job)


def _cluster(image: str, resources: Params) -> Iterator[tuple[str, Params]]:
    yield "SageMaker.ImageUri", {"StringValue": image}
    if "InstanceType" in resources:
        yield "SageMaker.InstanceType", {"StringValue": resources["InstanceType"]}
    for member in ("InstanceCount", "VolumeSizeInGB"):
        if member in resources:
            yield f"SageMaker.{member}", {"NumberValue": float(resources[member])}


def _training_parameters(job: Params) -> Iterator[tuple[str, Params]]:
    """What a training job is given, numbers as such."""
    yield from _cluster(job["AlgorithmSpecification"]["TrainingImage"], job["ResourceConfig"])
    for name, value in (job.get("HyperParameters") or {}).items():
        number = number_of(value)
        yield name, {"StringValue": value} if number is None else {"NumberValue": number}


def _training_inputs(job: Params) -> Params:
    return {each["ChannelName"]: _input(each) for each in job.get("InputDataConfig") or ()}


def _training_outputs(job: Params) -> Params:
    return {_MODEL: {"Value": job["ModelArtifacts"]["S3ModelArtifacts"]}}


def _processing_parameters(job: Params) -> Iterator[tuple[str, Params]]:
    cluster = job["ProcessingResources"]["ClusterConfig"]
    for first in (cluster.get("InstancePreferences") or ())[:1]:
        cluster = {**cluster, **first}
    return _cluster(job["AppSpecification"]["ImageUri"], cluster)


def _processing_inputs(job: Params) -> Params:
    return {
        each["InputName"]: {"Value": each["S3Input"]["S3Uri"]}
        for each in job.get("ProcessingInputs") or ()
        if "S3Input" in each
    }


def _processing_outputs(job: Params) -> Params:
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return {each["OutputName"]: {"Value": each["S3Output"]["S3Uri"]} for each in outputs if "S3Output" in each}


def _transform_parameters(job: Params) -> Iterator[tuple[str, Params]]:
    yield "SageMaker.ModelName", {"StringValue": job["ModelName"]}
    resources = job["TransformResources"]
    yield "SageMaker.InstanceType", {"StringValue": resources["InstanceType"]}
    yield "SageMaker.InstanceCount", {"NumberValue": float(resources["InstanceCount"])}


def _transform_inputs(job: Params) -> Params:
    source = job["TransformInput"]
    return {"SageMaker.TransformInput": _input({"DataSource": source["DataSource"], **_media_type(source)})}


def _media_type(source: Params) -> Params:
    return {"ContentType": source["ContentType"]} if source.get("ContentType") else {}


def _transform_outputs(job: Params) -> Params:
    return {"SageMaker.TransformOutput": {"Value": job["TransformOutput"]["S3OutputPath"]}}


def _input(channel: Params) -> Params:
    artifact = {"Value": channel["DataSource"]["S3DataSource"]["S3Uri"]}
    media_type = channel.get("ContentType")
    return {**artifact, "MediaType": media_type} if media_type and _MEDIA_TYPE.fullmatch(media_type) else artifact


def _trial(call: Call, config: Params, job_name: str) -> Document | None:
    """The trial that a job's component is to be in, made if only the experiment is named; it stays."""
    experiment = config.get("ExperimentName")
    if name := config.get("TrialName"):
        trial = locked(call, TRIAL, name, exclusive=False)
        if experiment and EXPERIMENT.find(call.tx, call.context, experiment).key != trial.parent:
            raise ValidationException(f"Trial '{trial.arn}' is not in Experiment '{experiment}'.")
        return trial
    if not experiment:
        return None
    own = {"TrialName": f"{job_name}{_TRIAL_SUFFIX}", "ExperimentName": experiment}
    return TRIAL.seek(call.tx, call.context, own["TrialName"]) or created(call, TRIAL, own)


def _add_source(call: Call, run_name: str, source: Params) -> None:
    run = locked(call, TRIAL_COMPONENT, run_name, exclusive=True)
    sources = run.body.get("Sources", [])
    if source not in sources:
        call.tx.update(replace(run, body={**run.body, "Sources": [*sources, source]}), touch=False)


def _became(tx: Transaction, component: Document, job: Document, kind: _Source) -> Params:
    """The members of a component that follow its job."""
    members: Params = {"Status": {"PrimaryStatus": job.status}}
    if reason := job.body.get("FailureReason"):
        members["Status"]["Message"] = reason
    for member, of in (("StartTime", kind.start), ("EndTime", kind.end)):
        if of in job.body:
            members[member] = job.body[of]
    if job.status == "Completed":
        members["OutputArtifacts"] = {**component.body.get("OutputArtifacts", {}), **kind.outputs(job.body)}
    if final := job.body.get("FinalMetricDataList"):
        logged = component.body.get("Metrics", [])
        known = {each["MetricName"] for each in logged}
        members["Metrics"] = [*logged, *(_summary(tx, job, each) for each in final if each["MetricName"] not in known)]
    return members


def _summary(tx: Transaction, job: Document, metric: Params) -> Params:
    """The summary of a metric that was found in the job's output."""
    return {
        **task_metrics.summary(tx, job, metric["MetricName"]),
        "MetricName": metric["MetricName"],
        "SourceArn": job.arn,
        "TimeStamp": metric["Timestamp"],
        "Last": metric["Value"],
    }


_SOURCES = (
    _Source(
        name="TrainingJobName",
        suffix="-aws-training-job",
        type="SageMakerTrainingJob",
        start="TrainingStartTime",
        end="TrainingEndTime",
        parameters=_training_parameters,
        inputs=_training_inputs,
        outputs=_training_outputs,
    ),
    _Source(
        name="ProcessingJobName",
        suffix="-aws-processing-job",
        type="SageMakerProcessingJob",
        start="ProcessingStartTime",
        end="ProcessingEndTime",
        parameters=_processing_parameters,
        inputs=_processing_inputs,
        outputs=_processing_outputs,
    ),
    _Source(
        name="TransformJobName",
        suffix="-aws-transform-job",
        type="SageMakerTransformJob",
        start="TransformStartTime",
        end="TransformEndTime",
        parameters=_transform_parameters,
        inputs=_transform_inputs,
        outputs=_transform_outputs,
    ),
)
