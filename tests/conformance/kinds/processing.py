"""Processing jobs."""

from tests.conformance.facts import Facts

_RESOURCES = "ProcessingResources.ClusterConfig"

PROCESSING_JOB = Facts(
    "ProcessingJob",
    needs={
        "ExperimentConfig.ExperimentName": "Experiment",
        "ExperimentConfig.TrialName": "Trial",
        "ExperimentConfig.RunName": "TrialComponent",
    },
    always=frozenset({f"{_RESOURCES}.InstanceType", f"{_RESOURCES}.InstanceCount"}),
    without={
        f"{_RESOURCES}.InstancePreferences": "they stand instead of InstanceType",
        f"{_RESOURCES}.SelectedInstanceType": "it is Describe's alone",
        f"{_RESOURCES}.SelectedInstanceCount": "it is Describe's alone",
        "ProcessingInputs": "their places depend on each other",
        "ProcessingOutputConfig": "their places depend on each other",
    },
    values={f"{_RESOURCES}.InstanceCount": 1},
    lives=True,
    exceptions={
        "DescribeProcessingJob: missing is not ResourceNotFound": "the model has ResourceNotFound, AWS answers "
        "ValidationException: Could not find requested job with name.",
    },
)
