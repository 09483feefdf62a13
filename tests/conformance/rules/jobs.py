"""Training, processing and tuning jobs."""

from typing import Any

from tests.conformance.rules import GONE, Rule

_CHANNEL = "InputDataConfig[0]"
_SOURCE = {"S3Uri": "s3://bucket/data", "S3DataType": "S3Prefix"}
_INPUT = {
    "InputName": "data",
    "S3Input": {
        "S3Uri": "s3://bucket/data",
        "LocalPath": "/opt/ml/processing/data",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    },
}
_CLUSTER = "ProcessingResources.ClusterConfig"
_PREFERENCE = {"InstanceType": "ml.m5.large"}
_CONFIG = "HyperParameterTuningJobConfig"
_LIMITS = f"{_CONFIG}.ResourceLimits"


def _training(says: str, asked: dict[str, Any], refused: str, code: str = "ValidationException") -> Rule:
    return Rule("TrainingJob", "CreateTrainingJob", says, asked, refused, code=code)


def _channel(**members: Any) -> dict[str, Any]:
    source = {**_SOURCE, **members.pop("source", {})}
    return {_CHANNEL: {"ChannelName": "data", "DataSource": {"S3DataSource": source}, **members}}


def _processing(says: str, asked: dict[str, Any], refused: str) -> Rule:
    return Rule("ProcessingJob", "CreateProcessingJob", says, asked, refused)


def _transform(says: str, asked: dict[str, Any], refused: str) -> Rule:
    return Rule("TransformJob", "CreateTransformJob", says, asked, refused)


def _tuning(says: str, asked: dict[str, Any], refused: str) -> Rule:
    return Rule("HyperParameterTuningJob", "CreateHyperParameterTuningJob", says, asked, refused)


def _ranges(**ranges: Any) -> dict[str, Any]:
    return {f"{_CONFIG}.ParameterRanges": ranges}


def _range(name: str, low: str, high: str, scaling: str = "Auto") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}


def _with_variables(name: str, count: int) -> dict[str, Any]:
    """A training job definition, with environment variables."""
    return {
        "DefinitionName": name,
        "TuningObjective": {"Type": "Minimize", "MetricName": "loss"},
        "HyperParameterRanges": {"IntegerParameterRanges": [_range("x", "1", "9")]},
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/role",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Environment": {f"V{number}": "" for number in range(count)},
    }


RULES = (
    _training(
        "You must specify either the algorithm name to the AlgorithmName parameter or the image URI of the algorithm "
        "container to the TrainingImage parameter.",
        {"AlgorithmSpecification.TrainingImage": GONE},
        "TrainingImage",
    ),
    _training(
        "It must be equal to or greater than MaxRuntimeInSeconds.",
        {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 99},
        },
        "greater than or equal to MaxRuntimeInSeconds",
    ),
    _training(
        "",
        {
            "EnableManagedSpotTraining": False,
            "StoppingCondition": {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 100},
        },
        "MaxWaitTimeInSeconds above 0 is not supported",
    ),
    _training(
        "CompressionType is used only in Pipe input mode.",
        _channel(InputMode="File", CompressionType="Gzip"),
        "can only be used if the channel's input mode is Pipe",
    ),
    _training(
        "AugmentedManifestFile can only be used if the Channel's input mode is Pipe.",
        _channel(InputMode="File", source={"S3DataType": "AugmentedManifestFile", "AttributeNames": ["a"]}),
        "can only be used if the channel's input mode is Pipe",
    ),
    _training(
        "",
        {"InputDataConfig": [{"ChannelName": "data", "DataSource": {"S3DataSource": _SOURCE}}] * 2},
        "Channel names must be unique",
    ),
    *(
        _training(
            "This field is read-only and isn't accepted in CreateTrainingJob requests.",
            {f"ResourceConfig.{member}": value},
            member,
        )
        for member, value in (("SelectedInstanceType", "ml.m5.large"), ("SelectedInstanceCount", 1))
    ),
    _training(
        "It must be unique relative to other rule configuration names.",
        {
            "ProfilerRuleConfigurations": [
                {"RuleConfigurationName": "rule", "RuleEvaluatorImage": "image"},
                {"RuleConfigurationName": "rule", "RuleEvaluatorImage": "image"},
            ]
        },
        "must be unique",
    ),
    _training(
        "",
        {
            "ResourceConfig.InstanceGroups": [
                {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1}
            ]
        },
        "InstanceGroups",
    ),
    _training("", {"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/input/data"}}, "conflicts"),
    _processing(
        "The processing input must specify exactly one of either S3Input or DatasetDefinition types.",
        {"ProcessingInputs": [{"InputName": "data"}]},
        "exactly one of S3Input and DatasetDefinition",
    ),
    _processing(
        "must begin with /opt/ml/processing/.",
        {"ProcessingInputs": [{**_INPUT, "S3Input": {**_INPUT["S3Input"], "LocalPath": "/data"}}]},
        "/opt/ml/processing/",
    ),
    _processing(
        "Gzip can only be used when Pipe mode is specified as the S3InputMode.",
        {"ProcessingInputs": [{**_INPUT, "S3Input": {**_INPUT["S3Input"], "S3CompressionType": "Gzip"}}]},
        "Gzip is supported with S3InputMode Pipe only",
    ),
    _processing("", {"ProcessingInputs": [_INPUT, _INPUT]}, "must be unique"),
    _processing(
        "The processing output must specify exactly one of either S3Output or FeatureStoreOutput types.",
        {"ProcessingOutputConfig.Outputs": [{"OutputName": "out"}]},
        "exactly one of S3Output and FeatureStoreOutput",
    ),
    _processing(
        "InstancePreferences is mutually exclusive with InstanceType.",
        {f"{_CLUSTER}.InstanceType": "ml.m5.large", f"{_CLUSTER}.InstancePreferences": [_PREFERENCE]},
        "exactly one of InstanceType and InstancePreferences",
    ),
    _processing(
        "An instance type can appear only once in an InstancePreferences list.",
        {f"{_CLUSTER}.InstanceType": GONE, f"{_CLUSTER}.InstancePreferences": [_PREFERENCE, _PREFERENCE]},
        "ml.m5.large",
    ),
    _processing(
        "either all five specify InstanceCount or none of them do.",
        {
            f"{_CLUSTER}.InstanceType": GONE,
            f"{_CLUSTER}.InstanceCount": GONE,
            f"{_CLUSTER}.InstancePreferences": [
                {**_PREFERENCE, "InstanceCount": 1},
                {"InstanceType": "ml.m5.xlarge"},
            ],
        },
        "InstanceCount",
    ),
    _processing(
        "rejects requests that set InstanceCount on only some preferences, that set it both per preference and in "
        "ProcessingClusterConfig, or that omit it in both places.",
        {
            f"{_CLUSTER}.InstanceType": GONE,
            f"{_CLUSTER}.InstanceCount": 2,
            f"{_CLUSTER}.InstancePreferences": [{**_PREFERENCE, "InstanceCount": 1}],
        },
        "InstanceCount",
    ),
    _processing(
        "or that omit it in both places.",
        {
            f"{_CLUSTER}.InstanceType": GONE,
            f"{_CLUSTER}.InstanceCount": GONE,
            f"{_CLUSTER}.InstancePreferences": [_PREFERENCE],
        },
        "InstanceCount",
    ),
    *(
        _processing(
            "This field is read-only and isn't accepted in CreateProcessingJob requests.",
            {f"{_CLUSTER}.{member}": value},
            member,
        )
        for member, value in (("SelectedInstanceType", "ml.m5.large"), ("SelectedInstanceCount", 1))
    ),
    _transform(
        "The value of MaxPayloadInMB cannot be greater than 100 MB.", {"MaxPayloadInMB": 101}, "greater than 100 MB"
    ),
    _transform(
        "the value of (MaxConcurrentTransforms * MaxPayloadInMB) also cannot exceed 100 MB.",
        {"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2},
        "cannot exceed 100 MB",
    ),
    _transform(
        "ModelName must be the name of an existing Amazon SageMaker model",
        {"ModelName": "no-such-model"},
        "no-such-model",
    ),
    _transform(
        "",
        {"TransformInput.DataSource.S3DataSource.S3DataType": "AugmentedManifestFile"},
        "AugmentedManifestFile is not supported",
    ),
    _transform("", {"DataProcessing.InputFilter": "$[?("}, "InputFilter is not a supported JSONPath"),
    _transform(
        "",
        {"DataProcessing.JoinSource": "Input", "TransformOutput.Accept": "application/json"},
        "of the same format",
    ),
    _tuning(
        "This parameter should be provided only if Hyperband is selected as the strategy for",
        {
            f"{_CONFIG}.Strategy": "Random",
            f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9},
        },
        "StrategyConfig is supported only for the strategy Hyperband",
    ),
    _tuning(
        "TrainingJobEarlyStoppingType must be OFF to use Hyperband.",
        {
            f"{_CONFIG}.Strategy": "Hyperband",
            f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9},
            f"{_CONFIG}.TrainingJobEarlyStoppingType": "Auto",
        },
        "TrainingJobEarlyStoppingType must be Off",
    ),
    _tuning(
        "The maximum value is 20,000 epochs.",
        {
            f"{_CONFIG}.Strategy": "Hyperband",
            f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 20_001},
        },
        "20000",
    ),
    _tuning(
        "the sum of the number of hyperparameters for all the ranges can't exceed the maximum number specified.",
        _ranges(
            IntegerParameterRanges=[_range(f"i{number}", "1", "9") for number in range(16)],
            ContinuousParameterRanges=[_range(f"c{number}", "1", "9") for number in range(15)],
        ),
        "at most 30 hyperparameters",
    ),
    _tuning(
        "That is, the sum of the number of environment variables for all the training job definitions can't exceed the "
        "maximum number specified.",
        {
            f"{_CONFIG}.HyperParameterTuningJobObjective": GONE,
            f"{_CONFIG}.ParameterRanges": GONE,
            "TrainingJobDefinition": GONE,
            "TrainingJobDefinitions": [_with_variables("a", 24), _with_variables("b", 25)],
        },
        "at most 48 environment variables: there are 49",
    ),
    *(
        _tuning(
            "Logarithmic scaling works only for ranges that have only values greater than 0.",
            _ranges(**{kind: [_range("x", "0", "9", "Logarithmic")]}),
            "x",
        )
        for kind in ("IntegerParameterRanges", "ContinuousParameterRanges")
    ),
    _tuning(
        "Reverse logarithmic scaling works only for ranges that are entirely within the range 0<=x<1.0.",
        _ranges(ContinuousParameterRanges=[_range("x", "0", "1", "ReverseLogarithmic")]),
        "x",
    ),
    _tuning("", _ranges(IntegerParameterRanges=[_range("x", "9", "1")]), "x"),
    _tuning(
        "",
        {f"{_CONFIG}.Strategy": "Grid", **_ranges(IntegerParameterRanges=[_range("x", "1", "9")])},
        "Only categorical parameters are supported",
    ),
    _tuning(
        "",
        {
            f"{_LIMITS}.MaxNumberOfTrainingJobs": 10,
            **_ranges(CategoricalParameterRanges=[{"Name": "x", "Values": ["a"]}]),
        },
        "enough combinations",
    ),
    _tuning(
        "do not provide a value for InstanceConfigs.",
        {
            "TrainingJobDefinition.HyperParameterTuningResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
                "InstanceConfigs": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}],
            }
        },
        "cannot be given with InstanceConfigs",
    ),
)
