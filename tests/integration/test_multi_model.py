"""Multi-model endpoints, from the prefix in S3 to the answer, with models that come, change and go."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

HANDLERS = """
import json, os
from helper import scale

def model_fn(model_dir):
    BEFORE
    return float(open(os.path.join(model_dir, "weights")).read())

def predict_fn(data, model):
    import lazily
    return {"scaled": scale(model, data), "from": lazily.NAME}

def input_fn(body, content_type):
    return json.loads(body)

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


def model_archive(name: str, weight: float, *, adds: float = 0, size: int = 0, before: str = "pass") -> bytes:
    """A model with modules of its own, that every other one has under the same names.

    Args:
        before: a statement that is run when it is loaded.
    """
    return jobs.archive(
        {
            "weights": str(weight),
            "padding": b"\1" * size,
            "code/inference.py": HANDLERS.replace("BEFORE", before),
            "code/helper.py": f"def scale(weight, data):\n    return weight * data + {adds}\n",
            "code/lazily.py": f"NAME = {name!r}\n",
        }
    )


class MultiModel:
    """An endpoint and the prefix of its models."""

    def __init__(
        self,
        platform: Running,
        *,
        instances: int = 1,
        cache: str = "",
        image: str = jobs.IMAGE,
        config: dict[str, Any] | None = None,
        **environment: str,
    ) -> None:
        self.platform = platform
        self.name = jobs.name("mme")
        self.runtime = platform.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
        self.put("first.tar.gz", model_archive("first", 2))
        before = set(self._tasks())
        client = platform.client("sagemaker")
        container: dict[str, Any] = {
            "Image": image,
            "Mode": "MultiModel",
            "ModelDataUrl": f"s3://{jobs.BUCKET}/{self.name}/",
            "Environment": environment,
        }
        if cache:
            container["MultiModelConfig"] = {"ModelCacheSetting": cache}
        client.create_model(ModelName=self.name, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": self.name,
            "InstanceType": "ml.m4.xlarge",
            "InitialInstanceCount": instances,
        }
        client.create_endpoint_config(EndpointConfigName=self.name, ProductionVariants=[variant], **(config or {}))
        client.create_endpoint(EndpointName=self.name, EndpointConfigName=self.name)
        described = jobs.wait_endpoint(platform, self.name)
        assert described["EndpointStatus"] == "InService", described.get("FailureReason")
        self.tasks = sorted(set(self._tasks()) - before)

    def _tasks(self) -> Iterator[Path]:
        return self.platform.data.glob("tasks/serve-*")

    def put(self, key: str, body: bytes) -> None:
        jobs.upload(self.platform, f"{self.name}/{key}", body)

    def ask(self, model: str, data: Any = 3) -> Any:
        answer = self.runtime.invoke_endpoint(
            EndpointName=self.name, TargetModel=model, Body=json.dumps(data), ContentType="application/json"
        )
        return json.loads(answer["Body"].read())

    def folders(self) -> list[str]:
        """Which models have files on the disk of an instance."""
        return [path.name for task in self.tasks for path in (task / "models").iterdir()]


def refusal(call: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(*arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def endpoint(platform: Running) -> MultiModel:
    return MultiModel(platform)


def test_each_model_answers_with_its_own_code_and_weights(endpoint: MultiModel) -> None:
    endpoint.put("deeper/second.tar.gz", model_archive("second", 10, adds=1))
    for _ in range(2):
        assert endpoint.ask("first.tar.gz") == {"scaled": 6.0, "from": "first"}
        assert endpoint.ask("deeper/second.tar.gz") == {"scaled": 31.0, "from": "second"}


def test_a_model_that_is_added_answers_at_once(endpoint: MultiModel) -> None:
    endpoint.put("added.tar.gz", model_archive("added", 7))
    assert endpoint.ask("added.tar.gz")["scaled"] == 21.0


def test_a_model_that_was_removed_or_changed_answers_as_it_did_while_it_is_loaded(endpoint: MultiModel) -> None:
    endpoint.put("changed.tar.gz", model_archive("before", 1))
    assert endpoint.ask("changed.tar.gz")["from"] == "before"
    endpoint.put("changed.tar.gz", model_archive("after", 1))
    assert endpoint.ask("changed.tar.gz")["from"] == "before"
    endpoint.platform.client("s3").delete_object(Bucket=jobs.BUCKET, Key=f"{endpoint.name}/changed.tar.gz")
    assert endpoint.ask("changed.tar.gz")["from"] == "before"


def test_requests_that_come_together_load_their_model_once(endpoint: MultiModel) -> None:
    endpoint.put("one.tar.gz", model_archive("one", 4, before="open('/tmp/loads', 'a').write('1')"))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(endpoint.ask, ["one.tar.gz"] * 8))
    assert answers == [{"scaled": 12.0, "from": "one"}] * 8
    assert (endpoint.tasks[0] / "sandbox" / "tmp" / "loads").read_text() == "1"


def test_a_model_that_is_not_there_is_a_validation_error(endpoint: MultiModel) -> None:
    code, message = refusal(endpoint.ask, "nothing.tar.gz")
    assert code == "ValidationError"
    assert message == (
        f"Failed to download model data(bucket: {jobs.BUCKET}, key: {endpoint.name}/nothing.tar.gz). Please ensure "
        "that there is an object located at the URL and that the role passed to CreateModel has permissions to "
        "download the model."
    )


def test_what_is_no_archive_is_a_validation_error(endpoint: MultiModel) -> None:
    endpoint.put("text.tar.gz", b"this is no archive")
    code, message = refusal(endpoint.ask, "text.tar.gz")
    assert code == "ValidationError"
    assert message.startswith("Failed to extract model data archive from URL")


@pytest.mark.parametrize(
    "target",
    [
        "../first.tar.gz",
        "a/../../first.tar.gz",
        "%2e%2e/first.tar.gz",
        "%252e%252e%252ffirst.tar.gz",
        "/first.tar.gz",
        "s3://other/first.tar.gz",
        "a//b",
        "./first.tar.gz",
        "..\\first.tar.gz",
    ],
)
def test_a_target_that_leads_out_of_the_prefix_is_refused(endpoint: MultiModel, target: str) -> None:
    code, message = refusal(endpoint.ask, target)
    assert code == "ValidationError"
    assert message.startswith(f"Invalid target model {target}")


def test_a_request_without_target_is_refused(endpoint: MultiModel) -> None:
    runtime = endpoint.platform.client("sagemaker-runtime")
    code, message = refusal(lambda: runtime.invoke_endpoint(EndpointName=endpoint.name, Body=b"1"))
    assert code == "ValidationError"
    assert "is missing a target model header" in message


def test_a_model_that_cannot_be_loaded_is_a_model_error_of_its_own(endpoint: MultiModel) -> None:
    endpoint.put("broken.tar.gz", jobs.archive({"code/inference.py": "raise RuntimeError('no weights here')"}))
    code, message = refusal(endpoint.ask, "broken.tar.gz")
    assert code == "ModelError"
    assert "no weights here" in message
    assert endpoint.ask("first.tar.gz")["scaled"] == 6.0
    endpoint.put("broken.tar.gz", model_archive("mended", 1))
    assert endpoint.ask("broken.tar.gz")["from"] == "mended"


HOSTILE = """
    import socket
    said = []
    for asked in ({"fetch": "../other/secret.tar.gz"}, {"fetch": "/etc"}, {"drop": "../.."}, {"note": 1}, [], "x"):
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect("/run/sagesmith/models.sock")
            agent.sendall(json.dumps(asked).encode() + b"\\n")
            said.append(json.loads(agent.makefile().readline()).get("error"))
    try:
        os.mkdir("/opt/ml/models/mine")
    except OSError as error:
        said.append(error.strerror)
    open("/tmp/said", "w").write(json.dumps(said))
"""


def test_user_code_gets_nothing_of_its_agent_but_models_below_its_prefix(endpoint: MultiModel) -> None:
    endpoint.put("hostile.tar.gz", model_archive("hostile", 1, before=HOSTILE.strip()))
    assert endpoint.ask("hostile.tar.gz")["from"] == "hostile"
    said = json.loads((endpoint.tasks[0] / "sandbox" / "tmp" / "said").read_text())
    assert said == ["BadTarget", "BadTarget", None, "BadRequest", "BadRequest", "BadRequest", "Read-only file system"]
    assert endpoint.ask("first.tar.gz")["scaled"] == 6.0


def test_the_least_recently_used_model_makes_room_in_memory_and_on_the_disk(platform: Running) -> None:
    endpoint = MultiModel(platform, SAGESMITH_MODEL_CACHE_BYTES=str(5_000_000))
    for name in ("a", "b", "c"):
        endpoint.put(f"{name}.tar.gz", model_archive(f"{name}1", 1, size=2_000_000))
    for name in ("a", "b", "a", "c"):
        assert endpoint.ask(f"{name}.tar.gz")["from"] == f"{name}1"
    assert len(endpoint.folders()) == 2
    for name in ("a", "b", "c"):
        endpoint.put(f"{name}.tar.gz", model_archive(f"{name}2", 1, size=2_000_000))
    assert endpoint.ask("a.tar.gz")["from"] == "a1"
    assert endpoint.ask("b.tar.gz")["from"] == "b2"
    endpoint.put("large.tar.gz", model_archive("large", 1, size=6_000_000))
    code, message = refusal(endpoint.ask, "large.tar.gz")
    assert code == "ModelError"
    assert "Received server error (507)" in message
    jobs.delete_endpoint(platform, endpoint.name)


def test_without_a_cache_a_model_is_loaded_for_each_request(platform: Running) -> None:
    endpoint = MultiModel(platform, cache="Disabled")
    endpoint.put("it.tar.gz", model_archive("once", 1))
    assert endpoint.ask("it.tar.gz")["from"] == "once"
    endpoint.put("it.tar.gz", model_archive("twice", 1))
    assert endpoint.ask("it.tar.gz")["from"] == "twice"
    jobs.delete_endpoint(platform, endpoint.name)


def test_a_model_that_is_not_loaded_in_time_is_not_ready_and_goes_on_being_loaded(platform: Running) -> None:
    endpoint = MultiModel(platform, SAGESMITH_MODEL_WAIT_SECONDS="0.2")
    endpoint.put("slow.tar.gz", model_archive("slow", 4, before="os.mkfifo('/tmp/go'); open('/tmp/go').read()"))
    code, _ = refusal(endpoint.ask, "slow.tar.gz")
    assert code == "ModelNotReadyException"
    (endpoint.tasks[0] / "sandbox" / "tmp" / "go").write_text("on")
    while True:
        try:
            assert endpoint.ask("slow.tar.gz") == {"scaled": 12.0, "from": "slow"}
        except endpoint.runtime.exceptions.ModelNotReadyException:
            continue
        break
    jobs.delete_endpoint(platform, endpoint.name)


def test_an_ordinary_endpoint_takes_no_target_model(platform: Running) -> None:
    name = jobs.endpoint(platform, {"inference.py": "def model_fn(path): return 1\ndef transform_fn(*_): return '1'"})
    jobs.wait_endpoint(platform, name)
    runtime = platform.client("sagemaker-runtime")
    code, message = refusal(lambda: runtime.invoke_endpoint(EndpointName=name, TargetModel="a.tar.gz", Body=b"1"))
    assert code == "ValidationError"
    assert message == f"Endpoint {name} is not a multi-model endpoint and does not support target model header."
    jobs.delete_endpoint(platform, name)


def test_models_stay_with_one_of_several_instances_and_are_counted(platform: Running) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{jobs.BUCKET}/captured-models",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    endpoint = MultiModel(platform, instances=2, config={"DataCaptureConfig": capture})
    if len(endpoint.tasks) < 2:
        pytest.skip("this machine has one core, and so one instance")
    names = [f"{number}.tar.gz" for number in range(16)]
    for name in names:
        endpoint.put(name, model_archive(name, 1))
    for _ in range(3):
        for name in names:
            assert endpoint.ask(name)["from"] == name
    # Each model is on one instance, and not all are on the same.
    assert len(endpoint.folders()) == len(set(endpoint.folders())) == len(names)
    assert all(any((task / "models").iterdir()) for task in endpoint.tasks)
    of_requests = {"ModelCacheHit": (48, 32), "ModelLoadingWaitTime": (16, None)}
    of_loading = {"ModelDownloadingTime": (16, None), "ModelLoadingTime": (16, None)}
    for metric, (count, total) in {**of_requests, **of_loading}.items():
        found = measured(endpoint, "AWS/SageMaker", metric, count)
        assert found["SampleCount"] == count
        assert found["Sum"] == total if total is not None else found["Sum"] > 0
    assert measured(endpoint, "/aws/sagemaker/Endpoints", "LoadedModelCount", 2)["Maximum"] <= len(names)
    assert captured(endpoint, "captured-models", 48) == 48
    jobs.delete_endpoint(platform, endpoint.name)


def measured(endpoint: MultiModel, namespace: str, metric: str, count: int) -> dict[str, Any]:
    """A metric's statistics, once it has so many samples."""
    cloudwatch = endpoint.platform.client("cloudwatch")
    while True:
        found = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint.name},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600 * 24,
            Statistics=["SampleCount", "Sum", "Maximum"],
        )["Datapoints"]
        if found and found[0]["SampleCount"] >= count:
            return dict(found[0])
        time.sleep(0.1)


def captured(endpoint: MultiModel, prefix: str, count: int) -> int:
    """How many requests were captured, once they are so many."""
    s3 = endpoint.platform.client("s3")
    while True:
        listed = s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=f"{prefix}/{endpoint.name}/").get("Contents", [])
        bodies = [s3.get_object(Bucket=jobs.BUCKET, Key=each["Key"])["Body"].read() for each in listed]
        if (lines := sum(body.count(b"\n") for body in bodies)) >= count:
            return lines
        time.sleep(0.2)


def test_an_update_to_another_prefix_fails_no_request(platform: Running) -> None:
    endpoint, other = MultiModel(platform), MultiModel(platform)
    other.put("first.tar.gz", model_archive("other", 2))
    platform.client("sagemaker").update_endpoint(EndpointName=endpoint.name, EndpointConfigName=other.name)
    seen = [endpoint.ask("first.tar.gz")["from"]]
    while seen[-1] == "first":
        time.sleep(0.05)
        seen.append(endpoint.ask("first.tar.gz")["from"])
    assert seen[-1] == "other"
    assert jobs.wait_endpoint(platform, endpoint.name)["EndpointStatus"] == "InService"
    for each in (endpoint, other):
        jobs.delete_endpoint(platform, each.name)


def test_a_model_server_that_is_killed_loads_its_models_again(platform: Running) -> None:
    endpoint = MultiModel(platform)
    assert endpoint.ask("first.tar.gz")["from"] == "first"
    name = f"model:{endpoint.name}"
    for pid in [each["pid"] for each in platform.status()["processes"] if each["name"] == name]:
        os.kill(pid, signal.SIGKILL)
    while True:
        try:
            answer = endpoint.ask("first.tar.gz")
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("ModelError", "ServiceUnavailable")
            time.sleep(0.1)
        else:
            break
    assert answer["from"] == "first"
    jobs.delete_endpoint(platform, endpoint.name)


def test_a_model_whose_handler_never_returns_is_ended_and_the_others_are_loaded_again(platform: Running) -> None:
    endpoint = MultiModel(platform, SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="1")
    never = "def scale(weight, data):\n    import threading\n    threading.Event().wait()\n"
    files = {"weights": "1", "code/inference.py": HANDLERS.replace("BEFORE", "pass"), "code/lazily.py": ""}
    endpoint.put("never.tar.gz", jobs.archive({**files, "code/helper.py": never}))
    assert endpoint.ask("first.tar.gz")["from"] == "first"
    code, message = refusal(endpoint.ask, "never.tar.gz")
    assert code == "ModelError"
    assert "did not return within 1 s" in message
    while True:
        try:
            assert endpoint.ask("first.tar.gz")["from"] == "first"
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("ModelError", "ServiceUnavailable")
            time.sleep(0.05)
        else:
            break
    assert len(endpoint.folders()) == 1
    jobs.delete_endpoint(platform, endpoint.name)
