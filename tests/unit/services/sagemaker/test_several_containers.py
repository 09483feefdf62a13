"""Endpoints of models with several containers, against the real store and a backend that does what a test says."""

import time

from sagesmith.compute.base import ContainerLine, MetricSample
from sagesmith.routes import read_routes
from sagesmith.store import Metric, Window
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.world import REGION, Task, World, model, variant

LOG_GROUP = "/aws/sagemaker/Endpoints/Ep"


def create(world: World, *names: str, mode: str = "Serial") -> Task:
    """An endpoint of a model with two containers, with these hostnames or with none."""
    container = model("x")["PrimaryContainer"]
    containers = [container | {"Image": "a"}, container | {"Image": "b", "Environment": {"COLOUR": "red"}}]
    for each, name in zip(containers, names, strict=False):
        each["ContainerHostname"] = name
    execution = {"InferenceExecutionConfig": {"Mode": mode}}
    world.call("CreateModel", ModelName="M", Containers=containers, **execution)
    world.call("CreateEndpointConfig", EndpointConfigName="C", ProductionVariants=[variant("M")])
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    world.turn()
    return world.backend.only()


def serving(world: World, task: Task) -> None:
    task.say("Serving")
    world.until(lambda: describe(world)["EndpointStatus"] == "InService")


def describe(world: World) -> Params:
    return world.call("DescribeEndpoint", EndpointName="Ep")


def test_an_instance_is_one_task_of_all_containers_which_are_called_by_their_places(world: World) -> None:
    spec = create(world).spec
    assert [(each.name, each.image) for each in spec.containers] == [("container-1", "a"), ("container-2", "b")]
    assert spec.containers[1].environment["COLOUR"] == "red"
    assert "COLOUR" not in spec.environment
    assert spec.environment["AWS_REGION"] == REGION


def test_routers_are_told_the_names_and_whether_requests_choose_one(world: World) -> None:
    serving(world, create(world, "one", "two", mode="Direct"))
    (route,) = read_routes(world.platform.dir.routes_file)[REGION]["ep"].variants
    assert (route.containers, route.direct, len(route.addresses)) == (["one", "two"], True, 1)


def test_all_images_are_described(world: World) -> None:
    serving(world, create(world))
    (found,) = describe(world)["ProductionVariants"]
    assert [each["SpecifiedImage"] for each in found["DeployedImages"]] == ["a", "b"]


def test_the_container_that_did_not_start_is_named(world: World) -> None:
    task = create(world, "one", "two")
    task.say("Failed", exit_code=1, container="two", failure_reason="The model server ended with exit code 1.")
    world.turn()
    assert describe(world)["FailureReason"].startswith(
        "The two container for production variant AllTraffic did not pass the ping health check."
    )


def test_each_container_has_a_log_stream_and_metrics_of_its_own(world: World) -> None:
    task = create(world, "one", "two")
    now, minute = int(time.time() * 1000), int(time.time()) // 60 * 60 - 60
    task.lines += [(now, ContainerLine.of("one", "of one")), (now, ContainerLine.of("two", "of two"))]
    task.samples.append(MetricSample("CPUUtilization", minute, [30.0], of_host=True))
    task.samples.append(MetricSample("CPUUtilization", minute, [10.0], of_host=True, container="one"))
    serving(world, task)
    world.turn()
    with world.store.read() as tx:
        streams = [each.name for each in tx.log_streams(REGION, LOG_GROUP, "AllTraffic/")[0]]
        found = {}
        of = (("EndpointName", "Ep"), ("VariantName", "AllTraffic"))
        for dimensions in (of, (("ContainerName", "one"), *of)):
            metric = Metric("/aws/sagemaker/Endpoints", "CPUUtilization", dimensions)
            (aggregate,) = tx.statistics(REGION, metric, Window(minute, minute + 60, 60))
            found[dimensions[0]] = aggregate.values.sum
    assert sorted(each.rpartition("/")[2] for each in streams) == ["one", "two"]
    assert [world.log_lines(LOG_GROUP, each) for each in sorted(streams)] == [["of one"], ["of two"]]
    assert list(found.values()) == [30.0, 10.0]
