"""The four kinds of monitoring job definitions."""

from functools import partial

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _one_source(job_input: str, params: Params) -> Params:
    """A definition looks at an endpoint or at the data of batch transforms."""
    if "EndpointInput" in params[job_input]:
        params[job_input].pop("BatchTransformInput", None)
    return params


def _definition(of: str) -> Facts:
    endpoint = f"{of}JobInput.EndpointInput.EndpointName"
    return Facts(
        f"{of}JobDefinition",
        always=frozenset({f"{of}JobInput.BatchTransformInput"}),
        mend=partial(_one_source, f"{of}JobInput"),
        summary={
            "MonitoringJobDefinitionName": "JobDefinitionName",
            "MonitoringJobDefinitionArn": "JobDefinitionArn",
            "EndpointName": endpoint,
        },
        filters={"EndpointName": endpoint},
        exceptions={
            f"List{of}JobDefinitions.{complaint}": "a summary must have an EndpointName, and has an empty one where a "
            "definition has no endpoint"
            for complaint in ("EndpointName: not as described", "JobDefinitionSummaries[].EndpointName: pattern")
        },
    )


DATA_QUALITY = _definition("DataQuality")
MODEL_QUALITY = _definition("ModelQuality")
MODEL_BIAS = _definition("ModelBias")
MODEL_EXPLAINABILITY = _definition("ModelExplainability")
