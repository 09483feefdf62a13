"""Transform jobs: what is refused, what their tasks are, and how they go on."""

import time
from typing import Any

import pytest

from sagesmith.compute.base import AgentLine, Transform
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import Task, World, model, transform_job

ARN = "arn:aws:sagemaker:us-east-1:123456789012:transform-job/job"
GROUP = "/aws/sagemaker/TransformJobs"


def create(world: World, **changes: Any) -> Params:
    return checked(world, "CreateTransformJob", **transform_job("Job", "m", **changes))


def started(world: World, **changes: Any) -> Task:
    create(world, **changes)
    world.turn()
    return world.backend.only()


def describe(world: World) -> Params:
    return checked(world, "DescribeTransformJob", TransformJobName="job")


@pytest.fixture(autouse=True)
def model_m(world: World) -> None:
    world.call("CreateModel", **model("m"))


def test_a_job_is_described_as_it_was_asked_for_with_what_aws_fills_in(world: World) -> None:
    assert create(world, Tags=[{"Key": "team", "Value": "red"}]) == {"TransformJobArn": ARN}
    described = describe(world)
    assert (described["TransformJobArn"], described["TransformJobStatus"]) == (ARN, "InProgress")
    assert described["TransformInput"]["CompressionType"] == "None"
    assert described["TransformOutput"]["KmsKeyId"] == ""
    assert described["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert "TransformStartTime" not in described
    assert checked(world, "ListTags", ResourceArn=ARN)["Tags"] == [{"Key": "team", "Value": "red"}]


def test_a_task_has_all_that_it_is_to_do(world: World) -> None:
    world.call("CreateModel", **model("other", EnableNetworkIsolation=True))
    request = transform_job("Job", "other")
    task = started(
        world,
        ModelName="other",
        MaxPayloadInMB=2,
        MaxConcurrentTransforms=3,
        ModelClientConfig={"InvocationsTimeoutInSeconds": 30, "InvocationsMaxRetries": 0},
        Environment={"SAGEMAKER_PROGRAM": "mine.py", "COLOUR": "blue"},
        TransformInput={**request["TransformInput"], "CompressionType": "Gzip"},
        TransformOutput={**request["TransformOutput"], "KmsKeyId": "key"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input"},
        DataCaptureConfig={"DestinationS3Uri": "s3://captured", "GenerateInferenceId": True},
    )
    spec = task.spec
    assert (spec.kind, spec.hosts, spec.kms_key_id, spec.network_isolation) == ("transform", ["algo-1"], "key", True)
    assert (spec.model_data, spec.code) == ("s3://out/job/output/model.tar.gz", "s3://out/sourcedir.tar.gz")
    assert spec.transform is not None
    assert spec.transform == Transform(
        run=spec.transform.run,
        s3_uri="s3://data/rows/",
        output_uri="s3://out/predictions",
        content_type="text/csv",
        compression="Gzip",
        split="Line",
        strategy="MultiRecord",
        accept="text/csv",
        assemble_with="Line",
        max_payload_mb=2,
        max_concurrent=3,
        timeout_seconds=30,
        max_retries=0,
        input_filter="$[1:]",
        join_input=True,
        capture_uri="s3://captured",
        inference_ids=True,
    )
    environment = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "30",
        "SAGEMAKER_PROGRAM": "mine.py",
        "COLOUR": "blue",
    }
    assert environment.items() <= spec.environment.items()


def test_a_container_is_not_told_what_the_job_does_not_say(world: World) -> None:
    environment = started(world, BatchStrategy=None, MaxConcurrentTransforms=0).spec.environment
    assert {each for each in environment if each.startswith("SAGEMAKER_")} == {
        "SAGEMAKER_BATCH",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        "SAGEMAKER_PROGRAM",
        "SAGEMAKER_SUBMIT_DIRECTORY",
    }


def test_a_job_goes_on_with_a_model_that_was_deleted(world: World) -> None:
    create(world)
    checked(world, "DeleteModel", ModelName="m")
    world.turn()
    assert world.backend.only().spec.model_data == "s3://out/job/output/model.tar.gz"


def test_a_job_runs_to_its_completion(world: World) -> None:
    task = started(world)
    for state in ("Starting", "Downloading", "Transforming"):
        task.say(state)
        world.turn()
        assert describe(world)["TransformJobStatus"] == "InProgress"
    assert describe(world)["TransformStartTime"] == task.events[1].time
    task.say("Completed")
    world.turn()
    described = describe(world)
    assert described["TransformJobStatus"] == "Completed"
    assert described["TransformEndTime"] == task.events[-1].time
    (summary,) = checked(world, "ListTransformJobs", StatusEquals="Completed")["TransformJobSummaries"]
    assert summary.keys() == {
        "TransformJobName",
        "TransformJobArn",
        "CreationTime",
        "TransformEndTime",
        "LastModifiedTime",
        "TransformJobStatus",
    }
    assert summary["LastModifiedTime"] >= summary["TransformEndTime"]
    assert checked(world, "ListTransformJobs", StatusEquals="Failed")["TransformJobSummaries"] == []


def test_what_the_agent_says_of_the_data_has_a_stream_beside_the_containers(world: World) -> None:
    task = started(world)
    task.say("Transforming")
    now = int(time.time() * 1000)
    task.lines += [(now, "loading"), (now, AgentLine("of data")), (now, "predicting"), (now, AgentLine("more"))]
    task.say("Completed")
    world.until(lambda: describe(world)["TransformJobStatus"] == "Completed")
    with world.store.read() as tx:
        streams = [each.name for each in tx.log_streams("us-east-1", GROUP, "Job/")[0]]
    program, data = sorted(streams)
    assert program.startswith("Job/i-")
    assert data == f"{program}/data-log"
    assert world.log_lines(GROUP, data) == ["of data", "more"]
    assert sorted(world.log_lines(GROUP, "Job/")) == ["loading", "more", "of data", "predicting"]


def test_a_lost_task_is_followed_by_another_that_knows_its_run(world: World) -> None:
    first = started(world)
    first.say("Downloading")
    world.turn()
    began = describe(world)["TransformStartTime"]
    first.alive = False
    world.until(lambda: len(world.backend.started) == 2)
    one, two = world.backend.started
    assert one.transform is not None
    assert two.transform is not None
    assert (one.attempt, two.attempt) == (1, 2)
    assert (one.transform.run, one.transform.started_at) == (two.transform.run, None)
    assert two.transform.started_at == began
    assert one.id != two.id


def test_a_job_is_tried_again_three_times(world: World) -> None:
    create(world)
    for attempt in range(1, 5):
        world.until(lambda attempt=attempt: len(world.backend.started) == attempt)  # type: ignore[misc]
        world.backend.only().alive = False
    world.until(lambda: describe(world)["TransformJobStatus"] == "Failed")
    assert describe(world)["FailureReason"].startswith("InternalServerError: the node agent ended")


def test_a_model_that_fails_is_not_tried_again(world: World) -> None:
    task = started(world)
    task.say("Failed", failure_reason="AlgorithmError: See job logs for more information")
    world.turn()
    assert describe(world)["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert len(world.backend.started) == 1


def test_several_instances_have_a_task_each(world: World) -> None:
    create(world, TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    world.turn()
    assert [spec.host for spec in world.backend.started] == ["algo-1", "algo-2"]
    for task in world.backend.present.values():
        task.say("Transforming")
        task.print(f"from {task.spec.host}")
        task.say("Completed")
    world.until(lambda: describe(world)["TransformJobStatus"] == "Completed")
    assert sorted(world.log_lines(GROUP, "Job/i-")) == ["from algo-1", "from algo-2"]


def test_a_job_is_stopped(world: World) -> None:
    task = started(world)
    checked(world, "StopTransformJob", TransformJobName="job")
    checked(world, "StopTransformJob", TransformJobName="job")
    world.turn()
    assert task.stopped
    assert describe(world)["TransformJobStatus"] == "Stopping"
    task.say("Stopped")
    world.turn()
    assert describe(world)["TransformJobStatus"] == "Stopped"
    error = refused(world, "StopTransformJob", TransformJobName="job")
    assert error.message == "The request was rejected because the transform job is in status Stopped."


def test_a_job_has_a_trial_component_that_follows_it(world: World) -> None:
    task = started(world)
    task.say("Downloading")
    task.say("Completed")
    world.turn()
    component = checked(world, "DescribeTrialComponent", TrialComponentName="Job-aws-transform-job")
    assert component["Source"] == {"SourceArn": ARN, "SourceType": "SageMakerTransformJob"}
    assert component["Status"] == {"PrimaryStatus": "Completed"}
    assert component["Parameters"]["SageMaker.ModelName"] == {"StringValue": "m"}
    assert component["InputArtifacts"] == {
        "SageMaker.TransformInput": {"Value": "s3://data/rows/", "MediaType": "text/csv"}
    }
    assert component["OutputArtifacts"] == {"SageMaker.TransformOutput": {"Value": "s3://out/predictions"}}
    (found,) = checked(world, "Search", Resource="ExperimentTrialComponent")["Results"]
    assert found["TrialComponent"]["SourceDetail"]["TransformJob"]["TransformJobName"] == "Job"


def _input(**changes: Any) -> Params:
    source: Params = transform_job("Job", "m")["TransformInput"]
    data = {**source["DataSource"]["S3DataSource"]}
    data |= {member: changes.pop(member) for member in ("S3DataType", "S3Uri") if member in changes}
    return {"TransformInput": {**source, "DataSource": {"S3DataSource": data}, **changes}}


def _output(**changes: Any) -> Params:
    return {"TransformOutput": {**transform_job("Job", "m")["TransformOutput"], **changes}}


JOIN = {"DataProcessing": {"JoinSource": "Input"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_input(S3Uri="https://s3/b/k"), "S3Uri must begin with s3://"),
        (_output(S3OutputPath="https://s3/b/k"), "S3OutputPath must begin with s3://"),
        (_input(S3DataType="AugmentedManifestFile"), "AugmentedManifestFile is not supported"),
        ({"MaxPayloadInMB": 101}, "cannot be greater than 100 MB"),
        ({"MaxPayloadInMB": 26, "MaxConcurrentTransforms": 4}, "cannot exceed 100 MB: it is 104 MB"),
        ({"MaxConcurrentTransforms": 17}, "cannot exceed 100 MB: it is 102 MB"),
        ({"DataProcessing": {"InputFilter": "features"}}, "InputFilter is not a supported JSONPath expression"),
        ({"DataProcessing": {"OutputFilter": "$..id"}}, "OutputFilter is not a supported JSONPath expression"),
        ({**JOIN, **_input(ContentType="image/png")}, "needs a ContentType that is one of text/csv"),
        ({**JOIN, **_output(Accept="application/json")}, "ContentType and Accept of the same format"),
        ({**JOIN, "MaxPayloadInMB": 0}, "MaxPayloadInMB 0 sends objects as a stream"),
        ({"ModelName": "nobody"}, "Could not find model"),
    ],
    ids=[
        "input",
        "output",
        "augmented",
        "payload",
        "product",
        "default-product",
        "input-filter",
        "output-filter",
        "content-type",
        "accept",
        "stream",
        "model",
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_stored(world: World, changes: Params, words: str) -> None:
    error = refused(world, "CreateTransformJob", **transform_job("job", "m") | changes)
    assert error.code == "ValidationException"
    assert words in error.message
    assert checked(world, "ListTransformJobs")["TransformJobSummaries"] == []
    assert checked(world, "ListTrialComponents")["TrialComponentSummaries"] == []


def test_what_is_not_built_is_refused(world: World) -> None:
    error = refused(world, "CreateTransformJob", **transform_job("job", "m") | _input(S3DataType="Converse"))
    assert (error.code, error.status) == ("NotImplementedException", 501)


def pipeline(world: World, name: str, mode: str) -> None:
    """A model of two containers, `a` and `b`."""
    container = model("x")["PrimaryContainer"] | {"Environment": {"COLOUR": "red"}}
    containers = [container | {"ContainerHostname": each} for each in "ab"]
    execution = {"Mode": mode}
    world.call("CreateModel", ModelName=name, Containers=containers, InferenceExecutionConfig=execution)


def test_data_goes_through_all_containers_of_a_model(world: World) -> None:
    pipeline(world, "two", "Serial")
    world.call("CreateTransformJob", **transform_job("job", "two", Environment={"FLAVOUR": "sour"}))
    world.until(lambda: bool(world.backend.started))
    containers = world.backend.only().spec.containers
    assert [each.name for each in containers] == ["a", "b"]
    assert {"COLOUR": "red", "FLAVOUR": "sour", "SAGEMAKER_BATCH": "true"}.items() <= containers[1].environment.items()
    assert "COLOUR" not in world.backend.only().spec.environment


def test_a_model_whose_containers_are_named_by_requests_transforms_nothing(world: World) -> None:
    pipeline(world, "two", "Direct")
    error = refused(world, "CreateTransformJob", **transform_job("job", "two"))
    assert error.code == "ValidationException"
    assert "Mode Direct" in error.message


def test_a_name_is_taken_once(world: World) -> None:
    create(world)
    error = refused(world, "CreateTransformJob", **transform_job("job", "m"))
    assert error.code == "ResourceInUse"
    assert ARN in error.message
