"""Serverless variants wake, sleep and fail as their requests want, against the real store and slots."""

import time
from typing import Any

import pytest

from sagesmith import wakes
from sagesmith.routes import EndpointRoute, read_routes
from sagesmith.services.sagemaker import serverless_variants
from sagesmith.services.sagemaker.serverless import Demand
from sagesmith.slots import SlotFile, path_of
from sagesmith.wire.errors import AwsError, ValidationException
from tests.unit.services.sagemaker.world import REGION, World, model, variant

CONFIG = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
GIB = 1 << 30


def on_demand(**changes: Any) -> dict[str, Any]:
    return {"VariantName": "V", "ModelName": "m", "ServerlessConfig": {**CONFIG, **changes}}


def create(world: World, chosen: dict[str, Any], name: str = "Ep", **changes: Any) -> None:
    world.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[chosen], **changes)
    world.call("CreateEndpoint", EndpointName=name, EndpointConfigName=name)


def serve(world: World) -> None:
    """Let tasks start, and those that do not yet, serve."""
    world.turn()
    for task in world.backend.present.values():
        if not task.events:
            task.say("Serving")
    world.turn(3)


def route(world: World) -> EndpointRoute:
    return read_routes(world.platform.dir.routes_file)[REGION]["ep"]


def describe(world: World) -> dict[str, Any]:
    return world.call("DescribeEndpoint", EndpointName="Ep")


def wake(world: World) -> None:
    wakes.ask(world.platform.dir.wakes, REGION, "Ep")


def demand(world: World) -> Demand:
    return Demand(world.platform.dir.wakes, world.platform.dir.slots, 300.0, 2)


@pytest.fixture
def asleep(world: World) -> World:
    """A serverless endpoint in service."""
    world.call("CreateModel", **model("m"))
    create(world, on_demand())
    serve(world)
    return world


def test_an_endpoint_is_in_service_without_a_process_once_its_model_has_served(world: World) -> None:
    world.call("CreateModel", **model("m"))
    create(world, on_demand())
    world.turn(3)
    assert describe(world)["EndpointStatus"] == "Creating", "nothing has shown yet that the model can be loaded"
    (task,) = world.backend.present.values()
    assert (task.spec.resources.memory_bytes, task.spec.startup_timeout_seconds) == (2 * GIB, 180)
    task.stubborn = True
    task.say("Serving")
    world.turn(3)
    assert describe(world)["EndpointStatus"] == "Creating", "the process that tried the model is still there"
    task.say("Stopped")
    world.turn(2)
    described = describe(world)
    assert (described["EndpointStatus"], world.backend.present) == ("InService", {})
    (shown,) = described["ProductionVariants"]
    assert (shown["CurrentServerlessConfig"], shown["DesiredServerlessConfig"]) == (CONFIG, CONFIG)
    assert "DesiredInstanceCount" not in shown
    known = route(world)
    assert known.serverless is not None
    assert (known.serverless.concurrency, known.variants[0].addresses) == (5, [])


def test_a_model_that_cannot_be_loaded_fails_the_creation(world: World) -> None:
    world.call("CreateModel", **model("m"))
    create(world, on_demand())
    world.turn()
    world.backend.only().say("Failed", "no such file", exit_code=1, failure_reason="no such file")
    world.turn(2)
    described = describe(world)
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]


def test_a_wake_starts_a_model_server_though_the_api_process_is_a_later_one(asleep: World) -> None:
    wake(asleep)
    asleep.new_loop()
    serve(asleep)
    assert len(route(asleep).variants[0].addresses) == 1
    assert list(wakes.asked(asleep.platform.dir.wakes)) == []


def test_who_waits_for_a_model_that_fails_is_told_and_the_next_request_tries_again(asleep: World) -> None:
    wake(asleep)
    began = time.time()
    asleep.turn()
    asleep.backend.only().say("Failed", "out of luck", exit_code=1, failure_reason="out of luck")
    asleep.turn(3)
    known = route(asleep).serverless
    assert known is not None
    assert known.failed_at >= began
    assert "out of luck" in known.failure
    assert asleep.backend.present == {}
    wake(asleep)
    serve(asleep)
    assert len(route(asleep).variants[0].addresses) == 1


def test_a_variant_sleeps_when_it_was_idle_and_no_slot_is_taken(asleep: World) -> None:
    wake(asleep)
    serve(asleep)
    document = asleep.stored("endpoint", "Ep")
    assert demand(asleep).applied(document, False, time.time() + 299) is document
    slots = SlotFile(path_of(asleep.platform.dir.slots, REGION, "Ep"))
    slot = slots.take(5)
    assert slot is not None
    assert demand(asleep).applied(document, False, time.time() + 1000) is document, "a request is under way"
    slots.give_back(slot)
    assert demand(asleep).applied(document, False, time.time() + 299) is document
    slept = demand(asleep).applied(document, False, time.time() + 301)
    with asleep.store.write() as tx:
        tx.update(slept)
    asleep.turn(3)
    assert (route(asleep).variants[0].addresses, asleep.backend.present) == ([], {})
    assert describe(asleep)["EndpointStatus"] == "InService"


def test_a_model_server_that_retires_stays_while_a_request_may_be_on_its_way_to_it(asleep: World) -> None:
    wake(asleep)
    serve(asleep)
    slots = SlotFile(path_of(asleep.platform.dir.slots, REGION, "Ep"))
    slept = demand(asleep).applied(asleep.stored("endpoint", "Ep"), False, time.time() + 301)
    slot = slots.take(5)
    assert slot is not None
    with asleep.store.write() as tx:
        tx.update(slept)
    asleep.turn(3)
    assert (route(asleep).variants[0].addresses, len(asleep.backend.present)) == ([], 1)
    slots.give_back(slot)
    asleep.turn(2)
    assert asleep.backend.present == {}


def test_more_requests_at_once_have_more_model_servers_as_far_as_the_machine_goes(asleep: World) -> None:
    wake(asleep)
    serve(asleep)
    slots = SlotFile(path_of(asleep.platform.dir.slots, REGION, "Ep"))
    for _ in range(4):
        slots.take(5)
    serve(asleep)
    assert len(route(asleep).variants[0].addresses) == 2


def test_provisioned_concurrency_is_always_there_and_can_be_changed(world: World) -> None:
    world.call("CreateModel", **model("m"))
    create(world, on_demand(ProvisionedConcurrency=1))
    serve(world)
    assert len(route(world).variants[0].addresses) == 1
    document = world.stored("endpoint", "Ep")
    with world.store.write() as tx:
        tx.update(demand(world).applied(document, False, time.time() + 301))
    world.turn(2)
    assert len(route(world).variants[0].addresses) == 1
    change = {"VariantName": "V", "ServerlessUpdateConfig": {"MaxConcurrency": 9, "ProvisionedConcurrency": 2}}
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=[change])
    assert describe(world)["EndpointStatus"] == "Updating"
    serve(world)
    assert describe(world)["EndpointStatus"] == "InService"
    config = describe(world)["ProductionVariants"][0]["CurrentServerlessConfig"]
    assert (config["MaxConcurrency"], config["ProvisionedConcurrency"]) == (9, 2)
    known = route(world)
    assert known.serverless is not None
    assert (known.serverless.concurrency, len(known.variants[0].addresses)) == (9, 2)


def test_a_serverless_endpoint_becomes_one_of_instances_and_never_again_serverless(asleep: World) -> None:
    asleep.call(
        "CreateEndpointConfig",
        EndpointConfigName="instances",
        ProductionVariants=[variant("m", InitialInstanceCount=1)],
    )
    asleep.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="instances")
    serve(asleep)
    known = route(asleep)
    assert (known.serverless, len(known.variants[0].addresses)) == (None, 1)
    with pytest.raises(ValidationException, match="cannot be updated to a serverless endpoint"):
        asleep.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="Ep")


@pytest.mark.parametrize(
    "changes",
    [
        {"DataCaptureConfig": {"InitialSamplingPercentage": 1, "DestinationS3Uri": "s3://b", "CaptureOptions": []}},
        {"EnableNetworkIsolation": True},
        {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}},
        {"ShadowProductionVariants": [{**on_demand(), "VariantName": "S"}]},
        {"ProductionVariants": [on_demand(), {**on_demand(), "VariantName": "W"}]},
        {"ProductionVariants": [{**on_demand(), "InstanceType": "ml.m5.large"}]},
    ],
    ids=["capture", "isolation", "vpc", "shadow", "two", "instances"],
)
def test_what_serverless_endpoints_do_not_support_is_refused(changes: dict[str, Any]) -> None:
    assert list(serverless_variants.problems({"ProductionVariants": [on_demand()], **changes})) != []
    assert list(serverless_variants.problems({**changes, "ProductionVariants": [variant("m")]})) == [] or (
        "Shadow" in str(changes)
    )


def test_an_endpoint_that_is_refused_leaves_nothing_behind(world: World) -> None:
    world.call("CreateModel", **model("m", EnableNetworkIsolation=True))
    with pytest.raises(ValidationException, match="Network isolation is not supported"):
        create(world, on_demand())
    with pytest.raises(AwsError):
        describe(world)


def test_capacities_of_the_other_kind_are_refused(asleep: World) -> None:
    for change, said in (
        ({"DesiredInstanceCount": 2}, "is serverless"),
        ({"ServerlessUpdateConfig": {"ProvisionedConcurrency": 6}}, "less than or equal to MaxConcurrency 5"),
    ):
        with pytest.raises(ValidationException, match=said):
            asleep.call(
                "UpdateEndpointWeightsAndCapacities",
                EndpointName="Ep",
                DesiredWeightsAndCapacities=[{"VariantName": "V", **change}],
            )
    assert describe(asleep)["EndpointStatus"] == "InService"
