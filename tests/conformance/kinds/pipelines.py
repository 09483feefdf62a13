"""Pipelines."""

import json

from hypothesis import strategies as st

from tests.conformance.facts import Facts


def _defined(message: str) -> str:
    """A definition of one step."""
    stop = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    return json.dumps({"Version": "2020-12-01", "Steps": [stop]})


PIPELINE = Facts(
    "Pipeline",
    always=frozenset({"PipelineDefinition"}),
    values={
        "ClientRequestToken": st.uuids().map(str),
        "PipelineDefinition": st.text(max_size=20).map(_defined),
        "PipelineVersionAliases": st.lists(
            st.from_regex(r"[a-z][a-zA-Z0-9._\-]{0,127}", fullmatch=True), max_size=10, unique=True
        ),
    },
    without={
        "PipelineDefinitionS3Location": "the definition is in the request; there is no object store here",
        "UpdatePipeline:PipelineVersionAliases": "an update takes them only if it changes the definition",
    },
    summary={"LastExecutionTime": "LastRunTime"},
    exceptions={
        "ListPipelines.ManagedBy: say in `filters` what it selects by": "no member of Describe says who manages a "
        "pipeline; all are the customer's",
        "a taken name is not ConflictException": "AWS answers ValidationException, in which both SDKs look for words",
        "DeletePipeline: missing is not ResourceNotFound": "the same token again is the same request, and is answered "
        "as it was",
    },
)
