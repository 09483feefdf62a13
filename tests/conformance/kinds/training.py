"""Training jobs."""

from hypothesis import strategies as st

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def consistent(params: Params) -> Params:
    """A job whose members agree: how long it runs and waits, what it runs on, how its channels are read."""
    resources, condition = params["ResourceConfig"], params.get("StoppingCondition", {})
    if groups := resources.get("InstanceGroups"):
        resources.pop("InstanceType", None)
        resources.pop("InstanceCount", None)
        for number, group in enumerate(groups):
            group |= {"InstanceGroupName": f"group-{number}", "InstanceCount": number + 1}
    for number, channel in enumerate(params.get("InputDataConfig", ())):
        channel["ChannelName"] = f"channel-{number}"
        _read(channel, [each["InstanceGroupName"] for each in groups or ()])
    if params.get("EnableManagedSpotTraining"):
        resources.pop("KeepAlivePeriodInSeconds", None)
        condition = {"MaxRuntimeInSeconds": 3600, **condition}
        condition["MaxWaitTimeInSeconds"] = condition["MaxRuntimeInSeconds"] + 60
    else:
        condition.pop("MaxWaitTimeInSeconds", None)
    return {**params, "StoppingCondition": condition} if condition else params


def _read(channel: Params, groups: list[str]) -> None:
    """Only what is piped is compressed, wrapped in records or told by an augmented manifest, which names attributes."""
    source = channel["DataSource"]["S3DataSource"]
    if channel.get("InputMode") != "Pipe":
        channel.pop("CompressionType", None)
        channel.pop("RecordWrapperType", None)
        if source["S3DataType"] == "AugmentedManifestFile":
            source["S3DataType"] = "ManifestFile"
    if source["S3DataType"] == "AugmentedManifestFile":
        source["AttributeNames"] = ["source-ref"]
    else:
        source.pop("AttributeNames", None)
    if groups and "InstanceGroupNames" in source:
        source["InstanceGroupNames"] = groups[:1]
    else:
        source.pop("InstanceGroupNames", None)


TRAINING_JOB = Facts(
    "TrainingJob",
    mend=consistent,
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
        "InputDataConfig[].DataSource.S3DataSource.S3DataType": st.sampled_from(
            ["S3Prefix", "ManifestFile", "AugmentedManifestFile"]
        ),
        "CheckpointConfig.LocalPath": "/opt/ml/checkpoints/own",
    },
    without={
        "ResourceConfig.SelectedInstanceType": "it is Describe's alone",
        "ResourceConfig.SelectedInstanceCount": "it is Describe's alone",
        "TensorBoardOutputConfig": "its place is below /opt/ml, and an s3:// address",
        "UpdateTrainingJob:ResourceConfig": "it is about a warm pool, of which tests of training show what can change",
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
