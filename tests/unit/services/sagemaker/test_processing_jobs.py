"""Processing jobs: what is refused, what their tasks are, and how they go on."""

from typing import Any

import pytest

from sagesmith.compute.base import Channel, ProcessingOutput
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import (
    Task,
    World,
    processing_input,
    processing_job,
    processing_output,
    training_job,
    without,
)

ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/job"
PREFERRED = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2}
CLUSTER = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}


def create(world: World, **changes: Any) -> Params:
    return checked(world, "CreateProcessingJob", **processing_job("Job", **changes))


def started(world: World, **changes: Any) -> Task:
    create(world, **changes)
    world.turn()
    return world.backend.only()


def describe(world: World) -> Params:
    return checked(world, "DescribeProcessingJob", ProcessingJobName="job")


def test_a_job_is_described_as_it_was_asked_for_with_what_aws_fills_in(world: World) -> None:
    assert create(world, Tags=[{"Key": "team", "Value": "red"}]) == {"ProcessingJobArn": ARN}
    described = describe(world)
    assert (described["ProcessingJobArn"], described["ProcessingJobStatus"]) == (ARN, "InProgress")
    assert described["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert described["ProcessingInputs"][0] == {
        "InputName": "input-1",
        "AppManaged": False,
        "S3Input": {
            "S3Uri": "s3://data/rows",
            "LocalPath": "/opt/ml/processing/input",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }
    assert described["ProcessingOutputConfig"]["Outputs"] == [{"AppManaged": False, **processing_output("train")}]
    assert "ProcessingStartTime" not in described
    assert checked(world, "ListTags", ResourceArn=ARN)["Tags"] == [{"Key": "team", "Value": "red"}]


def test_a_job_needs_little(world: World) -> None:
    cluster = without(CLUSTER, "InstanceCount")
    create(
        world,
        AppSpecification={"ImageUri": "i"},
        ProcessingInputs=None,
        ProcessingOutputConfig=None,
        ProcessingResources={"ClusterConfig": cluster},
    )
    assert describe(world)["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    world.turn()
    spec = world.backend.only().spec
    assert (spec.command, spec.arguments, spec.channels, spec.outputs) == ([], [], [], [])


def test_a_task_has_all_that_its_container_is_to_find(world: World) -> None:
    inputs = [
        processing_input("rows", S3DataDistributionType="ShardedByS3Key", S3DataType="ManifestFile"),
        processing_input("pipe", path="/opt/ml/processing/p/", S3InputMode="Pipe", S3CompressionType="Gzip"),
        {"InputName": "own", "AppManaged": True, "S3Input": {"S3Uri": "s3://b/o", "S3DataType": "S3Prefix"}},
    ]
    outputs = [
        processing_output("all", path="/opt/ml/processing"),
        processing_output("live", path="/opt/ml/processing/a/../live", mode="Continuous"),
        {"AppManaged": True, "OutputName": "own", "S3Output": {"S3Uri": "s3://b/o", "S3UploadMode": "EndOfJob"}},
    ]
    task = started(
        world,
        ProcessingInputs=inputs,
        ProcessingOutputConfig={"Outputs": outputs, "KmsKeyId": "key"},
        Environment={"COLOUR": "blue"},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    spec = task.spec
    assert (spec.kind, spec.hosts, spec.host, spec.kms_key_id) == ("process", ["algo-1"], "algo-1", "key")
    assert spec.command == ["python3", "/opt/ml/processing/input/code/preprocess.py"]
    assert spec.arguments == ["--ratio", "0.2"]
    assert spec.max_runtime_seconds == 60
    assert spec.channels == [
        Channel("input", "s3://data/rows", "ManifestFile", "ShardedByS3Key"),
        Channel("p", "s3://data/rows", input_mode="Pipe", compression="Gzip"),
    ]
    assert spec.outputs == [
        ProcessingOutput(".", "s3://out/train"),
        ProcessingOutput("live", "s3://out/train", continuous=True),
    ]
    assert spec.environment["COLOUR"] == "blue"
    assert "AWS_ACCESS_KEY_ID" in spec.environment
    configuration = spec.configuration
    assert (configuration["ProcessingJobName"], configuration["ProcessingJobArn"]) == ("Job", ARN)
    assert len(configuration["ProcessingInputs"]) == len(configuration["ProcessingOutputConfig"]["Outputs"]) == 3
    assert not any(member.startswith("_") for member in configuration)


def test_an_isolated_task_has_neither_network_nor_credentials(world: World) -> None:
    spec = started(world, NetworkConfig={"EnableNetworkIsolation": True}).spec
    assert spec.network_isolation
    assert "AWS_ACCESS_KEY_ID" not in spec.environment


def test_a_job_of_several_instances_has_a_task_a_host(world: World) -> None:
    create(world, ProcessingResources={"ClusterConfig": {**CLUSTER, "InstanceCount": 2}})
    world.turn()
    first, second = world.backend.present.values()
    assert (first.spec.host, second.spec.host) == ("algo-1", "algo-2")
    for task, message in ((first, "a" * 1000), (second, "b" * 1000)):
        task.say("Downloading")
        task.say("Processing")
        task.print(f"from {task.spec.host}")
        task.say("Completed", exit_message=message)
    world.until(lambda: describe(world)["ProcessingJobStatus"] == "Completed")
    assert describe(world)["ExitMessage"] == "a" * 1000 + "b" * 24
    for host in ("algo-1", "algo-2"):
        assert world.log_lines("/aws/sagemaker/ProcessingJobs", f"Job/{host}-") == [f"from {host}"]


def test_a_job_gets_the_instances_that_it_prefers(world: World) -> None:
    preferences = [PREFERRED, {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}]
    create(world, ProcessingResources={"ClusterConfig": {"InstancePreferences": preferences, "VolumeSizeInGB": 1}})
    cluster = describe(world)["ProcessingResources"]["ClusterConfig"]
    assert (cluster["SelectedInstanceType"], cluster["SelectedInstanceCount"]) == ("ml.c5.xlarge", 2)
    world.turn()
    assert [each.instance_type for each in world.backend.started] == ["ml.c5.xlarge"] * 2
    component = checked(world, "DescribeTrialComponent", TrialComponentName="Job-aws-processing-job")
    assert component["Parameters"]["SageMaker.InstanceType"] == {"StringValue": "ml.c5.xlarge"}


def test_a_job_runs_to_its_completion(world: World) -> None:
    task = started(world)
    for state in ("Starting", "Downloading", "Processing", "Uploading"):
        task.say(state)
        world.turn()
        assert describe(world)["ProcessingJobStatus"] == "InProgress"
    assert describe(world)["ProcessingStartTime"] == task.events[1].time
    task.say("Completed", exit_message="rows: 5", exit_code=0)
    world.turn()
    described = describe(world)
    assert (described["ProcessingJobStatus"], described["ExitMessage"]) == ("Completed", "rows: 5")
    assert described["ProcessingEndTime"] == task.events[-1].time
    assert "FailureReason" not in described
    assert world.backend.present == {}
    (summary,) = checked(world, "ListProcessingJobs")["ProcessingJobSummaries"]
    assert summary == {
        member: described[member]
        for member in (
            "ProcessingJobName",
            "ProcessingJobArn",
            "CreationTime",
            "ProcessingEndTime",
            "LastModifiedTime",
            "ProcessingJobStatus",
            "ExitMessage",
        )
    }


def test_a_failed_job_says_why_and_what_it_had_to_say(world: World) -> None:
    task = started(world)
    task.say("Processing")
    task.say("Failed", failure_reason="AlgorithmError: no luck, exit code: 3", exit_message="why")
    world.turn()
    described = describe(world)
    assert described["ProcessingJobStatus"] == "Failed"
    assert (described["FailureReason"], described["ExitMessage"]) == ("AlgorithmError: no luck, exit code: 3", "why")


def test_a_job_that_takes_too_long_is_stopped(world: World) -> None:
    task = started(world)
    task.say("Processing")
    task.say("Stopped", secondary_status="MaxRuntimeExceeded")
    world.turn()
    assert describe(world)["ProcessingJobStatus"] == "Stopped"


def test_a_job_is_stopped_and_then_deleted_and_its_name_is_free(world: World) -> None:
    task = started(world)
    task.say("Processing")
    error = refused(world, "DeleteProcessingJob", ProcessingJobName="job")
    assert (error.code, "is in status InProgress" in error.message) == ("ResourceInUse", True)
    checked(world, "StopProcessingJob", ProcessingJobName="job")
    checked(world, "StopProcessingJob", ProcessingJobName="job")
    world.turn()
    assert task.stopped
    assert describe(world)["ProcessingJobStatus"] == "Stopping"
    task.say("Stopped")
    world.turn()
    assert describe(world)["ProcessingJobStatus"] == "Stopped"
    error = refused(world, "StopProcessingJob", ProcessingJobName="job")
    assert error.message == "The request was rejected because the processing job is in status Stopped."
    checked(world, "DeleteProcessingJob", ProcessingJobName="job")
    error = refused(world, "DescribeProcessingJob", ProcessingJobName="Job")
    assert (error.code, error.message) == ("ValidationException", "Could not find requested job with name: Job")
    create(world)


def test_a_name_is_taken_once(world: World) -> None:
    create(world)
    error = refused(world, "CreateProcessingJob", **processing_job("job"))
    assert error.code == "ResourceInUse"
    assert error.message == (
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({ARN})"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ProcessingInputs": [processing_input("a", path="/opt/ml/input")]}, "below /opt/ml/processing/"),
        ({"ProcessingInputs": [processing_input("a", path="/opt/ml/processing/../x")]}, "below /opt/ml/processing/"),
        ({"ProcessingInputs": [processing_input("a", path="input")]}, "below /opt/ml/processing/"),
        ({"ProcessingInputs": [processing_input("a", path="")]}, "Processing input a needs a LocalPath"),
        (
            {"ProcessingInputs": [processing_input("a"), processing_input("a", path="/opt/ml/processing/b")]},
            "InputName must be unique",
        ),
        (
            {"ProcessingInputs": [processing_input("a"), processing_input("b", path="/opt/ml/processing/./input/")]},
            "LocalPath must be unique",
        ),
        ({"ProcessingInputs": [{"InputName": "a"}]}, "exactly one of S3Input and DatasetDefinition"),
        ({"ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {}}]}, "exactly one of S3Input"),
        ({"ProcessingInputs": [processing_input("a", uri="https://s3/b/k")]}, "begins with s3://"),
        ({"ProcessingInputs": [processing_input("a", S3CompressionType="Gzip")]}, "with S3InputMode Pipe only"),
        (
            {"ProcessingOutputConfig": {"Outputs": [processing_output("a", path="/tmp/x")]}},
            "below /opt/ml/processing/",
        ),
        (
            {"ProcessingOutputConfig": {"Outputs": [processing_output("a"), processing_output("a")]}},
            "OutputName must be unique",
        ),
        ({"ProcessingOutputConfig": {"Outputs": [{"OutputName": "a"}]}}, "exactly one of S3Output"),
        (
            {"ProcessingOutputConfig": {"Outputs": [without(processing_output("a"), "S3Output")]}},
            "exactly one of S3Output",
        ),
        ({"ProcessingResources": {"ClusterConfig": without(CLUSTER, "InstanceType")}}, "exactly one of InstanceType"),
        (
            {"ProcessingResources": {"ClusterConfig": {**CLUSTER, "InstancePreferences": [PREFERRED]}}},
            "exactly one of InstanceType",
        ),
        (
            {"ProcessingResources": {"ClusterConfig": {**CLUSTER, "SelectedInstanceCount": 2}}},
            "SelectedInstanceCount is what DescribeProcessingJob answers",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_stored(world: World, changes: Params, words: str) -> None:
    error = refused(world, "CreateProcessingJob", **processing_job("job", **changes))
    assert error.code == "ValidationException"
    assert words in error.message
    assert checked(world, "ListProcessingJobs")["ProcessingJobSummaries"] == []
    assert checked(world, "ListTrialComponents")["TrialComponentSummaries"] == []


ATHENA = {
    "Catalog": "c",
    "Database": "d",
    "QueryString": "SELECT 1",
    "OutputS3Uri": "s3://b/k",
    "OutputFormat": "PARQUET",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {"AthenaDatasetDefinition": ATHENA}}]},
            "Datasets of Athena's queries are not built yet",
        ),
        (
            {
                "ProcessingOutputConfig": {
                    "Outputs": [
                        {"OutputName": "a", "AppManaged": True, "FeatureStoreOutput": {"FeatureGroupName": "g"}}
                    ]
                }
            },
            "Outputs into the Feature Store are not built yet",
        ),
    ],
)
def test_what_is_not_built_is_refused(world: World, changes: Params, words: str) -> None:
    error = refused(world, "CreateProcessingJob", **processing_job("job", **changes))
    assert (error.code, error.status) == ("NotImplementedException", 501)
    assert words in error.message


def test_a_job_has_a_trial_component_that_follows_it(world: World) -> None:
    task = started(world)
    task.say("Downloading")
    task.say("Completed")
    world.turn()
    component = checked(world, "DescribeTrialComponent", TrialComponentName="Job-aws-processing-job")
    assert component["Source"] == {"SourceArn": ARN, "SourceType": "SageMakerProcessingJob"}
    assert component["Status"] == {"PrimaryStatus": "Completed"}
    assert component["Parameters"]["SageMaker.InstanceCount"] == {"NumberValue": 1.0}
    assert component["InputArtifacts"] == {
        "input-1": {"Value": "s3://data/rows"},
        "code": {"Value": "s3://code/preprocess.py"},
    }
    assert component["OutputArtifacts"] == {"train": {"Value": "s3://out/train"}}
    job = describe(world)
    assert (component["StartTime"], component["EndTime"]) == (job["ProcessingStartTime"], job["ProcessingEndTime"])
    (found,) = checked(world, "Search", Resource="ExperimentTrialComponent")["Results"]
    assert found["TrialComponent"]["SourceDetail"]["ProcessingJob"]["ProcessingJobName"] == "Job"


def test_a_job_that_waits_says_once_in_its_log_what_for(world: World) -> None:
    world.new_loop(concurrency=1)
    world.call("CreateTrainingJob", **training_job("first"))
    world.turn()
    create(world)
    world.turn(3)
    assert [each.job_name for each in world.backend.started] == ["first"]
    (said,) = world.log_lines("/aws/sagemaker/ProcessingJobs", "Job/algo-1-")
    assert said == "Waiting for compute capacity: 1 instances of jobs run at once (SAGESMITH_MAX_JOBS)"
    world.backend.only().say("Completed")
    world.until(lambda: len(world.backend.started) == 2)
    task = world.backend.only()
    task.print("working")
    task.say("Completed")
    world.until(lambda: describe(world)["ProcessingJobStatus"] == "Completed")
    assert world.log_lines("/aws/sagemaker/ProcessingJobs", "Job/") == [said, "working"]


def test_training_and_processing_wait_in_one_line(world: World) -> None:
    world.new_loop(concurrency=1)
    create(world)
    world.turn()
    world.call("CreateTrainingJob", **training_job("second"))
    world.turn()
    assert [each.job_name for each in world.backend.started] == ["Job"]
    world.backend.only().say("Completed")
    world.until(lambda: [each.job_name for each in world.backend.started] == ["Job", "second"])
