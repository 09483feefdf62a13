"""Monitoring job definitions: what a monitoring schedule's jobs look at, by what they judge it, with what they run.

There are four, of which each has members of its own name. A definition is a record; what runs it is a schedule.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateDataQualityJobDefinition.html,
…/API_CreateModelQualityJobDefinition.html, …/API_CreateModelBiasJobDefinition.html,
…/API_CreateModelExplainabilityJobDefinition.html; of the defaults …/API_EndpointInput.html,
…/API_BatchTransformInput.html
"""

from functools import partial

from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, Kind, Wording
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ResourceNotFound, ValidationException

_SOURCES = ("EndpointInput", "BatchTransformInput")
_READ_AS = {"S3InputMode": "File", "S3DataDistributionType": "FullyReplicated"}


def _definition(of: str) -> Kind:
    """The kind of the job definitions of one quality: `ModelBias`."""
    job_input = f"{of}JobInput"
    endpoint = f"{job_input}.EndpointInput.EndpointName"
    return Kind(
        noun=f"{of}JobDefinition",
        check=partial(_check_source, job_input),
        defaults={"StoppingCondition": {"MaxRuntimeInSeconds": 3600}},
        initial=partial(_with_defaults, job_input),
        refers={endpoint: ENDPOINT},
        summary={
            "MonitoringJobDefinitionName": "JobDefinitionName",
            "MonitoringJobDefinitionArn": "JobDefinitionArn",
            "EndpointName": partial(_endpoint_name, job_input),
        },
        filters={"EndpointName": endpoint},
        missing=Wording(ResourceNotFound, "Resource Not Found: Amazon SageMaker can't find a {noun} with name {name}."),
        duplicate=Wording(
            ResourceInUse,
            "Resource Already Exists: {noun} with name {name} already exists. Choose a different name.",
        ),
    )


def _check_source(job_input: str, params: Params) -> None:
    given = [source for source in _SOURCES if params[job_input].get(source)]
    if len(given) != 1:
        raise ValidationException(f"{job_input} must have exactly one of {' and '.join(_SOURCES)}.")


def _with_defaults(job_input: str, call: Call, params: Params) -> Params:
    """The job's input with how it is read."""
    given = params[job_input]
    return {job_input: given | {source: _READ_AS | given[source] for source in _SOURCES if source in given}}


def _endpoint_name(job_input: str, document: Document) -> str:
    """Which endpoint is monitored. Every summary must say it, though captured data of batch transforms have none."""
    return str(document.body[job_input].get("EndpointInput", {}).get("EndpointName", ""))


DATA_QUALITY_JOB_DEFINITION = _definition("DataQuality")
MODEL_QUALITY_JOB_DEFINITION = _definition("ModelQuality")
MODEL_BIAS_JOB_DEFINITION = _definition("ModelBias")
MODEL_EXPLAINABILITY_JOB_DEFINITION = _definition("ModelExplainability")
