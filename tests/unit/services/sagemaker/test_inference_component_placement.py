"""On which instances the copies of inference components are put, and what becomes of them when instances change."""

import time
from typing import Any

import pytest

from sagesmith.services.sagemaker.model_servers import instances_of
from sagesmith.services.sagemaker.placement import NOT_ENOUGH, place
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.components import (
    KIND,
    copies,
    create,
    describe,
    host,
    hosting,
    hosts,
    instances,
    scale,
    serve,
    specification,
)
from tests.unit.services.sagemaker.world import World, variant


def test_copies_are_placed_until_an_instance_is_full_and_the_next_takes_what_is_left(world: World) -> None:
    host(world, hosting(InitialInstanceCount=2))
    create(world, "a", copies=3, cpus=1.0)
    assert sorted(hosts(world, "a")) == [0, 0, 1]
    create(world, "b", cpus=1.0)
    assert hosts(world, "b") == [1]


def test_a_component_spreads_over_instances_if_it_says_so(world: World) -> None:
    host(world, hosting(InitialInstanceCount=2))
    create(world, copies=2, cpus=0.5, SchedulingConfig={"PlacementStrategy": "SPREAD"})
    assert sorted(hosts(world)) == [0, 1]


@pytest.mark.parametrize("asks", [{"cpus": 2.5}, {"memory_mb": 8193}], ids=["cores", "memory"])
def test_a_component_for_which_there_is_no_room_is_failed_with_the_reason(world: World, asks: dict[str, Any]) -> None:
    host(world)
    create(world, **asks)
    shown = describe(world)
    assert shown["InferenceComponentStatus"] == "Failed"
    assert shown["FailureReason"] == NOT_ENOUGH
    assert world.backend.started == []


def test_what_a_deleted_component_had_is_there_for_the_next(world: World) -> None:
    host(world)
    create(world, "a", cpus=2.0)
    serve(world)
    world.call("DeleteInferenceComponent", InferenceComponentName="a")
    create(world, "b", cpus=2.0)
    serve(world)
    assert describe(world, "b")["InferenceComponentStatus"] == "InService"
    with pytest.raises(AwsError, match="Could not find inference component"):
        describe(world, "a")


def test_what_takes_a_dead_copys_place_has_its_room_whoever_waits_for_it(world: World) -> None:
    host(world, hosting(InitialInstanceCount=2))
    create(world, "a", cpus=2.0)
    create(world, "b", cpus=2.0)
    serve(world)
    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=wanted)
    world.turn(2)
    assert (copies(world, "a"), copies(world, "b")) == ((1, 1), (0, 1))
    dying = next(each for each in world.backend.present.values() if each.spec.label == "a")
    dying.say("Failed", failure_reason="killed")
    world.turn(2)
    serve(world)
    assert (copies(world, "a"), copies(world, "b")) == ((1, 1), (0, 1))


def test_fewer_instances_end_copies_that_have_no_room_any_more_and_more_bring_them_back(world: World) -> None:
    host(world, hosting(InitialInstanceCount=2))
    create(world, copies=2, cpus=2.0)
    serve(world)

    def resize(count: int) -> None:
        wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
        world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=wanted)
        world.turn(2)

    resize(1)
    assert (describe(world)["InferenceComponentStatus"], copies(world)) == ("InService", (1, 2))
    waiting = world.stored(KIND, "ic").version
    world.turn(3)
    assert world.stored(KIND, "ic").version == waiting, "nothing is stored while a copy waits"
    resize(2)
    serve(world)
    assert copies(world) == (2, 2)


def test_a_component_is_not_put_on_instances_that_an_update_takes_away(world: World) -> None:
    host(world)
    world.call("CreateEndpointConfig", EndpointConfigName="D", ProductionVariants=[variant("M", "Blue")])
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="D")
    with pytest.raises(AwsError, match='"AllTraffic" does not host inference components'):
        create(world)
    world.turn()
    for task in world.backend.present.values():
        task.say("Failed", failure_reason="no such model")
    world.turn()
    assert world.call("DescribeEndpoint", EndpointName="Ep")["EndpointStatus"] == "RollingBack"
    create(world)
    serve(world)
    assert describe(world)["InferenceComponentStatus"] == "InService"


@pytest.mark.parametrize("fails", [False, True], ids=["done", "rolled back"])
def test_an_instance_that_only_an_update_needed_is_given_back_after_it(world: World, fails: bool) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    host(world, hosting(ManagedInstanceScaling=scaling))
    create(world, cpus=2.0)
    serve(world)
    changed = specification(cpus=2.0, memory_mb=2048)
    world.call("UpdateInferenceComponent", InferenceComponentName="ic", Specification=changed)
    world.turn()
    assert instances(world) == 2
    if fails:
        next(each for each in world.backend.present.values() if not each.events).say("Failed", failure_reason="no")
        world.turn()
    serve(world)
    world.turn()
    assert describe(world)["InferenceComponentStatus"] == "InService"
    assert instances(world) == 1


def test_an_instance_that_came_in_the_stead_of_one_that_is_gone_is_not_taken_twice(world: World) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}
    host(world, hosting(ManagedInstanceScaling=scaling))
    create(world, "a", cpus=2.0)
    create(world, "b", cpus=2.0)
    serve(world)
    assert (hosts(world, "a"), hosts(world, "b")) == ([0], [1])
    none = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=none)
    with world.store.write() as tx:
        document = world.stored(KIND, "b")
        place(tx, document, instances_of(document), time.time())
    world.turn(3)
    assert sorted([*hosts(world, "a"), *hosts(world, "b")]) == [0, 1]
    assert instances(world) == 2


def test_managed_scaling_brings_an_instance_for_copies_that_have_no_room_and_takes_it_away_again(world: World) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    host(world, hosting(ManagedInstanceScaling=scaling))
    create(world, copies=1, cpus=2.0)
    serve(world)
    assert instances(world) == 1
    scale(world, 2)
    serve(world)
    assert (instances(world), copies(world)) == (2, (2, 2))
    scale(world, 3)
    world.turn(2)
    assert (instances(world), copies(world)) == (2, (2, 2)), "it goes no further than its bounds"
    assert describe(world)["FailureReason"] == NOT_ENOUGH
    scale(world, 0)
    world.turn(3)
    assert (instances(world), copies(world)) == (0, (0, 0))
    scale(world, 1)
    serve(world)
    assert (instances(world), copies(world)) == (1, (1, 1))
    world.call("DeleteInferenceComponent", InferenceComponentName="ic")
    world.turn(3)
    assert instances(world) == 0
