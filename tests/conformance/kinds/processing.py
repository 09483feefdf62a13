"""Processing jobs."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params

_RESOURCES = "ProcessingResources.ClusterConfig"


def _consistent(params: Params) -> Params:
    """Inputs and outputs have names and places of their own, and only what is piped is compressed."""
    for number, each in enumerate(params.get("ProcessingInputs", ())):
        each["InputName"] = f"input-{number}"
        source = each["S3Input"]
        source["LocalPath"] = f"/opt/ml/processing/input/{number}"
        if source.get("S3CompressionType") == "Gzip":
            source["S3InputMode"] = "Pipe"
    for number, each in enumerate(params.get("ProcessingOutputConfig", {}).get("Outputs", ())):
        each["OutputName"] = f"output-{number}"
        each["S3Output"]["LocalPath"] = f"/opt/ml/processing/output/{number}"
    return params


_S3 = frozenset({"ProcessingInputs[].S3Input", "ProcessingOutputConfig.Outputs[].S3Output"})

PROCESSING_JOB = Facts(
    "ProcessingJob",
    mend=_consistent,
    needs={
        "ExperimentConfig.ExperimentName": "Experiment",
        "ExperimentConfig.TrialName": "Trial",
        "ExperimentConfig.RunName": "TrialComponent",
    },
    always=frozenset({f"{_RESOURCES}.InstanceType", f"{_RESOURCES}.InstanceCount", *_S3}),
    without={
        f"{_RESOURCES}.InstancePreferences": "they stand instead of InstanceType",
        f"{_RESOURCES}.SelectedInstanceType": "it is Describe's alone",
        f"{_RESOURCES}.SelectedInstanceCount": "it is Describe's alone",
    },
    values={f"{_RESOURCES}.InstanceCount": 1},
    lives=True,
    exceptions={
        "DescribeProcessingJob: missing is not ResourceNotFound": "the model has ResourceNotFound, AWS answers "
        "ValidationException: Could not find requested job with name.",
    },
)
