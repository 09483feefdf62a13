"""Training jobs."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _mend(params: Params) -> Params:
    """Waiting times belong to spot training, and one waits at least as long as one runs."""
    if "StoppingCondition" in params:
        condition = {"MaxRuntimeInSeconds": 3600, **params["StoppingCondition"]}
        condition.pop("MaxWaitTimeInSeconds", None)
        params = {**params, "StoppingCondition": condition}
    if params.get("EnableManagedSpotTraining"):
        condition = params.get("StoppingCondition", {"MaxRuntimeInSeconds": 3600})
        condition["MaxWaitTimeInSeconds"] = condition["MaxRuntimeInSeconds"] + 60
        params = {**params, "StoppingCondition": condition}
    return params


TRAINING_JOB = Facts(
    "TrainingJob",
    mend=_mend,
    needs={
        "ExperimentConfig.ExperimentName": "Experiment",
        "ExperimentConfig.TrialName": "Trial",
        "ExperimentConfig.RunName": "TrialComponent",
    },
    always=frozenset(
        {
            "AlgorithmSpecification",
            "AlgorithmSpecification.TrainingImage",
            "AlgorithmSpecification.ContainerEntrypoint",
            "ResourceConfig",
            "ResourceConfig.InstanceType",
            "InputDataConfig[].DataSource.S3DataSource",
        }
    ),
    values={
        "ResourceConfig.InstanceCount": 1,
        "AlgorithmSpecification.TrainingInputMode": "File",
        "InputDataConfig[].DataSource.S3DataSource.S3DataType": "S3Prefix",
    },
    without={
        "ResourceConfig.SelectedInstanceType": "it is Describe's alone",
        "ResourceConfig.SelectedInstanceCount": "it is Describe's alone",
        "ResourceConfig.InstanceGroups": "they stand instead of InstanceType and InstanceCount",
        "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames": "there are no instance groups",
        "InputDataConfig[].DataSource.S3DataSource.AttributeNames": "they are of augmented manifests",
        "InputDataConfig[].InputMode": "what else may be given depends on it",
        "InputDataConfig[].CompressionType": "it is of Pipe mode",
        "InputDataConfig[].RecordWrapperType": "it is of Pipe mode",
        "CheckpointConfig.LocalPath": "its place depends on the channels",
        "TensorBoardOutputConfig": "its place is below /opt/ml, and an s3:// address",
        "ResourceConfig.KeepAlivePeriodInSeconds": "it is not for spot training",
        "UpdateTrainingJob:ResourceConfig": "it is about a warm pool, of which tests of training show what can change",
        "RetryStrategy": "it has a limit that depends on the kind of training",
    },
    filters={
        "TrainingPlanArnEquals": "ResourceConfig.TrainingPlanArn",
        "WarmPoolStatusEquals": "WarmPoolStatus.Status",
    },
    summary={"TrainingPlanArn": "ResourceConfig.TrainingPlanArn"},
    lives=True,
    exceptions={
        "DescribeTrainingJob: missing is not ResourceNotFound": "the model has ResourceNotFound, AWS answers "
        "ValidationException: Requested resource not found.",
    },
)
