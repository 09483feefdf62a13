"""Every member of a Create input is honoured, refused, or said to have no effect; and what Describe adds to it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from sagesmith.services.sagemaker import KINDS
from sagesmith.services.sagemaker.engine import Kind, view_of
from sagesmith.services.sagemaker.engine.idempotency import TOKEN_MEMBERS
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import World, model, training_job, variant, without

SERVICE = botocore.session.get_session().get_service_model("sagemaker")
CONTAINER = (
    "Image",
    "Mode",
    "ModelDataUrl",
    "ModelDataSource.S3DataSource.S3Uri",
    "ModelDataSource.S3DataSource.S3DataType",
    "ModelDataSource.S3DataSource.CompressionType",
    "ModelPackageName",
    "InferenceSpecificationName",
    "Environment",
    "MultiModelConfig.ModelCacheSetting",
)
HONOURED = {
    "Model": {
        "ModelName",
        "ExecutionRoleArn",
        "EnableNetworkIsolation",
        "InferenceExecutionConfig.Mode",
        "Tags",
        *(f"PrimaryContainer.{member}" for member in CONTAINER),
        *(f"Containers[].{member}" for member in (*CONTAINER, "ContainerHostname")),
    },
    "EndpointConfig": {
        "EndpointConfigName",
        *(
            f"{variants}[].{member}"
            for variants in ("ProductionVariants", "ShadowProductionVariants")
            for member in (
                "VariantName",
                "ModelName",
                "InitialInstanceCount",
                "InitialVariantWeight",
                "VolumeSizeInGB",
                "ContainerStartupHealthCheckTimeoutInSeconds",
                "ServerlessConfig",
                "ManagedInstanceScaling.Status",
                "ManagedInstanceScaling.MinInstanceCount",
                "ManagedInstanceScaling.MaxInstanceCount",
            )
        ),
        "ExecutionRoleArn",
        "DataCaptureConfig",
        "AsyncInferenceConfig",
        "EnableNetworkIsolation",
        "Tags",
    },
    "Endpoint": {
        "EndpointName",
        "EndpointConfigName",
        "DeploymentConfig.AutoRollbackConfiguration",
        "DeploymentConfig.BlueGreenUpdatePolicy",
        "DeploymentConfig.RollingUpdatePolicy.MaximumBatchSize",
        "DeploymentConfig.RollingUpdatePolicy.WaitIntervalInSeconds",
        "DeploymentConfig.RollingUpdatePolicy.MaximumExecutionTimeoutInSeconds",
        "Tags",
    },
    "InferenceRecommendationsJob": {
        "JobName",
        "JobType",
        "RoleArn",
        "JobDescription",
        "StoppingConditions",
        "Tags",
        *(
            f"InputConfig.{member}"
            for member in (
                "ModelPackageVersionArn",
                "ModelName",
                "JobDurationInSeconds",
                "TrafficPattern",
                "ResourceLimit.MaxNumberOfTests",
                "ResourceLimit.MaxParallelOfTests",
                "EndpointConfigurations[].InstanceType",
                "EndpointConfigurations[].ServerlessConfig",
                "ContainerConfig.SupportedEndpointType",
                "EndpointConfigurations[].InferenceSpecificationName",
                "EndpointConfigurations[].EnvironmentParameterRanges",
                "ContainerConfig.PayloadConfig",
                "ContainerConfig.SupportedInstanceTypes",
                "Endpoints",
            )
        ),
    },
    "InferenceComponent": {
        "InferenceComponentName",
        "EndpointName",
        "VariantName",
        "Specification.InstanceType",
        "Specification.ModelName",
        "Specification.Container.Image",
        "Specification.Container.ArtifactUrl",
        "Specification.Container.Environment",
        "Specification.StartupParameters.ContainerStartupHealthCheckTimeoutInSeconds",
        "Specification.ComputeResourceRequirements.NumberOfCpuCoresRequired",
        "Specification.ComputeResourceRequirements.NumberOfAcceleratorDevicesRequired",
        "Specification.ComputeResourceRequirements.MinMemoryRequiredInMb",
        "Specification.ComputeResourceRequirements.MaxMemoryRequiredInMb",
        "Specification.SchedulingConfig.PlacementStrategy",
        "RuntimeConfig.CopyCount",
        "Tags",
    },
    "InferenceExperiment": {
        "Name",
        "Type",
        "Schedule",
        "Description",
        "EndpointName",
        "ModelVariants",
        "DataStorageConfig",
        "ShadowModeConfig",
        "Tags",
    },
    "TrainingJob": {
        "TrainingJobName",
        "HyperParameters",
        "AlgorithmSpecification.TrainingImage",
        "AlgorithmSpecification.TrainingInputMode",
        "AlgorithmSpecification.MetricDefinitions",
        "AlgorithmSpecification.ContainerEntrypoint",
        "AlgorithmSpecification.ContainerArguments",
        "RoleArn",
        "InputDataConfig[].ChannelName",
        "InputDataConfig[].DataSource.S3DataSource.S3Uri",
        "InputDataConfig[].DataSource.S3DataSource.S3DataType",
        "InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType",
        "InputDataConfig[].DataSource.S3DataSource.AttributeNames",
        "InputDataConfig[].ContentType",
        "InputDataConfig[].ShuffleConfig",
        "InputDataConfig[].CompressionType",
        "InputDataConfig[].RecordWrapperType",
        "InputDataConfig[].InputMode",
        "CheckpointConfig",
        "TensorBoardOutputConfig",
        "OutputDataConfig",
        "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames",
        "ResourceConfig.InstanceType",
        "ResourceConfig.InstanceCount",
        "ResourceConfig.InstanceGroups",
        "ResourceConfig.KeepAlivePeriodInSeconds",
        "ResourceConfig.SelectedInstanceType",
        "ResourceConfig.SelectedInstanceCount",
        "RetryStrategy",
        "StoppingCondition",
        "EnableNetworkIsolation",
        "EnableManagedSpotTraining",
        "Environment",
        "ExperimentConfig",
        "Tags",
    },
    "HyperParameterTuningJob": {
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobConfig",
        "WarmStartConfig",
        "Autotune",
        "Tags",
        *(
            f"{definition}.{member}"
            for definition in ("TrainingJobDefinition", "TrainingJobDefinitions[]")
            for member in (
                "DefinitionName",
                "TuningObjective",
                "HyperParameterRanges",
                "StaticHyperParameters",
                "HyperParameterTuningResourceConfig",
                "ResourceConfig.SelectedInstanceType",
                "ResourceConfig.SelectedInstanceCount",
            )
        ),
    },
    "ProcessingJob": {
        "ProcessingJobName",
        "ProcessingInputs[].InputName",
        "ProcessingInputs[].AppManaged",
        "ProcessingInputs[].S3Input",
        "ProcessingOutputConfig.Outputs[].OutputName",
        "ProcessingOutputConfig.Outputs[].AppManaged",
        "ProcessingOutputConfig.Outputs[].S3Output",
        "ProcessingOutputConfig.KmsKeyId",
        "ProcessingResources.ClusterConfig.InstanceCount",
        "ProcessingResources.ClusterConfig.InstanceType",
        "ProcessingResources.ClusterConfig.InstancePreferences",
        "ProcessingResources.ClusterConfig.SelectedInstanceType",
        "ProcessingResources.ClusterConfig.SelectedInstanceCount",
        "StoppingCondition",
        "AppSpecification",
        "Environment",
        "NetworkConfig.EnableNetworkIsolation",
        "RoleArn",
        "ExperimentConfig",
        "Tags",
    },
    "TransformJob": {
        "TransformJobName",
        "ModelName",
        "MaxConcurrentTransforms",
        "ModelClientConfig",
        "MaxPayloadInMB",
        "BatchStrategy",
        "Environment",
        "TransformInput",
        "TransformOutput",
        "DataCaptureConfig",
        "TransformResources.InstanceType",
        "TransformResources.InstanceCount",
        "DataProcessing",
        "Tags",
        "ExperimentConfig",
    },
    "Workteam": {"WorkteamName", "WorkforceName", "MemberDefinitions", "Description", "Tags"},
    "ImageVersion": {
        "ImageName",
        "BaseImage",
        "ClientToken",
        "Aliases",
        "VendorGuidance",
        "JobType",
        "MLFramework",
        "ProgrammingLang",
        "Processor",
        "Horovod",
        "ReleaseNotes",
    },
    "Pipeline": {
        "PipelineName",
        "PipelineDisplayName",
        "PipelineDefinition",
        "PipelineDefinitionS3Location",
        "PipelineDescription",
        "ClientRequestToken",
        "RoleArn",
        "Tags",
        "ParallelismConfiguration",
        "PipelineVersionAliases",
    },
}
"""Of kinds whose members something is done with. Of a mere record a member is honoured if Describe shows it."""
every_kind = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if f"Create{kind.noun}" in SERVICE.operation_names], ids=lambda kind: kind.noun
)


def leaves(shape: Any, path: str = "", within: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of all values that a shape may hold."""
    if shape.type_name == "structure" and shape.name not in within:
        for name, member in shape.members.items():
            yield from leaves(member, f"{path}.{name}" if path else name, (*within, shape.name))
    elif shape.type_name == "list":
        yield from leaves(shape.member, f"{path}[]", within)
    else:
        yield path


def below(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))


def of_definitions() -> Iterator[str]:
    """What of a tuning job's training job definitions is honoured because CreateTrainingJob honours it."""
    paths = set(leaves(SERVICE.shape_for("HyperParameterTrainingJobDefinition")))
    for member in HONOURED["TrainingJob"]:
        if any(below(path, member) for path in paths):
            yield from (f"TrainingJobDefinition.{member}", f"TrainingJobDefinitions[].{member}")


HONOURED["HyperParameterTuningJob"].update(of_definitions())


def honoured(kind: Kind) -> set[str]:
    """The members of Create's input that mean what AWS says they mean."""
    return HONOURED.get(kind.noun) or {"Tags", *TOKEN_MEMBERS, *view_of(kind).members}


@every_kind
def test_every_member_of_a_create_input_is_honoured_refused_or_said_to_have_no_effect(kind: Kind) -> None:
    said = {*honoured(kind), *kind.without_effect, *(unbuilt.path for unbuilt in (*kind.unbuilt, *kind.unserved))}
    paths = set(leaves(SERVICE.operation_model(f"Create{kind.noun}").input_shape))
    assert sorted(path for path in paths if not any(below(path, each) for each in said)) == []
    declared = said - honoured(kind) | HONOURED.get(kind.noun, set())
    assert sorted(each for each in declared if not any(below(path, each) for path in paths)) == []


@every_kind
def test_nothing_is_both_honoured_and_without_effect(kind: Kind) -> None:
    assert not HONOURED.get(kind.noun, set()) & kind.without_effect.keys()


def refusal(world: World, operation: str, **params: Any) -> AwsError:
    with pytest.raises(AwsError) as raised:
        world.call(operation, **params)
    return raised.value


def in_service(world: World) -> None:
    """An endpoint `e` of configuration `c`, and another configuration `d`."""
    world.call("CreateModel", **model("m"))
    for name in ("c", "d"):
        world.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant("m")])
    world.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    world.turn()
    world.backend.only().say("Serving")
    world.until(lambda: describe(world)["EndpointStatus"] == "InService")


def describe(world: World) -> Params:
    return world.call("DescribeEndpoint", EndpointName="e")


def test_a_job_is_described_with_the_members_that_aws_fills_in(world: World) -> None:
    world.call("CreateTrainingJob", **without(training_job("j"), "StoppingCondition"))
    described = world.call("DescribeTrainingJob", TrainingJobName="j")
    (channel,) = described["InputDataConfig"]
    assert (channel["CompressionType"], channel["RecordWrapperType"]) == ("None", "None")
    assert channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "FullyReplicated"
    assert described["OutputDataConfig"] == {"KmsKeyId": "", "CompressionType": "GZIP", "S3OutputPath": "s3://out/"}
    assert described["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert described["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] is False
    assert described["ProfilingStatus"] == "Disabled"
    for flag in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
        assert described[flag] is False


def test_a_model_and_a_configuration_are_described_with_the_members_that_aws_fills_in(world: World) -> None:
    world.call("CreateModel", ModelName="m", PrimaryContainer={"Image": "i"})
    described = world.call("DescribeModel", ModelName="m")
    assert described["PrimaryContainer"] == {"Image": "i", "Mode": "SingleModel", "Environment": {}}
    assert described["EnableNetworkIsolation"] is False
    world.call(
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[without(variant("m"), "InitialVariantWeight")],
    )
    described = world.call("DescribeEndpointConfig", EndpointConfigName="c")
    assert described["ProductionVariants"][0]["InitialVariantWeight"] == 1.0
    assert described["EnableNetworkIsolation"] is False


def test_model_data_that_cannot_be_fetched_as_asked_are_refused(world: World) -> None:
    source = {"S3Uri": "s3://b/model", "S3DataType": "S3Object", "CompressionType": "None"}
    container = {"Image": "i", "ModelDataSource": {"S3DataSource": source}}
    world.call("CreateModel", ModelName="m", PrimaryContainer=container)
    world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    error = refusal(world, "CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    assert (error.code, error.status) == ("NotImplementedException", 501)
    container |= {"ModelDataUrl": "s3://b/model.tar.gz"}
    assert "cannot both be given" in refusal(world, "CreateModel", ModelName="m", PrimaryContainer=container).message


@pytest.mark.parametrize(
    ("limits", "secondary"),
    [
        ({"MaxPendingTimeInSeconds": 7200}, "Stopped"),
        ({"MaxWaitTimeInSeconds": 7200}, "MaxWaitTimeExceeded"),
    ],
)
def test_a_job_that_waits_for_longer_than_it_may_is_stopped(
    world: World, limits: dict[str, int], secondary: str
) -> None:
    spot = "MaxWaitTimeInSeconds" in limits
    world.new_loop(concurrency=1)
    world.call("CreateTrainingJob", **training_job("before"))
    world.turn()
    condition = {"MaxRuntimeInSeconds": 3600, **limits}
    world.call("CreateTrainingJob", **training_job("j", StoppingCondition=condition, EnableManagedSpotTraining=spot))
    world.turn()
    document = world.stored("training-job", "j")
    assert document.status == "InProgress"
    with world.store.write() as tx:
        body = {**document.body, "StoppingCondition": {**condition, **dict.fromkeys(limits, -1)}}
        tx.update(replace(document, body=body))
    world.turn()
    described = world.call("DescribeTrainingJob", TrainingJobName="j")
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", secondary)
    assert [each.job_name for each in world.backend.started] == ["before"]


def test_rules_are_shown_as_not_evaluated(world: World) -> None:
    rule = {"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}
    rules = {"DebugRuleConfigurations": [rule], "ProfilerRuleConfigurations": [rule]}
    world.call("CreateTrainingJob", **training_job("j", **rules))
    described = world.call("DescribeTrainingJob", TrainingJobName="j")
    for tool in ("Debug", "Profiler"):
        (status,) = described[f"{tool}RuleEvaluationStatuses"]
        assert (status["RuleConfigurationName"], status["RuleEvaluationStatus"]) == ("r", "Error")
        assert "are not evaluated here" in status["StatusDetails"]


def test_rules_that_are_added_to_a_running_job_are_shown_as_not_evaluated(world: World) -> None:
    world.call("CreateTrainingJob", **training_job("j"))
    rule = {"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}
    world.call("UpdateTrainingJob", TrainingJobName="j", ProfilerRuleConfigurations=[rule])
    described = world.call("DescribeTrainingJob", TrainingJobName="j")
    assert described["ProfilerRuleConfigurations"] == [rule]
    assert described["ProfilerRuleEvaluationStatuses"][0]["RuleEvaluationStatus"] == "Error"


def test_an_update_shows_what_comes_and_keeps_the_old_fleet_as_long_as_it_was_asked_to(world: World) -> None:
    in_service(world)
    (old,) = world.backend.present.values()
    policy = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}}
    deployment = {"BlueGreenUpdatePolicy": {**policy, "TerminationWaitInSeconds": 3000}}
    world.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d", DeploymentConfig=deployment)
    pending = describe(world)["PendingDeploymentSummary"]
    assert (pending["EndpointConfigName"], pending["ProductionVariants"][0]["CurrentInstanceCount"]) == ("d", 0)
    assert pending["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"
    world.turn()
    next(task for task in world.backend.present.values() if task is not old).say("Serving")
    world.until(lambda: describe(world)["EndpointStatus"] == "InService")
    assert describe(world)["LastDeploymentConfig"] == deployment
    instances = world.stored("endpoint", "e").body["_instances"]
    (retired,) = [each for each in instances if each["retire_at"] is not None]
    (serving,) = [each for each in instances if each["retire_at"] is None]
    assert retired["retire_at"] >= serving["serving_since"] + 3000
    world.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c", RetainDeploymentConfig=True)
    assert world.stored("endpoint", "e").body["_next"]["deployment"] == deployment
