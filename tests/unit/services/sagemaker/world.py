"""A world for reconcilers: the real store in a temporary directory, and a backend whose tasks do what a test says."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from sagesmith.compute.base import ENDED, MetricSample, TaskEvent, TaskObservation, TaskSpec, TaskState
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing, Principal
from sagesmith.services.base import Home
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.services.sagemaker import JOBS, handlers, observers
from sagesmith.services.sagemaker.component_serving import ComponentReconciler
from sagesmith.services.sagemaker.jobs import JobReconciler, Line
from sagesmith.services.sagemaker.recommender.reconciler import RecommendationReconciler
from sagesmith.services.sagemaker.route_table import RouteTable
from sagesmith.services.sagemaker.serving import EndpointReconciler
from sagesmith.services.sagemaker.shadow_tests import ShadowTestReconciler
from sagesmith.services.sagemaker.tuning.reconciler import TuningReconciler
from sagesmith.services.sagemaker.warm_pools import WarmPools
from sagesmith.store import Document
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.models import load_model
from sagesmith.wire.validation import Validator
from tests.stores import new_store

ACCOUNT = "123456789012"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerExecutionRole"


@dataclass
class Task:
    """A task as the backend holds it."""

    spec: TaskSpec
    alive: bool = True
    events: list[TaskEvent] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)
    samples: list[MetricSample] = field(default_factory=list)
    address: str | None = None
    pending: str = ""
    stopped: bool = False
    stubborn: bool = False
    wake: Callable[[], None] | None = None

    def say(self, state: TaskState, message: str = "", **detail: Any) -> None:
        """Report an event; an end ends the task."""
        self.events.append(TaskEvent(len(self.events) + 1, time.time(), state, message, detail))
        if state in ENDED:
            self.alive = False
        if state == "Serving":
            self.address = f"unix:/run/{self.spec.id}"
        self._tell()

    def print(self, line: str) -> None:
        """Write a line of output."""
        self.lines.append((int(time.time() * 1000), line))
        self._tell()

    def _tell(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()


class MemoryBackend:
    """Tasks that live in this process; it outlives loops, as node agents outlive the API process."""

    def __init__(self) -> None:
        self.present: dict[str, Task] = {}
        self.started: list[TaskSpec] = []
        self.fail_start: OSError | None = None
        self.immortal: set[str] = set()
        self.tells = False
        self._lock = threading.Lock()

    def start(self, specs: Sequence[TaskSpec]) -> None:
        with self._lock:
            if self.fail_start is not None:
                raise self.fail_start
            for spec in specs:
                if all(each.id != spec.id for each in self.started):
                    self.started.append(spec)
                    self.present[spec.id] = Task(spec)

    def expect(self, spec: TaskSpec) -> None:
        """Nothing is kept ready."""

    def stop(self, task_id: str) -> None:
        """A model server ends when it is asked to, unless it is stubborn; a job when its test says so."""
        task = self.present[task_id]
        task.stopped = True
        if task.spec.kind == "serve" and task.alive and not task.stubborn:
            task.print("asked to end")
            task.say("Stopped")

    def kill(self, task_id: str) -> None:
        if task_id in self.immortal:
            raise OSError(f"{task_id} does not end after SIGKILL")
        if task_id in self.present:
            self.present[task_id].alive = False

    def inspect(self, task_id: str) -> TaskObservation | None:
        task = self.present.get(task_id)
        if task is None:
            return None
        names = [each.name for each in task.spec.containers]
        return TaskObservation(
            task_id, task.alive, list(task.events), task.address, pending=task.pending, containers=names
        )

    def tasks(self) -> list[TaskObservation]:
        return [found for task_id in list(self.present) if (found := self.inspect(task_id)) is not None]

    def watch(self, task_id: str, wake: Callable[[], None]) -> bool:
        if self.tells and task_id in self.present:
            self.present[task_id].wake = wake
        return self.tells

    def read_log(self, task_id: str, offset: int, limit: int = 1 << 20) -> tuple[list[tuple[int, str]], int]:
        lines = self.present[task_id].lines[offset : offset + 2]
        return lines, offset + len(lines)

    def read_metrics(self, task_id: str, offset: int, limit: int = 1 << 18) -> tuple[list[MetricSample], int]:
        samples = self.present[task_id].samples[offset : offset + 2]
        return samples, offset + len(samples)

    def forget(self, task_id: str) -> None:
        del self.present[task_id]

    def only(self) -> Task:
        """The one task that there is."""
        (task,) = self.present.values()
        return task


_MODEL = load_model("sagemaker")
_VALIDATOR = Validator(_MODEL)


@cache
def _validated(operation: str) -> Callable[[Params], None]:
    return _VALIDATOR.compile(_MODEL.operations[operation])


def context(operation: str, region: str = REGION) -> RequestContext:
    """What an operation knows of its request."""
    principal = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s", ACCOUNT, "AKIA", "AROA:s")
    return RequestContext("request-1", "sagemaker", operation, region, principal, "127.0.0.1")


class World:
    """One platform without processes: handlers, a store, a backend, and a loop that turns when a test says so."""

    def __init__(self, root: Path) -> None:
        self.platform = Platform(
            data=str(root),
            host="127.0.0.1",
            port=9900,
            proxy_port=9901,
            admin_port=9902,
            account_id=ACCOUNT,
            region=REGION,
            database_url=f"sqlite:///{root / 'db.sqlite'}",
            s3_endpoint="http://127.0.0.1:8333",
            s3_access_key_id="inner",
            s3_secret_access_key="inner-secret",
            cache=str(root / "cache"),
            routers=1,
        )
        self.platform.dir.run.mkdir(parents=True, exist_ok=True)
        self.store = new_store(root / "db.sqlite")
        for observe in observers():
            self.store.on_change(observe)
        self.backend = MemoryBackend()
        keyring = KeyRing.create(root / "keys", ACCOUNT, None, None)
        self.home = Home(self.platform, self.store, self.backend, keyring)
        self.operations = handlers(self.home)
        self.clock_offset = 0.0
        self.loop = self.new_loop()

    def new_loop(self, concurrency: int = 2) -> ReconcileLoop:
        """A loop as a new API process has it."""
        line, routes = Line(concurrency, WarmPools()), RouteTable(self.platform.dir.routes_file)
        self.loop = ReconcileLoop(
            self.home,
            [
                *(JobReconciler(each, line) for each in JOBS),
                TuningReconciler(),
                EndpointReconciler(routes, 2),
                ShadowTestReconciler(),
                RecommendationReconciler(),
                ComponentReconciler(routes),
            ],
            clock=lambda: time.time() + self.clock_offset,
        )
        self.loop.recover()
        return self.loop

    def call(self, operation: str, region: str = REGION, **params: Any) -> Params:
        """Call an operation as the wire layer does: what is None is not there, the rest must fit the input's shape."""
        params = {member: value for member, value in params.items() if value is not None}
        _validated(operation)(params)
        return self.operations[operation](context(operation, region), params)

    def turn(self, times: int = 1) -> None:
        """Let every resource that waits for something take `times` steps."""
        for _ in range(times):
            self.clock_offset += 120.0
            self.loop.turn()

    def pause_seconds(self) -> float:
        """In how many seconds something is due."""
        with self.store.read() as tx:
            due = tx.next_due()
        assert due is not None
        return due - time.time() - self.clock_offset

    def until(self, reached: Callable[[], bool]) -> None:
        """Turn until something is so."""
        for _ in range(50):
            if reached():
                return
            self.turn()
        raise AssertionError("never came to be")

    def stored(self, kind: str, name: str) -> Document:
        """A document as it lies in the store."""
        with self.store.read() as tx:
            found = tx.get(kind, REGION, name.lower())
        assert found is not None
        return found

    def log_lines(self, group: str, prefix: str) -> list[str]:
        """All lines of the streams of a group that begin with `prefix`."""
        with self.store.read() as tx:
            streams, _ = tx.log_streams(REGION, group, prefix)
            return [
                event.message
                for stream in streams
                for event in tx.read_log(REGION, group, stream.name, limit=10_000, forward=True).events()
            ]


def training_job(name: str, **changes: Any) -> Params:
    """The input of CreateTrainingJob as SDK v2 sends it for a scikit-learn estimator."""
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
            "TrainingInputMode": "File",
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": "s3://data/train",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://out/"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "HyperParameters": {"max_depth": "5"},
        "DebugHookConfig": {"S3OutputPath": "s3://out/", "CollectionConfigurations": []},
        "ProfilerConfig": {"S3OutputPath": "s3://out/", "DisableProfiler": False},
        **changes,
    }


def processing_job(name: str, **changes: Any) -> Params:
    """The input of CreateProcessingJob as SDK v2 sends it for a SKLearnProcessor."""
    code = "/opt/ml/processing/input/code"
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
            "ContainerEntrypoint": ["python3", f"{code}/preprocess.py"],
            "ContainerArguments": ["--ratio", "0.2"],
        },
        "ProcessingInputs": [processing_input("input-1"), processing_input("code", "s3://code/preprocess.py", code)],
        "ProcessingOutputConfig": {"Outputs": [processing_output("train")]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
        **changes,
    }


def processing_input(
    name: str, uri: str = "s3://data/rows", path: str = "/opt/ml/processing/input", **changes: Any
) -> Params:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File", **changes}
    return {"InputName": name, "S3Input": source}


def processing_output(
    name: str, uri: str = "s3://out/train", path: str = "/opt/ml/processing/train", mode: str = "EndOfJob"
) -> Params:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def model(name: str, **changes: Any) -> Params:
    """The input of CreateModel."""
    container = {
        "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "ModelDataUrl": "s3://out/job/output/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://out/sourcedir.tar.gz"},
    }
    return {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": ROLE, **changes}


def transform_job(name: str, model_name: str, **changes: Any) -> Params:
    """The input of CreateTransformJob as SDK v2 sends it for CSV."""
    return {
        "TransformJobName": name,
        "ModelName": model_name,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/rows/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": "s3://out/predictions", "AssembleWith": "Line", "Accept": "text/csv"},
        "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
        **changes,
    }


def variant(model_name: str, name: str = "AllTraffic", **changes: Any) -> Params:
    """A production variant."""
    return {
        "VariantName": name,
        "ModelName": model_name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        **changes,
    }


def without(params: Params, member: str) -> Params:
    """`params` less one member."""
    return {name: value for name, value in params.items() if name != member}


__all__ = [
    "MemoryBackend",
    "Task",
    "World",
    "model",
    "processing_input",
    "processing_job",
    "processing_output",
    "replace",
    "training_job",
    "transform_job",
    "variant",
    "without",
]
