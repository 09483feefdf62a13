"""What the engine makes of a declaration: the operations of every kind, checked against the API's model."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sagesmith.services.sagemaker.engine import Kind, handlers_of
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.answers import SERVICE, checked
from tests.unit.services.sagemaker.world import World, model, training_job, variant, without

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def create_model(world: World, name: str) -> None:
    checked(world, "CreateModel", **model(name))


def create_config(world: World, name: str) -> None:
    with contextlib.suppress(AwsError):
        create_model(world, "m")
    checked(world, "CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant("m")])


def create_endpoint(world: World, name: str) -> None:
    with contextlib.suppress(AwsError):
        create_config(world, "c")
    checked(world, "CreateEndpoint", EndpointName=name, EndpointConfigName="c")


def create_repository(world: World, name: str) -> None:
    checked(world, "CreateCodeRepository", CodeRepositoryName=name, GitConfig={"RepositoryUrl": "https://example.com"})


def create_job(world: World, name: str) -> None:
    checked(world, "CreateTrainingJob", **training_job(name))


KINDS = {
    "Model": (create_model, "ListModels", "Models"),
    "EndpointConfig": (create_config, "ListEndpointConfigs", "EndpointConfigs"),
    "Endpoint": (create_endpoint, "ListEndpoints", "Endpoints"),
    "TrainingJob": (create_job, "ListTrainingJobs", "TrainingJobSummaries"),
    "CodeRepository": (create_repository, "ListCodeRepositories", "CodeRepositorySummaryList"),
}
Create = Callable[[World, str], None]
every_kind = pytest.mark.parametrize(("noun", "create", "listing", "items"), [(k, *v) for k, v in KINDS.items()])


@every_kind
def test_what_was_created_is_described_and_listed(
    world: World, noun: str, create: Create, listing: str, items: str
) -> None:
    create(world, "Alpha")
    described = checked(world, f"Describe{noun}", **{f"{noun}Name": "Alpha"})
    assert described[f"{noun}Name"] == "Alpha"
    assert described[f"{noun}Arn"].endswith("/alpha")
    (summary,) = checked(world, listing)[items]
    assert summary == {name: described[name] for name in summary}
    assert {f"{noun}Name", f"{noun}Arn", "CreationTime"} <= summary.keys()


@every_kind
def test_resources_of_two_regions_do_not_mix(world: World, noun: str, create: Create, listing: str, items: str) -> None:
    create(world, "Alpha")
    assert world.call(listing, region="eu-west-1")[items] == []
    with pytest.raises(AwsError):
        world.call(f"Describe{noun}", region="eu-west-1", **{f"{noun}Name": "Alpha"})


@every_kind
def test_pages_follow_each_other_by_name(world: World, noun: str, create: Create, listing: str, items: str) -> None:
    for number in range(25):
        create(world, f"n{number:02}")
    sorting = {"SortBy": "Name", "SortOrder": "Ascending"}
    first = checked(world, listing, **sorting)
    assert [each[f"{noun}Name"] for each in first[items]] == [f"n{number:02}" for number in range(10)]
    create(world, "n00a")
    second = checked(world, listing, **sorting, MaxResults=100, NextToken=first["NextToken"])
    assert [each[f"{noun}Name"] for each in second[items]] == [f"n{number:02}" for number in range(10, 25)]
    assert "NextToken" not in second
    found = checked(world, listing, NameContains="n1", MaxResults=100)
    assert len(found[items]) == 10
    with pytest.raises(AwsError) as refused:
        world.call(listing, NextToken="nonsense")
    assert refused.value.code == "ValidationException"


@every_kind
def test_lists_select_by_time(world: World, noun: str, create: Create, listing: str, items: str) -> None:
    create(world, "one")
    first = world.call(f"Describe{noun}", **{f"{noun}Name": "one"})["CreationTime"]
    while time.time() < first + 0.002:
        pass  # Times are compared as they are shown, in milliseconds.
    create(world, "two")
    later = world.call(f"Describe{noun}", **{f"{noun}Name": "two"})["CreationTime"]
    assert [each[f"{noun}Name"] for each in checked(world, listing, CreationTimeBefore=later)[items]] == ["one"]
    assert checked(world, listing, CreationTimeAfter=later)[items] == []


def test_lists_select_by_status_and_keep_aws_s_default_orders(world: World) -> None:
    for name in ("a", "b", "c"):
        create_job(world, name)
        create_model(world, name)
    assert [each["ModelName"] for each in checked(world, "ListModels")["Models"]] == ["c", "b", "a"]
    jobs = checked(world, "ListTrainingJobs")["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in jobs] == ["a", "b", "c"]
    world.call("StopTrainingJob", TrainingJobName="b")
    stopping = checked(world, "ListTrainingJobs", StatusEquals="Stopping", SortBy="Status")["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in stopping] == ["b"]
    assert checked(world, "ListTrainingJobs", WarmPoolStatusEquals="InUse")["TrainingJobSummaries"] == []


def test_a_name_that_differs_in_case_only_is_taken(world: World) -> None:
    create_model(world, "Model-A")
    with pytest.raises(AwsError) as refused:
        create_model(world, "model-a")
    assert refused.value.message == f'Cannot create already existing model "{ARN}:model/model-a".'
    assert refused.value.code == "ValidationException"


def test_a_taken_name_and_a_missing_resource_are_refused_in_aws_s_words(world: World) -> None:
    for name, (create, _, _) in KINDS.items():
        create(world, "x")
        with pytest.raises(AwsError) as refused:
            create(world, "x")
        said = {
            "Model": ("ValidationException", f'Cannot create already existing model "{ARN}:model/x".'),
            "EndpointConfig": (
                "ValidationException",
                f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/x".',
            ),
            "Endpoint": ("ValidationException", f'Cannot create already existing endpoint "{ARN}:endpoint/x".'),
            "TrainingJob": (
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, "
                f"and a training job with this name already exists ({ARN}:training-job/x)",
            ),
            "CodeRepository": (
                "ValidationException",
                f'Cannot create already existing CodeRepository: "{ARN}:code-repository/x"',
            ),
        }[name]
        assert (refused.value.code, refused.value.message) == said
    missing = {
        "DescribeModel": f'Could not find model "{ARN}:model/y".',
        "DeleteModel": f'Could not find model "{ARN}:model/y".',
        "DescribeEndpointConfig": f'Could not find endpoint configuration "{ARN}:endpoint-config/y".',
        "DeleteEndpoint": f'Could not find endpoint "{ARN}:endpoint/y".',
        "StopTrainingJob": "Requested resource not found.",
        "UpdateCodeRepository": f'Cannot find CodeRepository: "{ARN}:code-repository/y"',
    }
    for operation, message in missing.items():
        (name_member,) = [
            each for each in SERVICE.operation_model(operation).input_shape.members if each.endswith("Name")
        ]
        with pytest.raises(AwsError) as refused:
            world.call(operation, **{name_member: "y"})
        assert (refused.value.code, refused.value.message) == ("ValidationException", message)


def test_a_configuration_needs_its_models_and_an_endpoint_its_configuration(world: World) -> None:
    with pytest.raises(AwsError, match=f'Could not find model "{ARN}:model/gone"'):
        world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("gone")])
    with pytest.raises(AwsError, match=f'Could not find endpoint configuration "{ARN}:endpoint-config/gone"'):
        world.call("CreateEndpoint", EndpointName="e", EndpointConfigName="gone")
    assert world.call("ListEndpointConfigs")["EndpointConfigs"] == []
    assert world.call("ListEndpoints")["Endpoints"] == []


CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://c/",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
SERVERLESS = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
PIPELINE = without(model("m"), "PrimaryContainer") | {"Containers": [{"Image": "a"}, {"Image": "b"}]}
UNSERVED = [
    (model("m"), {"ProductionVariants": [variant("m", ManagedInstanceScaling={"Status": "ENABLED"})]}),
    (model("m"), {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://o/"}}, "DataCaptureConfig": CAPTURE}),
]


@pytest.mark.parametrize(("asked", "config"), UNSERVED)
def test_models_and_configurations_are_records_of_what_no_endpoint_serves_yet(
    world: World, asked: Params, config: Params
) -> None:
    world.call("CreateModel", **asked)
    config = {"ProductionVariants": [variant("m")], **config}
    world.call("CreateEndpointConfig", EndpointConfigName="c", **config)
    described = world.call("DescribeEndpointConfig", EndpointConfigName="c")
    assert {**described, **without(config, "ProductionVariants")}.keys() == described.keys()
    with pytest.raises(AwsError, match="not built yet") as refused:
        world.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    assert (refused.value.code, refused.value.status) == ("NotImplementedException", 501)
    assert world.call("ListEndpoints")["Endpoints"] == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"MemorySizeInMB": 1111, "MaxConcurrency": 5},
            "Value '1111' at 'productionVariants.1.member.serverlessConfig.memorySizeInMB' failed to satisfy "
            "constraint: Member must satisfy enum value set: [1024, 2048, 3072, 4096, 5120, 6144]",
        ),
        (
            {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 6},
            "Value '6' at 'productionVariants.1.member.serverlessConfig.provisionedConcurrency' failed to satisfy "
            "constraint: Member must have value less than or equal to 5",
        ),
    ],
)
def test_a_serverless_variant_has_whole_gigabytes_and_provisions_no_more_than_it_may_have(
    world: World, config: Params, said: str
) -> None:
    create_model(world, "m")
    variants = [{**SERVERLESS, "ServerlessConfig": config}]
    with pytest.raises(AwsError) as refused:
        world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=variants)
    assert (refused.value.code, refused.value.message) == (
        "ValidationException",
        f"1 validation error detected: {said}",
    )
    assert world.call("ListEndpointConfigs")["EndpointConfigs"] == []


FILE_SYSTEM = {
    "FileSystemDataSource": {
        "FileSystemId": "fs-0123456789abcdef0",
        "FileSystemAccessMode": "ro",
        "FileSystemType": "EFS",
        "DirectoryPath": "/data",
    }
}
UNBUILT_JOBS = [
    ({"InputDataConfig": [{"ChannelName": "train", "DataSource": FILE_SYSTEM}]}, "no EFS or FSx file systems here"),
    ({"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "Remote debugging"),
]
GROUP = {"InstanceGroupName": "workers", "InstanceType": "ml.m5.large", "InstanceCount": 2}


def for_groups(*names: str) -> Params:
    (channel,) = training_job("j")["InputDataConfig"]
    source = {**channel["DataSource"]["S3DataSource"], "InstanceGroupNames": list(names)}
    return {**channel, "DataSource": {"S3DataSource": source}}


BAD_JOBS = [
    ({"InputDataConfig": training_job("j")["InputDataConfig"] * 2}, "unique"),
    ({"CheckpointConfig": {"S3Uri": "s3://x/y", "LocalPath": "/etc"}}, "Invalid CheckpointConfig LocalPath /etc"),
    ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds"),
    ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "TrainingImage"),
    ({"AlgorithmSpecification": None}, "AlgorithmSpecification"),
    ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 0, "VolumeSizeInGB": 1}}, "at least 1"),
    ({"ResourceConfig": {"InstanceGroups": [GROUP, GROUP]}}, "unique within a training job: workers"),
    ({"ResourceConfig": {"InstanceGroups": [GROUP], "InstanceType": "ml.m5.large"}}, "cannot also have"),
    ({"ResourceConfig": {"InstanceGroups": [{**GROUP, "InstanceCount": 0}]}}, "at least 1"),
    ({"InputDataConfig": [for_groups("others")], "ResourceConfig": {"InstanceGroups": [GROUP]}}, "group others"),
]


@pytest.mark.parametrize(("changes", "said"), UNBUILT_JOBS)
def test_a_job_that_asks_for_what_is_not_built_is_refused(world: World, changes: Params, said: str) -> None:
    with pytest.raises(AwsError, match=said) as refused:
        world.call("CreateTrainingJob", **training_job("job", **changes))
    assert (refused.value.code, refused.value.status) == ("NotImplementedException", 501)
    assert world.call("ListTrainingJobs")["TrainingJobSummaries"] == []


@pytest.mark.parametrize(("changes", "said"), BAD_JOBS)
def test_a_job_that_cannot_run_as_asked_is_refused(world: World, changes: Params, said: str) -> None:
    with pytest.raises(AwsError, match=said) as refused:
        world.call("CreateTrainingJob", **training_job("job", **changes))
    assert refused.value.code == "ValidationException"
    assert world.call("ListTrainingJobs")["TrainingJobSummaries"] == []


def test_tags_come_with_a_resource_and_change_by_its_arn(world: World) -> None:
    world.call("CreateModel", **model("m", Tags=[{"Key": "team", "Value": "a"}]))
    arn = f"{ARN}:model/m"
    assert checked(world, "ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    added = checked(world, "AddTags", ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}])
    assert {"Key": "team", "Value": "b"} in added["Tags"]
    assert world.call("DeleteTags", ResourceArn=arn, TagKeys=["team"]) == {}
    assert checked(world, "ListTags", ResourceArn=arn)["Tags"] == [{"Key": "x", "Value": ""}]
    world.call("DeleteModel", ModelName="m")
    with pytest.raises(AwsError, match="Could not find model"):
        world.call("ListTags", ResourceArn=arn)
    create_model(world, "m")
    assert world.call("ListTags", ResourceArn=arn)["Tags"] == []


def test_tags_are_limited_reserved_and_unique(world: World) -> None:
    arn = f"{ARN}:model/m"
    for tags in ([{"Key": "aws:x", "Value": ""}], [{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}]):
        with pytest.raises(AwsError) as refused:
            world.call("CreateModel", **model("m", Tags=tags))
        assert refused.value.code == "ValidationException"
    world.call("CreateModel", **model("m", Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)]))
    with pytest.raises(AwsError, match="limited to 50"):
        world.call("AddTags", ResourceArn=arn, Tags=[{"Key": "one-more", "Value": ""}])
    world.call("AddTags", ResourceArn=arn, Tags=[{"Key": "k7", "Value": "changed"}])
    assert len(world.call("ListTags", ResourceArn=arn)["Tags"]) == 50


def test_a_kind_of_its_own_needs_nothing_but_its_declaration(world: World) -> None:
    world.operations |= handlers_of(world.home, [Kind(noun="AppImageConfig")])
    kernels = {"KernelSpecs": [{"Name": "python3"}]}
    checked(world, "CreateAppImageConfig", AppImageConfigName="Config", KernelGatewayImageConfig=kernels)
    described = checked(world, "DescribeAppImageConfig", AppImageConfigName="config")
    assert (described["AppImageConfigName"], described["KernelGatewayImageConfig"]) == ("Config", kernels)
    after = described["CreationTime"] - 1
    (listed,) = checked(world, "ListAppImageConfigs", ModifiedTimeAfter=after)["AppImageConfigs"]
    assert listed == described
    changed = {"KernelSpecs": [{"Name": "r"}]}
    checked(world, "UpdateAppImageConfig", AppImageConfigName="CONFIG", KernelGatewayImageConfig=changed)
    described = checked(world, "DescribeAppImageConfig", AppImageConfigName="config")
    assert (described["AppImageConfigName"], described["KernelGatewayImageConfig"]) == ("Config", changed)
    checked(world, "DeleteAppImageConfig", AppImageConfigName="config")
    assert checked(world, "ListAppImageConfigs")["AppImageConfigs"] == []


def test_a_declaration_that_is_silent_about_a_filter_is_refused_at_the_start(world: World) -> None:
    with pytest.raises(LookupError, match="AppTypeEquals"):
        handlers_of(world.home, [Kind(noun="StudioLifecycleConfig")])


def test_of_many_that_create_one_name_at_once_one_succeeds(world: World) -> None:
    def attempt(number: int) -> str:
        try:
            return str(world.call("CreateModel", **model("m"))["ModelArn"])
        except AwsError as error:
            return error.code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attempt, range(32)))
    assert sorted(answers) == ["ValidationException"] * 31 + [f"{ARN}:model/m"]
