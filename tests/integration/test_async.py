"""InvokeEndpointAsync on a real platform: taken at once, answered in S3, whatever goes wrong."""

import base64
import contextlib
import json
import os
import queue
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

SCRIPT = """
import json, os, time

def model_fn(model_dir):
    return 2

def input_fn(body, content_type):
    return content_type, bytes(body)

def predict_fn(data, model):
    content_type, body = data
    if body == b"raise":
        raise RuntimeError("asked to raise")
    if body.startswith(b"die until") and time.time() < float(body.split()[2]):
        os._exit(1)
    if body.startswith(b"sleep"):
        time.sleep(float(body.split()[1]))
    if body == b"pieces":
        return (b"%d\\n" % each for each in range(3))
    return json.dumps({"type": content_type, "size": len(body), "start": body[:20].decode()})

def output_fn(prediction, accept):
    return prediction, accept
"""


def configuration(platform: Running, name: str, **asynchronous: Any) -> None:
    """A configuration of the model of that name, in place of the one that is there."""
    client = platform.client("sagemaker")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m4.xlarge",
    }
    client.create_endpoint_config(
        EndpointConfigName=f"{name}-async",
        ProductionVariants=[variant],
        AsyncInferenceConfig={
            "OutputConfig": {
                "S3OutputPath": f"s3://{jobs.BUCKET}/async/out",
                "S3FailurePath": f"s3://{jobs.BUCKET}/async/failed/",
            },
            **asynchronous,
        },
    )


def asynchronous_endpoint(platform: Running, **asynchronous: Any) -> str:
    called = jobs.endpoint(platform, {"inference.py": SCRIPT})
    configuration(platform, called, **asynchronous)
    name = f"{called}-async"
    platform.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


@pytest.fixture(scope="module")
def endpoint(platform: Running) -> str:
    return asynchronous_endpoint(platform, ClientConfig={"MaxConcurrentInvocationsPerInstance": 2})


def ask(platform: Running, endpoint: str, body: bytes | None = None, **members: Any) -> dict[str, Any]:
    if body is not None:
        members["InputLocation"] = jobs.upload(platform, f"async/in/{jobs.name('i')}", body)
    runtime = platform.client("sagemaker-runtime")
    answer: dict[str, Any] = runtime.invoke_endpoint_async(
        EndpointName=endpoint, **{"ContentType": "text/plain", "Accept": "application/json", **members}
    )
    return answer


def found(platform: Running, uri: str) -> dict[str, Any] | None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        answer: dict[str, Any] = platform.client("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return answer


def outcome(platform: Running, asked: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether it succeeded, and the object that says how."""
    while True:
        for succeeded, member in ((True, "OutputLocation"), (False, "FailureLocation")):
            if (one := found(platform, asked[member])) is not None:
                return succeeded, one
        time.sleep(0.05)


def test_an_input_in_s3_is_answered_in_s3(platform: Running, endpoint: str) -> None:
    asked = ask(platform, endpoint, b"1,2,3", InferenceId="my-id")
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert asked["InferenceId"] == "my-id"
    assert asked["OutputLocation"].startswith(f"s3://{jobs.BUCKET}/async/out/")
    assert asked["OutputLocation"].endswith(".out")
    assert asked["FailureLocation"].endswith("-error.out")
    succeeded, answer = outcome(platform, asked)
    assert succeeded
    assert answer["ContentType"] == "application/json"
    assert json.loads(answer["Body"].read()) == {"type": "text/plain", "size": 5, "start": "1,2,3"}


def test_an_input_may_come_with_the_request_and_its_answer_go_where_it_says(platform: Running, endpoint: str) -> None:
    asked = ask(platform, endpoint, Body=b"inline", S3OutputPathExtension="a/b", Filename="mine.json")
    assert asked["OutputLocation"] == f"s3://{jobs.BUCKET}/async/out/a/b/mine.json"
    succeeded, answer = outcome(platform, asked)
    assert succeeded
    assert json.loads(answer["Body"].read())["start"] == "inline"


def test_an_input_that_is_not_there_is_a_failure(platform: Running, endpoint: str) -> None:
    asked = ask(platform, endpoint, InputLocation=f"s3://{jobs.BUCKET}/async/in/no-such-input")
    succeeded, answer = outcome(platform, asked)
    assert not succeeded
    assert "async/in/no-such-input" in answer["Body"].read().decode()


def test_an_error_of_the_model_is_a_failure_that_quotes_it(platform: Running, endpoint: str) -> None:
    succeeded, answer = outcome(platform, ask(platform, endpoint, b"raise"))
    assert not succeeded
    text = answer["Body"].read().decode()
    assert text.startswith("Received server error (500) from primary")
    assert "asked to raise" in text


def test_a_request_outlives_the_model_server_that_had_it(platform: Running, endpoint: str) -> None:
    succeeded, _ = outcome(platform, ask(platform, endpoint, b"die until %f" % (time.time() + 0.5)))
    assert succeeded


def test_an_answer_in_pieces_becomes_one_object(platform: Running, endpoint: str) -> None:
    succeeded, answer = outcome(platform, ask(platform, endpoint, b"pieces"))
    assert succeeded
    assert answer["Body"].read() == b"0\n1\n2\n"


def test_an_input_of_64_mb_passes(platform: Running, endpoint: str) -> None:
    succeeded, answer = outcome(platform, ask(platform, endpoint, b"x" * (64 << 20)))
    assert succeeded
    assert json.loads(answer["Body"].read())["size"] == 64 << 20


def test_a_request_that_takes_too_long_is_a_failure(platform: Running, endpoint: str) -> None:
    succeeded, answer = outcome(platform, ask(platform, endpoint, b"sleep 3", InvocationTimeoutSeconds=1))
    assert not succeeded
    assert "timed out" in answer["Body"].read().decode()


def test_an_endpoint_without_instances_keeps_what_it_is_asked_and_its_backlog_brings_it_back(platform: Running) -> None:
    endpoint = asynchronous_endpoint(platform)
    sagemaker, scaling = platform.client("sagemaker"), platform.client("application-autoscaling")
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}],
    )
    (variant,) = jobs.wait_endpoint(platform, endpoint)["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (0, 0)
    asked = [ask(platform, endpoint, Body=b"%d" % each) for each in range(3)]
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
    policy = scaling.put_scaling_policy(
        **target,
        PolicyName="from-zero",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    platform.client("cloudwatch").put_metric_alarm(
        AlarmName=endpoint,
        AlarmActions=[policy["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
        Statistic="Average",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    for each, one in enumerate(asked):
        succeeded, answer = outcome(platform, one)
        assert succeeded
        assert json.loads(answer["Body"].read())["start"] == str(each)
    # More than a model server takes at once: the last one waits, and nobody will take it.
    *_, last = [ask(platform, endpoint, Body=b"sleep 600") for _ in range(6)]
    sagemaker.delete_endpoint(EndpointName=endpoint)
    succeeded, answer = outcome(platform, last)
    assert not succeeded
    assert b"was deleted before the request was processed" in answer["Body"].read()


def test_the_life_of_requests_is_measured(platform: Running, endpoint: str) -> None:
    assert outcome(platform, ask(platform, endpoint, b"1"))[0]
    assert not outcome(platform, ask(platform, endpoint, b"raise"))[0]
    of_endpoint = [{"Name": "EndpointName", "Value": endpoint}]
    of_variant = [*of_endpoint, {"Name": "VariantName", "Value": "AllTraffic"}]
    wanted = {
        **dict.fromkeys(("ApproximateBacklogSize", "ApproximateBacklogSizePerInstance"), of_endpoint),
        **dict.fromkeys(("ApproximateAgeOfOldestRequest", "HasBacklogWithoutCapacity"), of_endpoint),
        **dict.fromkeys(("TotalProcessingTime", "TimeInBacklog", "ModelLatency", "RequestDownloadLatency"), of_variant),
        **dict.fromkeys(("InvocationsProcesssed", "InvocationFailures", "ResponseUploadLatency"), of_variant),
        **dict.fromkeys(("Invocation4XXErrors", "Invocation5XXErrors"), of_variant),
    }
    cloudwatch = platform.client("cloudwatch")

    def missing() -> set[str]:
        found = cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker", Dimensions=of_endpoint)
        there = {(each["MetricName"], len(each["Dimensions"])) for page in found for each in page["Metrics"]}
        return {name for name, dimensions in wanted.items() if (name, len(dimensions)) not in there}

    while missing():
        time.sleep(0.2)

    group = f"/aws/sagemaker/Endpoints/{endpoint}"

    def told() -> list[str]:
        return [line for line in jobs.log_lines(platform, group, "AllTraffic/i-") if "[sagemaker logs]" in line]

    while not any("Inference request succeeded. ModelLatency: " in line for line in told()):
        time.sleep(0.2)
    while not any("asked to raise" in line for line in told()):
        time.sleep(0.2)
    listed = cloudwatch.list_metrics(Namespace="AWS/SageMaker", MetricName="Invocations", Dimensions=of_endpoint)
    assert listed["Metrics"] == []


def kill(platform: Running, *names: str) -> None:
    """Kill the processes of these names, or all."""
    for process in platform.status()["processes"]:
        if not names or process["name"] in names:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process["pid"], signal.SIGKILL)


class Subscriber:
    """An HTTP server that confirms what it is subscribed to, and keeps the messages that it is sent."""

    def __init__(self) -> None:
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()
                if document["Type"] == "SubscriptionConfirmation":
                    urllib.request.urlopen(document["SubscribeURL"]).close()
                messages.put(document)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    made = Subscriber()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_topics_are_told_of_what_succeeded_and_of_what_failed(platform: Running, subscriber: Subscriber) -> None:
    topics, queues = platform.client("sns"), platform.client("sqs")
    name = jobs.name("told")
    success, error = (topics.create_topic(Name=f"{name}-{each}")["TopicArn"] for each in ("success", "error"))
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics.subscribe(TopicArn=success, Protocol="sqs", Endpoint=arn)
    hook = f"http://127.0.0.1:{subscriber.server.server_port}/hook"
    topics.subscribe(TopicArn=error, Protocol="http", Endpoint=hook)
    assert subscriber.messages.get()["Type"] == "SubscriptionConfirmation"
    output = {
        "S3OutputPath": f"s3://{jobs.BUCKET}/async/out",
        "NotificationConfig": {
            "SuccessTopic": success,
            "ErrorTopic": error,
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        },
    }
    endpoint = asynchronous_endpoint(platform, OutputConfig=output)
    asked = ask(platform, endpoint, b"1,2", InferenceId="mine", CustomAttributes="c=1")
    assert "FailureLocation" not in asked
    (message,) = queues.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    told = json.loads(json.loads(message["Body"])["Message"])
    body = told.pop("responseBody")
    assert json.loads(base64.b64decode(body["content"]))["start"] == "1,2"
    assert {told.pop("eventTime")[10], told.pop("receivedTime")[10]} == {"T"}
    location = told["requestParameters"].pop("inputLocation")
    assert location.startswith(f"s3://{jobs.BUCKET}/async/in/")
    assert told == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "application/json",
            "contentType": "text/plain",
            "customAttributes": "c=1",
            "endpointName": endpoint,
        },
        "responseParameters": {
            "contentType": "application/json",
            "customAttributes": "c=1",
            "outputLocation": asked["OutputLocation"],
        },
        "inferenceId": "mine",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    ask(platform, endpoint, b"raise")
    told = json.loads(subscriber.messages.get()["Message"])
    assert told["invocationStatus"] == "Failed"
    assert told["failureReason"].startswith("ClientError: Received server error (500) from primary")
    assert "responseBody" not in told


def test_what_was_acknowledged_is_answered_whoever_is_killed(new_platform: Callable[..., Running]) -> None:
    platform = new_platform()
    endpoint = asynchronous_endpoint(platform, ClientConfig={"MaxConcurrentInvocationsPerInstance": 1})
    asked = [ask(platform, endpoint, Body=b"sleep 0.3 %d" % each) for each in range(10)]
    outcome(platform, asked[1])
    kill(platform, "router")
    outcome(platform, asked[3])
    kill(platform)
    platform = new_platform()
    for each, one in enumerate(asked):
        succeeded, answer = outcome(platform, one)
        assert succeeded
        assert json.loads(answer["Body"].read())["start"] == f"sleep 0.3 {each}"
    records = platform.data / "async" / "queue"
    while any(path.is_file() for path in records.rglob("*")):
        time.sleep(0.05)


@pytest.mark.parametrize(
    "members",
    [{}, {"Body": b"x", "InputLocation": "s3://b/k"}, {"InputLocation": "https://example.com/x"}],
    ids=["no input", "two inputs", "elsewhere"],
)
def test_an_input_that_cannot_be_is_refused(platform: Running, endpoint: str, members: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as raised:
        ask(platform, endpoint, **members)
    assert raised.value.response["Error"]["Code"] == "ValidationError"


def test_it_takes_no_other_invocations_and_others_take_none_of_these(platform: Running, endpoint: str) -> None:
    runtime = platform.client("sagemaker-runtime")
    with pytest.raises(ClientError, match="InvokeEndpointAsync"):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x")
    with pytest.raises(ClientError, match="not configured for asynchronous inference"):
        ask(platform, endpoint.removesuffix("-async"), b"x")
