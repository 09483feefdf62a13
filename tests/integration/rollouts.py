"""Updates of an endpoint while clients ask it all the time: who answered, and what failed."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.integration import jobs
from tests.integration.conftest import Running

ANSWERS_ITS_VERSION = """
import os

def model_fn(model_dir):
    return open(os.path.join(model_dir, "version")).read()

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    return model

def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
BROKEN = "raise RuntimeError('this version cannot be loaded')"
POLICIES: dict[str, dict[str, Any]] = {
    "all at once": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {}}},
    "canary": {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 30},
            }
        }
    },
    "linear": {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "LINEAR",
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40},
            }
        }
    },
    "rolling": {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}}},
}


def deployment(name: str, wait_seconds: int) -> dict[str, Any]:
    """A DeploymentConfig whose steps are watched for so long."""
    found: dict[str, Any] = {}
    for policy, members in POLICIES[name].items():
        if policy == "RollingUpdatePolicy":
            found[policy] = {**members, "WaitIntervalInSeconds": wait_seconds}
        else:
            routing = {"Type": "ALL_AT_ONCE", **members["TrafficRoutingConfiguration"]}
            found[policy] = {"TrafficRoutingConfiguration": {**routing, "WaitIntervalInSeconds": wait_seconds}}
    return found


def configuration(platform: Running, version: str, instances: int, script: str = ANSWERS_ITS_VERSION) -> str:
    """A model that answers its version, and an endpoint configuration of it."""
    called = jobs.name(f"v{version}")
    data = jobs.upload(platform, f"{called}/model.tar.gz", jobs.archive({"version": version}))
    source = jobs.upload(platform, f"{called}/sourcedir.tar.gz", jobs.archive({"inference.py": script}))
    client = platform.client("sagemaker")
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source}
    container = {"Image": jobs.IMAGE, "ModelDataUrl": data, "Environment": environment}
    client.create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": called,
        "InitialInstanceCount": instances,
        "InstanceType": "ml.m4.xlarge",
    }
    client.create_endpoint_config(EndpointConfigName=called, ProductionVariants=[variant])
    return called


class Load:
    """What constant requests to an endpoint were answered.

    Attributes:
        answered: requests by the version that answered, since it was cleared.
        failed: what went wrong, each one.
    """

    def __init__(self, platform: Running, endpoint: str, component: str | None = None) -> None:
        self._platform, self._endpoint = platform, endpoint
        self._named = {} if component is None else {"InferenceComponentName": component}
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.answered: Counter[str] = Counter()
        self._since = 0.0
        self.failed: list[str] = []

    def ask(self) -> None:
        """Ask again and again, with no retries and no pause."""
        runtime = self._platform.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
        while not self.over.is_set():
            sent = time.monotonic()
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=self._endpoint, Body=b"x", ContentType="text/plain", **self._named
                )
                said = answer["Body"].read().decode()
            except (ClientError, BotoCoreError) as error:
                with self._lock:
                    self.failed.append(str(error))
                continue
            with self._lock:
                if sent >= self._since:
                    self.answered[said] += 1

    def begin_anew(self) -> None:
        """Count no answer that is there, nor to what is under way."""
        with self._lock:
            self.answered, self._since = Counter(), time.monotonic()

    def taken(self) -> Counter[str]:
        """What was answered since the last call."""
        with self._lock:
            found, self.answered = self.answered, Counter()
        return found


@contextmanager
def load(platform: Running, endpoint: str, clients: int = 2, component: str | None = None) -> Iterator[Load]:
    """Clients that ask an endpoint, or one of its inference components, all the time."""
    running = Load(platform, endpoint, component)
    threads = [threading.Thread(target=running.ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.over.set()
        for thread in threads:
            thread.join()
