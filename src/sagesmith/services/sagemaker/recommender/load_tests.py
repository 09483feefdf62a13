"""The load tests of a job, as values, and as the API shows them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sagesmith.wire.context import Params

State = Literal["pending", "deploying", "loading", "measuring", "ending", "done"]
VARIANT = "AllTraffic"


@dataclass(frozen=True, slots=True)
class LoadTest:
    """One endpoint under load. Times are seconds since the epoch.

    Attributes:
        environment: what the container gets besides the model's own.
        serverless: the ServerlessConfig, of a serverless endpoint, which has no instance type.
        specification: the package's additional inference specification that it is made of.
        endpoint: its name, once there is one.
        own: whether the endpoint is made for the test, and goes with it.
        task: the load generator's.
        attempt: how often the generator was started.
        created_at, in_service_at: the endpoint's.
        first_answer_seconds: how long the first request took, which wakes a serverless endpoint.
        began_at, ended_at: of the load.
        stopping, stopping_at: why the load is ended before its traffic is, and since when.
        stopped: the job was stopped before the test had a result.
        failure: why it has no result.
        result: `per_minute`, `latency_ms`, `setup_seconds`, what an `hour` and an `inference` cost, and the
            utilization by the members' names of RecommendationMetrics.
    """

    number: int
    instance_type: str
    environment: dict[str, str] = field(default_factory=dict)
    serverless: Params | None = None
    specification: str | None = None
    endpoint: str = ""
    variant: str = VARIANT
    own: bool = True
    state: State = "pending"
    task: str = ""
    attempt: int = 0
    created_at: float | None = None
    in_service_at: float | None = None
    first_answer_seconds: float | None = None
    began_at: float | None = None
    ended_at: float | None = None
    stopping: str = ""
    stopping_at: float | None = None
    stopped: bool = False
    failure: str = ""
    result: dict[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.state == "done"

    @property
    def status(self) -> str:
        """The step's, in the API's words."""
        if not self.over:
            return "PENDING" if self.state == "pending" else "IN_PROGRESS"
        if self.failure:
            return "FAILED"
        return "STOPPED" if self.stopped else "COMPLETED"

    @property
    def called(self) -> str:
        """What it is tried on, for people."""
        if self.serverless is None:
            return self.instance_type
        memory, most = self.serverless["MemorySizeInMB"], self.serverless["MaxConcurrency"]
        return f"serverless of {memory} MB, at most {most} at once"

    @property
    def dimensions(self) -> tuple[tuple[str, str], ...]:
        """Of the variant's metrics."""
        return (("EndpointName", self.endpoint), ("VariantName", self.variant))


def load(stored: Iterable[dict[str, Any]]) -> list[LoadTest]:
    """Tests from a document."""
    return [LoadTest(**each) for each in stored]


def dump(tests: Iterable[LoadTest]) -> list[dict[str, Any]]:
    """Tests for a document."""
    return [asdict(each) for each in tests]


def priced(result: Mapping[str, float]) -> Params:
    """RecommendationMetrics; without costs as far as no price is known."""
    shown: Params = {
        "MaxInvocations": int(result["per_minute"]),
        "ModelLatency": max(1, math.ceil(result["latency_ms"])),
        **{name: result[name] for name in ("CpuUtilization", "MemoryUtilization") if name in result},
    }
    if "setup_seconds" in result:
        shown["ModelSetupTime"] = math.ceil(result["setup_seconds"])
    if "hour" in result:
        shown["CostPerHour"] = result["hour"]
    if "inference" in result:
        shown["CostPerInference"] = result["inference"]
    return shown


def benchmark(test: LoadTest) -> Params:
    """A RecommendationJobInferenceBenchmark."""
    shown: Params = {"ModelConfiguration": configuration(test)}
    if test.endpoint:
        shown["EndpointConfiguration"] = endpoint_configuration(test)
    if test.result and test.over:
        metrics = priced(test.result)
        shown["Metrics"] = metrics
        if not test.own:
            shown["EndpointMetrics"] = {name: metrics[name] for name in ("MaxInvocations", "ModelLatency")}
    if test.failure:
        shown["FailureReason"] = test.failure
    if test.began_at is not None:
        shown["InvocationStartTime"] = test.began_at
    if test.ended_at is not None:
        shown["InvocationEndTime"] = test.ended_at
    return shown


def configuration(test: LoadTest) -> Params:
    """A ModelConfiguration."""
    shown: Params = {}
    if test.specification:
        shown["InferenceSpecificationName"] = test.specification
    if test.environment:
        shown["EnvironmentParameters"] = [
            {"Key": name, "ValueType": "string", "Value": value} for name, value in test.environment.items()
        ]
    return shown


def endpoint_configuration(test: LoadTest, wanted_per_minute: int | None = None) -> Params:
    """An EndpointOutputConfiguration, with as many instances as so many invocations a minute take."""
    shown: Params = {"EndpointName": test.endpoint, "VariantName": test.variant}
    if test.serverless is not None:
        return {**shown, "ServerlessConfig": test.serverless}
    count = math.ceil(wanted_per_minute / test.result["per_minute"]) if wanted_per_minute and test.result else 1
    shown["InitialInstanceCount"] = max(1, count)
    return {**shown, "InstanceType": test.instance_type} if test.instance_type else shown
