"""The trial component that each training job has: what it was given, how it goes, and what came of it.

It is called `<job>-aws-training-job`. ExperimentConfig says in which trial it is, and of which run the job is a source.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ExperimentConfig.html; of the names
https://github.com/aws/sagemaker-experiments (`Tracker.load`) and the unit tests of
https://github.com/aws/sagemaker-python-sdk (`test_deserializer_for_map_type`)
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from sagesmith.services.sagemaker.engine import Call, created
from sagesmith.services.sagemaker.experiments import EXPERIMENT, TRIAL, TRIAL_COMPONENT, associate, locked
from sagesmith.store import Document, Transaction, number_of
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

_SUFFIX = "-aws-training-job"
_SOURCE_TYPE = "SageMakerTrainingJob"
_MODEL = "SageMaker.ModelArtifact"
_TRIAL_SUFFIX = "-aws-trial"
_MEDIA_TYPE = re.compile(r"[-\w]+/[-\w+]+")
_KEPT = ("TrialComponentName", "CreatedBy", "LastModifiedBy", "Parents")
"""What a component has of its own, whichever job is its source."""


def track(call: Call, arn: str, job: Params) -> None:
    """Make the component of a job that is being created, and put it where its ExperimentConfig wants it.

    A component of a former job of this name becomes the new one's.

    Args:
        arn: the job's.
        job: the input of its Create.

    Raises:
        AwsError: an experiment, trial or run that ExperimentConfig names is missing, or they do not fit together.
    """
    config = job.get("ExperimentConfig") or {}
    source = {"SourceArn": arn, "SourceType": _SOURCE_TYPE}
    name = f"{job['TrainingJobName']}{_SUFFIX}"
    members = {
        "DisplayName": config.get("TrialComponentDisplayName") or name,
        "Source": source,
        "Status": {"PrimaryStatus": "InProgress"},
        "Parameters": dict(_parameters(job)),
        "InputArtifacts": {each["ChannelName"]: _input(each) for each in job.get("InputDataConfig") or ()},
        "OutputArtifacts": {},
    }
    trial = _trial(call, config, job["TrainingJobName"])
    component = _stored(call, name, members)
    if trial is not None:
        associate(call, trial, component)
    if run := config.get("RunName"):
        _add_source(call, run, source)


def follow(tx: Transaction, job: Document) -> None:
    """Bring the component of a job up to what the job is now; one that was deleted stays so."""
    component = tx.lock(TRIAL_COMPONENT.id, job.region, TRIAL_COMPONENT.key(f"{job.name}{_SUFFIX}"), exclusive=True)
    if component is None or component.body.get("Source", {}).get("SourceArn") != job.arn:
        return
    body = {**component.body, **_became(component, job)}
    if body != component.body:
        tx.update(replace(component, body=body))


def _stored(call: Call, name: str, members: Params) -> Document:
    former = TRIAL_COMPONENT.seek(call.tx, call.context, name)
    if former is None:
        return created(call, TRIAL_COMPONENT, {"TrialComponentName": name, **members})
    body = {member: former.body[member] for member in _KEPT if member in former.body} | members
    call.tx.remove_metrics(former.arn)
    return call.tx.update(replace(former, body=body, facets=TRIAL_COMPONENT.facets(body)))


def _parameters(job: Params) -> Iterator[tuple[str, Params]]:
    """What the job is given, numbers as such."""
    resources = job["ResourceConfig"]
    yield "SageMaker.ImageUri", {"StringValue": job["AlgorithmSpecification"]["TrainingImage"]}
    if "InstanceType" in resources:
        yield "SageMaker.InstanceType", {"StringValue": resources["InstanceType"]}
    for member in ("InstanceCount", "VolumeSizeInGB"):
        if member in resources:
            yield f"SageMaker.{member}", {"NumberValue": float(resources[member])}
    for name, value in (job.get("HyperParameters") or {}).items():
        number = number_of(value)
        yield name, {"StringValue": value} if number is None else {"NumberValue": number}


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


def _became(component: Document, job: Document) -> Params:
    """The members of a component that follow its job."""
    members: Params = {"Status": {"PrimaryStatus": job.status}}
    if reason := job.body.get("FailureReason"):
        members["Status"]["Message"] = reason
    for member, of in (("StartTime", "TrainingStartTime"), ("EndTime", "TrainingEndTime")):
        if of in job.body:
            members[member] = job.body[of]
    if job.status == "Completed":
        model = {_MODEL: {"Value": job.body["ModelArtifacts"]["S3ModelArtifacts"]}}
        members["OutputArtifacts"] = {**component.body.get("OutputArtifacts", {}), **model}
    if final := job.body.get("FinalMetricDataList"):
        logged = component.body.get("Metrics", [])
        known = {each["MetricName"] for each in logged}
        members["Metrics"] = [*logged, *(_last(job, each) for each in final if each["MetricName"] not in known)]
    return members


def _last(job: Document, metric: Params) -> Params:
    """The summary of a metric that was found in the job's output, of which no more than the last value is kept."""
    return {
        "MetricName": metric["MetricName"],
        "SourceArn": job.arn,
        "TimeStamp": metric["Timestamp"],
        "Last": metric["Value"],
    }
