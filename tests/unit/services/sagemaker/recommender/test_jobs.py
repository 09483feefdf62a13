"""The life of an inference recommendations job, with model servers and load generators that do what a test says."""

import math
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.services.sagemaker.recommender import measures, reconciler
from sagesmith.services.sagemaker.recommender.checks import check
from sagesmith.store import Datum, Metric, StatisticSet
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import REGION, ROLE, Task, World, model

PAYLOAD = {"SamplePayloadUrl": "s3://data/payload.tar.gz", "SupportedContentTypes": ["text/csv"]}
WORKERS = {"CategoricalParameterRanges": [{"Name": "W", "Value": ["1", "2"]}]}
TWO = [{"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": WORKERS}]
STAIRS = {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": 8, "NumberOfSteps": 2, "UsersPerStep": 1}}


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of these tests are there at once."""
    monkeypatch.setattr(measures, "SETTLING_SECONDS", 0.0)


def request(**changes: Any) -> Params:
    inputs = {
        "ModelName": "M",
        "ContainerConfig": {"PayloadConfig": PAYLOAD},
        "EndpointConfigurations": TWO,
        "TrafficPattern": STAIRS,
        **changes.pop("InputConfig", {}),
    }
    return {"JobName": "J", "JobType": "Advanced", "RoleArn": ROLE, "InputConfig": inputs, **changes}


@pytest.fixture
def job(world: World) -> World:
    world.call("CreateModel", **model("M"))
    world.call("CreateInferenceRecommendationsJob", **request())
    return world


def described(world: World) -> Params:
    return world.call("DescribeInferenceRecommendationsJob", JobName="J")


def endpoints(world: World) -> list[str]:
    return [each["EndpointName"] for each in world.call("ListEndpoints")["Endpoints"]]


def models(world: World) -> set[str]:
    return {each["ModelName"] for each in world.call("ListModels")["Models"]}


def generators(world: World) -> Iterator[Task]:
    return (each for each in world.backend.present.values() if each.spec.kind == "load" and each.alive)


def answered(world: World, task: Task, per_second: int, milliseconds: float) -> None:
    """What routers would have noted of a generator's requests: of the last eight seconds, which its plan has."""
    load = task.spec.load
    assert load is not None
    now = math.floor(time.time())
    of = (("EndpointName", load.endpoint), ("VariantName", "AllTraffic"))
    for at in range(now - 9, now + 1):
        counts = StatisticSet.of([1.0], [float(per_second)])
        took = StatisticSet.of([1000 * milliseconds], [float(per_second)])
        with world.store.write() as tx:
            for name, values in (("Invocations", counts), ("ModelLatency", took)):
                tx.put_statistics(REGION, [Datum(Metric("AWS/SageMaker", name, of), at, "None", values)])


def began(task: Task, ago: float) -> None:
    """The generator says that it has begun, so many seconds ago."""
    task.say("Invoking")
    task.events[-1] = type(task.events[-1])(1, time.time() - ago, "Invoking", "", {})


def go_on(world: World, figures: dict[str, tuple[int, float]]) -> None:
    """Let model servers serve, and generators put on their whole load; answers by the worker count."""
    for task in list(world.backend.present.values()):
        if task.spec.kind == "serve" and not task.events and task.alive:
            task.say("Serving")
        if task.spec.kind == "load" and task.alive:
            load = task.spec.load
            assert load is not None
            answered(world, task, *figures[load.endpoint[-1]])
            began(task, 8.5)
            task.say("Completed")


def until(world: World, status: str, figures: dict[str, tuple[int, float]], killed: bool = False) -> Params:
    def reached() -> bool:
        go_on(world, figures)
        if killed:
            world.new_loop()
        return bool(described(world)["Status"] == status)

    world.until(reached)
    return described(world)


@pytest.mark.parametrize("killed", [False, True], ids=["by one process", "by a process a step"])
def test_every_configuration_is_measured_and_nothing_is_left(job: World, killed: bool) -> None:
    found = until(job, "COMPLETED", {"1": (10, 50.0), "2": (20, 70.2)}, killed)
    cheap, dear = found["InferenceRecommendations"]
    assert cheap["ModelConfiguration"]["EnvironmentParameters"] == [{"Key": "W", "ValueType": "string", "Value": "2"}]
    assert (cheap["Metrics"]["MaxInvocations"], cheap["Metrics"]["ModelLatency"]) == (1200, 71)
    assert (dear["Metrics"]["MaxInvocations"], dear["Metrics"]["ModelLatency"]) == (600, 50)
    assert dear["Metrics"]["CostPerInference"] == pytest.approx(0.115 / 600 / 60)
    assert found["CompletionTime"] <= time.time()
    assert (endpoints(job), models(job)) == ([], {"M"})
    assert job.call("ListEndpointConfigs")["EndpointConfigs"] == []
    assert job.backend.present == {}
    steps = job.call("ListInferenceRecommendationsJobSteps", JobName="J")["Steps"]
    assert [each["Status"] for each in steps] == ["COMPLETED", "COMPLETED"]
    lines = job.log_lines("/aws/sagemaker/InferenceRecommendationsJobs", "J/execution")
    assert lines[0] == "Inference recommendations job J: 2 load test(s)"
    assert any(line.startswith("Costs are by https://aws.amazon.com/sagemaker/pricing/") for line in lines)


def test_a_recommendation_tells_how_to_scale(job: World) -> None:
    found = until(job, "COMPLETED", {"1": (10, 50.0), "2": (20, 70.2)})
    identity = found["InferenceRecommendations"][0]["RecommendationId"]

    def scaling(**asked: Any) -> Params:
        return job.call("GetScalingConfigurationRecommendation", InferenceRecommendationsJobName="J", **asked)

    objective = {"MinInvocationsPerMinute": 1_300, "MaxInvocationsPerMinute": 6_000}
    told = scaling(RecommendationId=identity, ScalingPolicyObjective=objective)
    assert told["TargetCpuUtilizationPerCore"] == 50
    assert told["Metric"] == {"InvocationsPerInstance": 600, "ModelLatency": 71}
    capacity = told["DynamicScalingConfiguration"]
    assert (capacity["MinCapacity"], capacity["MaxCapacity"]) == (3, 10)
    assert capacity["ScalingPolicies"][0]["TargetTracking"]["TargetValue"] == 600
    name = found["InferenceRecommendations"][1]["EndpointConfiguration"]["EndpointName"]
    assert scaling(EndpointName=name, TargetCpuUtilizationPerCore=100)["Metric"]["InvocationsPerInstance"] == 600
    with pytest.raises(AwsError, match="either RecommendationId or EndpointName"):
        scaling()
    with pytest.raises(AwsError, match="has not measured Other"):
        scaling(EndpointName="Other")


def test_a_generator_is_told_the_load_and_given_credentials(job: World) -> None:
    def there() -> bool:
        for task in job.backend.present.values():
            if task.spec.kind == "serve" and not task.events:
                task.say("Serving")
        return any(generators(job))

    job.until(there)
    (spec,) = (each.spec for each in generators(job))
    assert spec.load is not None
    assert spec.load.levels == [(1, 4.0), (2, 4.0)]
    assert (spec.load.payload_uri, spec.load.content_types) == (PAYLOAD["SamplePayloadUrl"], ["text/csv"])
    assert spec.load.endpoint.startswith("J-")
    assert spec.environment["AWS_SESSION_TOKEN"]
    assert spec.is_batch


def test_a_generator_that_is_lost_is_started_once_more_and_then_given_up(job: World) -> None:
    lost = 0

    def over() -> bool:
        nonlocal lost
        for task in list(job.backend.present.values()):
            if task.spec.kind == "serve" and not task.events and task.alive:
                task.say("Serving")
            elif task.spec.kind == "load" and task.alive:
                task.alive, lost = False, lost + 1
        return bool(described(job)["Status"] == "FAILED")

    job.until(over)
    assert lost == 4, "two tests, two attempts each"
    assert described(job)["FailureReason"] == "InternalServerError: the load generator ended without a report."
    assert (endpoints(job), job.backend.present) == ([], {})


@pytest.mark.parametrize("removed", [False, True], ids=["before it is removed", "after it was removed"])
def test_a_lost_generator_is_neither_kept_nor_started_by_its_id_again_whoever_dies(
    job: World, removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget, interrupted = job.backend.forget, set[str]()

    def dying(task_id: str) -> None:
        if task_id in interrupted or not task_id.startswith("load-"):
            forget(task_id)
            return
        interrupted.add(task_id)
        if removed:
            forget(task_id)
        raise OSError("the API process was killed")

    monkeypatch.setattr(job.backend, "forget", dying)

    def over() -> bool:
        for task in list(job.backend.present.values()):
            if task.spec.kind == "serve" and not task.events and task.alive:
                task.say("Serving")
            elif task.spec.kind == "load" and task.alive:
                task.alive = False
        job.new_loop()
        return bool(described(job)["Status"] == "FAILED")

    job.until(over)
    assert len(interrupted) == 4, "two tests, two attempts each"
    job.new_loop()
    assert job.backend.present == {}


def test_a_generator_that_the_platform_ended_when_it_went_down_is_started_again(job: World) -> None:
    ended = 0

    def over() -> bool:
        nonlocal ended
        for task in generators(job):
            if ended < 3:
                began(task, 1.0)
                task.say("Stopped")
                ended += 1
        go_on(job, {"1": (10, 50.0), "2": (20, 70.2)})
        return bool(described(job)["Status"] == "COMPLETED")

    job.until(over)
    assert len(described(job)["InferenceRecommendations"]) == 2
    assert job.backend.present == {}


def test_one_configuration_that_cannot_be_served_does_not_keep_the_other_from_it(job: World) -> None:
    def over() -> bool:
        for task in list(job.backend.present.values()):
            if task.spec.kind == "serve" and not task.events and task.spec.environment["W"] == "1":
                task.say("Failed", failure_reason="it needs two workers")
        go_on(job, {"2": (20, 5.0)})
        return bool(described(job)["Status"] == "COMPLETED")

    job.until(over)
    (only,) = described(job)["InferenceRecommendations"]
    assert only["ModelConfiguration"]["EnvironmentParameters"][0]["Value"] == "2"
    failed, _ = (each["InferenceBenchmark"] for each in _steps(job))
    assert failed["FailureReason"] == "it needs two workers"
    assert endpoints(job) == []


def test_a_stopped_job_ends_its_generator_and_its_endpoint(job: World) -> None:
    def loading() -> bool:
        for task in job.backend.present.values():
            if task.spec.kind == "serve" and not task.events:
                task.say("Serving")
        return any(generators(job))

    job.until(loading)
    (task,) = generators(job)
    began(task, 1.0)
    job.call("StopInferenceRecommendationsJob", JobName="J")

    def stopped() -> bool:
        if task.stopped and task.alive:
            task.say("Stopped")
        return bool(described(job)["Status"] == "STOPPED")

    job.until(stopped)
    assert (endpoints(job), models(job), job.backend.present) == ([], {"M"}, {})
    assert [each["Status"] for each in _steps(job)] == ["STOPPED", "STOPPED"]
    with pytest.raises(AwsError, match="in status STOPPED"):
        job.call("StopInferenceRecommendationsJob", JobName="J")


def test_a_generator_that_does_not_end_is_killed(job: World) -> None:
    def loading() -> bool:
        for task in job.backend.present.values():
            if task.spec.kind == "serve" and not task.events:
                task.say("Serving")
        return any(generators(job))

    job.until(loading)
    (task,) = generators(job)
    began(task, 1.0)
    job.call("StopInferenceRecommendationsJob", JobName="J")
    job.until(lambda: task.stopped)
    document = job.stored("inference-recommendations-job", "J")
    first, *others = document.body["_tests"]
    older = [{**first, "stopping_at": first["stopping_at"] - 60}, *others]
    with job.store.write() as tx:
        tx.update(replace(document, body={**document.body, "_tests": older}))
    job.until(lambda: bool(described(job)["Status"] == "STOPPED"))
    assert not task.alive
    assert (endpoints(job), job.backend.present) == ([], {})


def test_as_many_tests_run_at_once_as_the_job_allows(world: World) -> None:
    world.call("CreateModel", **model("M"))
    workers = {"CategoricalParameterRanges": [{"Name": "W", "Value": ["1", "2", "3"]}]}
    types = [{"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": workers}]
    inputs = {"EndpointConfigurations": types, "ResourceLimit": {"MaxParallelOfTests": 2}}
    world.call("CreateInferenceRecommendationsJob", **request(InputConfig=inputs))
    most = []

    def loading() -> bool:
        most.append(len(endpoints(world)))
        for task in world.backend.present.values():
            if task.spec.kind == "serve" and not task.events:
                task.say("Serving")
        return len([*generators(world)]) == 2

    world.until(loading)
    done = until(world, "COMPLETED", dict.fromkeys("123", (10, 5.0)))
    assert max(most) == 2
    assert len(done["InferenceRecommendations"]) == 3
    assert (endpoints(world), world.backend.present) == ([], {})


def test_a_generator_that_goes_on_after_its_load_is_ended(job: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "GRACE_SECONDS", 0.0)

    def loading() -> bool:
        for task in job.backend.present.values():
            if task.spec.kind == "serve" and not task.events:
                task.say("Serving")
        return any(generators(job))

    job.until(loading)
    (task,) = generators(job)
    # Its plan has eight seconds.
    began(task, 9.0)
    job.until(lambda: not task.alive)
    assert "its load was to last 8 seconds" in str(job.stored("inference-recommendations-job", "J").body["_tests"])


def test_a_generator_that_nobody_names_is_ended(job: World) -> None:
    def loading() -> bool:
        for task in job.backend.present.values():
            if task.spec.kind == "serve" and not task.events:
                task.say("Serving")
        return any(generators(job))

    job.until(loading)
    with job.store.write() as tx:
        tx.delete("inference-recommendations-job", REGION, "j")
    job.new_loop()
    assert not any(generators(job))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ContainerConfig": {}}, "A SamplePayloadUrl is required"),
        ({"ContainerConfig": {"PayloadConfig": {**PAYLOAD, "SamplePayloadUrl": "s3://b/row.csv"}}}, "single .tar.gz"),
        ({"ContainerConfig": {"PayloadConfig": {"SamplePayloadUrl": "s3://b/p.tar.gz"}}}, "SupportedContentTypes are"),
        ({"EndpointConfigurations": [{}]}, "either an InstanceType or a ServerlessConfig"),
        ({"EndpointConfigurations": [{**TWO[0], "InferenceSpecificationName": "S"}]}, "needs a ModelPackageVersionArn"),
        ({"Endpoints": [{"EndpointName": "E"}]}, "Endpoints and EndpointConfigurations cannot both"),
        ({"ModelName": "Absent"}, "Could not find model"),
    ],
    ids=["no payload", "no archive", "no type", "no instance", "no package", "both", "no model"],
)
def test_what_makes_no_sense_is_refused(world: World, changes: Params, words: str) -> None:
    world.call("CreateModel", **model("M"))
    with pytest.raises(AwsError, match=words):
        world.call("CreateInferenceRecommendationsJob", **request(InputConfig=changes))
    assert world.call("ListInferenceRecommendationsJobs")["InferenceRecommendationsJobs"] == []


@pytest.mark.parametrize(
    "pattern",
    [
        {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": 60, "NumberOfSteps": 10**6, "UsersPerStep": 1}},
        {"Phases": [{"DurationInSeconds": 60, "InitialNumberOfUsers": 1, "SpawnRate": 10**6}]},
    ],
    ids=["stairs", "phases"],
)
def test_a_load_of_too_many_users_is_refused_without_being_laid_out(pattern: Params) -> None:
    given = request(InputConfig={"TrafficPattern": pattern})
    tracemalloc.start()
    try:
        with pytest.raises(AwsError, match="1000 users at most"):
            check(given)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 1 << 20


def _steps(world: World) -> list[Params]:
    steps: list[Params] = world.call("ListInferenceRecommendationsJobSteps", JobName="J")["Steps"]
    return steps
