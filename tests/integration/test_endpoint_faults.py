"""Model servers and routers that die or hang while clients ask: what these see, what is counted, that all is back."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

HANDLERS = """
import json, os, time, uuid

def model_fn(model_dir):
    return str(uuid.uuid4())

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    if data == "die":
        os._exit(3)
    while data == "hang":
        time.sleep(0.1)
    return {"model": model, "data": data}

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""
CLIENTS = 4
ENOUGH = 50
LONGEST_SECONDS = 120.0


@dataclass
class Load:
    """What clients that ask all the time were told.

    Attributes:
        answered: predictions by the model server that made them.
        refused: error codes, and `connection` for a connection that broke.
    """

    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        with self.lock:
            self.answered.clear()

    def ask(self, platform: Running, endpoint: str) -> None:
        runtime = client(platform)
        number = 0
        while not self.over.is_set():
            number += 1
            code, said = asked(runtime, endpoint, f"{threading.get_ident()}-{number}")
            with self.lock:
                if code:
                    self.refused[code] += 1
                else:
                    self.answered[said] += 1


def client(platform: Running) -> Any:
    """A client that does not try again."""
    return platform.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))


def asked(runtime: Any, endpoint: str, data: str) -> tuple[str, str]:
    """The error code of a prediction, or "" and who made it: the answer is that of this request."""
    try:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=data, ContentType="text/csv")
        said = json.loads(answer["Body"].read())
    except ClientError as error:
        return str(error.response["Error"]["Code"]), ""
    except BotoCoreError:
        return "connection", ""
    assert said["data"] == data
    return "", str(said["model"])


@contextmanager
def load(platform: Running, endpoint: str) -> Iterator[Load]:
    running = Load()
    threads = [threading.Thread(target=running.ask, args=(platform, endpoint)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.over.set()
        for thread in threads:
            thread.join()


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def total(platform: Running, endpoint: str, metric: str) -> float:
    """The sum of a metric of an endpoint's variant, as far as it has come to CloudWatch."""
    points = platform.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def created(platform: Running, instances: int, variables: dict[str, str] | None = None) -> str:
    """An endpoint that serves."""
    name = jobs.endpoint(
        platform, {"inference.py": HANDLERS}, variables=variables or {}, InitialInstanceCount=instances
    )
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


def model_servers(platform: Running, endpoint: str) -> list[int]:
    """The processes of user code."""
    return [each["pid"] for each in platform.status()["processes"] if each["name"] == f"model:{endpoint}"]


def serving(platform: Running, endpoint: str, instances: int) -> bool:
    """Whether so many instances answer, of many requests at once each some."""
    runtime = client(platform)
    with ThreadPoolExecutor(4 * instances) as pool:
        told = list(pool.map(lambda number: asked(runtime, endpoint, str(number)), range(16 * instances)))
    described = platform.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    return len({model for _, model in told if model}) == instances and described["EndpointStatus"] == "InService"


@pytest.fixture(scope="module")
def endpoint(platform: Running) -> str:
    """One of two instances."""
    return created(platform, 2)


def test_a_model_server_killed_under_load_fails_what_it_had_and_that_is_counted(
    platform: Running, endpoint: str
) -> None:
    with load(platform, endpoint) as seen:
        until(lambda: len(seen.answered) == 2)
        os.kill(model_servers(platform, endpoint)[0], signal.SIGKILL)
        seen.clear()
        until(lambda: sum(seen.answered.values()) > ENOUGH and len(seen.answered) >= 2)
    assert set(seen.refused) <= {"ModelError"}
    assert seen.refused.total() <= CLIENTS
    until(lambda: total(platform, endpoint, "InvocationModelErrors") == seen.refused.total())
    assert total(platform, endpoint, "Invocation5XXErrors") == seen.refused.total()


def test_a_model_that_ends_its_process_again_and_again_is_back_each_time(platform: Running, endpoint: str) -> None:
    until(lambda: serving(platform, endpoint, 2))
    runtime = client(platform)
    before = total(platform, endpoint, "InvocationModelErrors")
    for _ in range(2):
        assert asked(runtime, endpoint, "die") == ("ModelError", "")
        until(lambda: serving(platform, endpoint, 2))
    until(lambda: total(platform, endpoint, "InvocationModelErrors") >= before + 2)


def test_a_handler_that_hangs_is_given_up_while_the_other_instance_answers(platform: Running) -> None:
    name = created(platform, 2, {"SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "1"})
    told: list[tuple[str, str]] = []
    hanging = threading.Thread(target=lambda: told.append(asked(client(platform), name, "hang")))
    hanging.start()
    try:
        runtime = client(platform)
        assert [asked(runtime, name, str(number))[0] for number in range(20)].count("") >= 10
    finally:
        hanging.join()
    assert told == [("ModelError", "")]
    until(lambda: serving(platform, name, 2))
    frozen = psutil.Process(model_servers(platform, name)[0])
    for each in [*frozen.children(recursive=True), frozen]:
        each.suspend()
    until(lambda: not frozen.is_running())
    until(lambda: serving(platform, name, 2))
    log = (platform.data / "logs" / "api.log").read_text()
    assert "has not answered anything for 11 seconds" in log
    jobs.delete_endpoint(platform, name)


def test_a_router_that_is_killed_takes_what_it_had_and_the_others_carry_on(
    new_platform: Callable[..., Running],
) -> None:
    running = new_platform(environ={"SAGESMITH_ROUTERS": "2"})
    name = created(running, 1)

    def routers() -> set[int]:
        return {each["pid"] for each in running.status()["processes"] if each["name"] == "router"}

    before = routers()
    assert len(before) == 2
    victim = min(before)
    with load(running, name) as seen:
        until(lambda: sum(seen.answered.values()) > ENOUGH)
        os.kill(victim, signal.SIGKILL)
        seen.clear()
        until(lambda: sum(seen.answered.values()) > ENOUGH)
        until(lambda: len(routers()) == 2 and victim not in routers())
        seen.clear()
        until(lambda: sum(seen.answered.values()) > ENOUGH)
    assert set(seen.refused) <= {"connection"}
    assert seen.refused.total() <= CLIENTS
