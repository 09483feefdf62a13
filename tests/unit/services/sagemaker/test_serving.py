"""The life of an endpoint, against the real store and a backend whose tasks do what a test says."""

import time
from dataclasses import replace

import pytest

from sagesmith.compute.base import MODEL_SERVER_GRACE_SECONDS, MetricSample
from sagesmith.routes import EndpointRoute, read_routes
from sagesmith.services.sagemaker.fleet import DRAIN_SECONDS
from sagesmith.services.sagemaker.retirement import END_SECONDS
from sagesmith.services.sagemaker.serving import CREDENTIALS_SECONDS
from sagesmith.store import Metric, Window
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import Task, World, model, variant

LOG_GROUP = "/aws/sagemaker/Endpoints/Ep"
TIMES = ("start_at", "retire_at", "stopping_at")


def create(world: World, **changes: object) -> None:
    world.call("CreateModel", **model("M"))
    world.call("CreateEndpointConfig", EndpointConfigName="C", ProductionVariants=[variant("M", **changes)])
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    world.turn()


def serve(world: World) -> list[Task]:
    """Let every task that does not yet, serve."""
    for task in world.backend.present.values():
        if not task.events:
            task.say("Downloading")
            task.say("Serving")
    world.turn(2)
    return list(world.backend.present.values())


def describe(world: World) -> dict:
    return world.call("DescribeEndpoint", EndpointName="Ep")


def route(world: World) -> EndpointRoute | None:
    return read_routes(world.platform.dir.routes_file).get("us-east-1", {}).get("ep")


def addresses(world: World, variant_name: str = "AllTraffic") -> list[str]:
    found = route(world)
    assert found is not None
    return next(each.addresses for each in found.variants if each.name == variant_name)


def age(world: World, seconds: float) -> None:
    """Let time pass for an endpoint's instances."""
    document = world.stored("endpoint", "Ep")
    older = [
        {**each, **{name: each[name] - seconds for name in TIMES if each[name] is not None}}
        for each in document.body["_instances"]
    ]
    with world.store.write() as tx:
        tx.update(replace(document, body={**document.body, "_instances": older}))


def test_how_busy_model_servers_are_is_told_by_endpoint_and_variant(world: World) -> None:
    create(world, InitialInstanceCount=2)
    minute = int(time.time()) // 60 * 60 - 60
    for task in serve(world):
        task.samples.append(MetricSample("MemoryUtilization", minute, [10.0, 20.0], of_host=True))
    world.turn()
    metric = Metric(
        "/aws/sagemaker/Endpoints", "MemoryUtilization", (("EndpointName", "Ep"), ("VariantName", "AllTraffic"))
    )
    with world.store.read() as tx:
        (found,) = tx.statistics("us-east-1", metric, Window(minute, minute + 60, 60))
    assert (found.unit, found.values.count, found.values.maximum) == ("Percent", 4.0, 20.0)


def test_an_endpoint_is_in_service_once_its_model_server_serves(world: World) -> None:
    create(world)
    assert describe(world)["EndpointStatus"] == "Creating"
    assert route(world) == EndpointRoute("Ep", "Creating")
    (task,) = serve(world)
    described = describe(world)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointArn"] == "arn:aws:sagemaker:us-east-1:123456789012:endpoint/ep"
    (shown,) = described["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"], shown["CurrentWeight"]) == (1, 1, 1.0)
    assert addresses(world) == [task.address]
    assert not any(member.startswith("_") for member in described)


def test_a_model_server_gets_its_model_its_code_and_credentials(world: World) -> None:
    create(world, ContainerStartupHealthCheckTimeoutInSeconds=90)
    spec = world.backend.only().spec
    assert (spec.kind, spec.label, len(spec.id) <= 40) == ("serve", "Ep", True)
    assert spec.model_data == "s3://out/job/output/model.tar.gz"
    assert spec.code == "s3://out/sourcedir.tar.gz"
    assert spec.environment["SAGEMAKER_PROGRAM"] == "train.py"
    assert spec.environment["AWS_SESSION_TOKEN"]
    assert spec.startup_timeout_seconds == 90


def test_an_endpoint_whose_model_cannot_be_loaded_is_failed_with_the_reason(world: World) -> None:
    create(world)
    task = world.backend.only()
    task.print("Traceback: no module named x")
    task.say("Failed", failure_reason="The model server ended: no module named x")
    world.turn()
    described = describe(world)
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == "The model server ended: no module named x"
    assert route(world) == EndpointRoute("Ep", "Failed")
    assert world.backend.present == {}
    assert world.log_lines(LOG_GROUP, "AllTraffic/") == ["Traceback: no module named x"]
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn()
    assert route(world) is None


def test_a_dead_model_server_is_replaced_while_the_endpoint_stays_in_service(world: World) -> None:
    create(world)
    (first,) = serve(world)
    first.say("Failed", failure_reason="killed")
    world.turn()
    assert describe(world)["EndpointStatus"] == "InService"
    assert addresses(world) == []
    world.turn()
    (second,) = serve(world)
    assert second is not first
    assert addresses(world) == [second.address]


def test_a_model_server_that_dies_again_and_again_is_not_started_at_once(world: World) -> None:
    create(world)
    serve(world)
    for _ in range(4):
        world.backend.only().say("Failed", failure_reason="killed")
        world.turn(2)
        if not world.backend.present:
            break
    assert world.backend.present == {}
    (waiting,) = world.stored("endpoint", "Ep").body["_instances"]
    assert waiting["attempt"] >= 2


def test_a_killed_node_agent_is_noticed_and_its_model_server_replaced(world: World) -> None:
    create(world)
    (first,) = serve(world)
    first.alive = False
    world.turn(2)
    (second,) = serve(world)
    assert addresses(world) == [second.address]


def test_a_new_api_process_finds_the_running_model_server_again(world: World) -> None:
    create(world)
    (task,) = serve(world)
    world.new_loop()
    world.turn()
    assert addresses(world) == [task.address]
    assert len(world.backend.started) == 1


def test_after_a_full_restart_endpoints_come_back(world: World) -> None:
    create(world)
    (first,) = serve(world)
    first.alive = False
    world.platform.dir.routes_file.unlink()
    world.new_loop()
    world.turn(2)
    (second,) = serve(world)
    assert describe(world)["EndpointStatus"] == "InService"
    assert addresses(world) == [second.address]


def test_a_model_server_is_replaced_before_its_credentials_end(world: World) -> None:
    create(world)
    (first,) = serve(world)
    age(world, 0.8 * CREDENTIALS_SECONDS)
    world.turn(2)
    assert len(world.backend.started) == 1
    age(world, 0.1 * CREDENTIALS_SECONDS)
    world.turn(2)
    second = world.backend.present[world.backend.started[-1].id]
    assert addresses(world) == [first.address]
    second.say("Serving")
    world.turn(2)
    assert addresses(world) == [second.address]
    assert first.alive
    age(world, 100.0)
    world.turn()
    assert not first.alive
    assert len(world.backend.started) == 2
    assert describe(world)["EndpointStatus"] == "InService"


def test_a_replacement_that_dies_leaves_the_present_model_server_serving(world: World) -> None:
    create(world)
    (first,) = serve(world)
    age(world, 0.9 * CREDENTIALS_SECONDS)
    world.turn(2)
    world.backend.present[world.backend.started[-1].id].say("Failed", "no memory")
    world.turn(3)
    assert addresses(world) == [first.address]
    third = world.backend.present[world.backend.started[-1].id]
    third.say("Serving")
    world.turn(2)
    assert addresses(world) == [third.address]


def test_model_servers_are_replaced_one_after_the_other(world: World) -> None:
    create(world, InitialInstanceCount=2)
    first, second = serve(world)
    age(world, 0.9 * CREDENTIALS_SECONDS)
    world.turn(3)
    assert len(world.backend.started) == 3
    world.backend.present[world.backend.started[-1].id].say("Serving")
    world.turn(3)
    assert len(world.backend.started) == 4
    world.backend.present[world.backend.started[-1].id].say("Serving")
    world.turn(3)
    assert len(addresses(world)) == 2
    assert not {first.address, second.address} & set(addresses(world))


def test_a_deleted_endpoint_leaves_nothing(world: World) -> None:
    create(world)
    (task,) = serve(world)
    task.print("last words")
    world.call("DeleteEndpoint", EndpointName="Ep")
    assert describe(world)["EndpointStatus"] == "Deleting"
    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn(2)
    with pytest.raises(
        AwsError, match='Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/ep"'
    ):
        describe(world)
    assert not task.alive
    assert world.backend.present == {}
    assert route(world) is None
    assert world.log_lines(LOG_GROUP, "AllTraffic/") == ["last words", "asked to end"]


def test_a_deleted_endpoint_stays_until_its_model_servers_have_ended(world: World) -> None:
    create(world, InitialInstanceCount=2)
    slow, quick = serve(world)
    slow.stubborn = True
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn(3)
    assert (slow.alive, slow.stopped, quick.alive) == (True, True, False)
    assert describe(world)["EndpointStatus"] == "Deleting"
    assert route(world) is None
    slow.print("saved")
    slow.say("Stopped")
    world.turn()
    assert world.backend.present == {}
    assert "saved" in world.log_lines(LOG_GROUP, "AllTraffic/")
    with pytest.raises(AwsError, match="Could not find endpoint"):
        describe(world)


def test_a_model_server_that_does_not_end_when_asked_is_killed_after_its_grace(world: World) -> None:
    create(world)
    (task,) = serve(world)
    task.stubborn = True
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn()
    age(world, MODEL_SERVER_GRACE_SECONDS)
    world.turn()
    assert task.alive, "it may be just about to be killed by its own node agent"
    task.print("last words")
    age(world, END_SECONDS)
    world.turn(2)
    assert world.backend.present == {}
    assert world.log_lines(LOG_GROUP, "AllTraffic/") == ["last words"]


def test_a_model_server_that_cannot_be_ended_keeps_no_other_alive_and_is_tried_again(world: World) -> None:
    create(world, InitialInstanceCount=2)
    first, _ = serve(world)
    world.backend.immortal = {first.spec.id}
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn(2)
    assert list(world.backend.present.values()) == [first]
    assert describe(world)["EndpointStatus"] == "Deleting"
    world.backend.immortal.clear()
    world.turn()
    assert world.backend.present == {}


def test_a_dead_model_server_that_cannot_be_removed_is_tried_again_beside_its_successor(world: World) -> None:
    create(world)
    (first,) = serve(world)
    world.backend.immortal = {first.spec.id}
    first.say("Failed", failure_reason="killed")
    world.turn(2)
    second = world.backend.present[world.backend.started[-1].id]
    second.say("Serving")
    world.turn()
    assert addresses(world) == [second.address]
    world.backend.immortal.clear()
    world.turn()
    assert list(world.backend.present.values()) == [second]


def test_the_model_servers_of_an_endpoint_that_failed_are_asked_to_end(world: World) -> None:
    create(world, InitialInstanceCount=2)
    broken, slow = world.backend.present.values()
    slow.stubborn = True
    broken.say("Failed", failure_reason="no such model")
    world.turn()
    assert describe(world)["EndpointStatus"] == "Failed"
    assert (slow.alive, slow.stopped) == (True, True)
    world.new_loop()
    slow.say("Stopped")
    world.turn()
    assert world.backend.present == {}
    assert world.stored("endpoint", "Ep").body["_instances"] == []


def test_a_model_server_is_asked_to_end_when_no_request_can_be_on_its_way_to_it(world: World) -> None:
    create(world)
    serve(world)
    change = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2}
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=[change])
    world.turn()
    _, second = serve(world)
    second.stubborn = True
    change["DesiredInstanceCount"] = 1
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=[change])
    world.turn(2)
    assert not second.stopped
    age(world, DRAIN_SECONDS)
    world.turn()
    assert (second.stopped, second.alive) == (True, True)
    world.new_loop()
    world.turn()
    assert second.alive
    second.say("Stopped")
    world.turn()
    assert second not in world.backend.present.values()
    assert describe(world)["EndpointStatus"] == "InService"


def test_an_endpoint_can_be_deleted_while_it_is_created(world: World) -> None:
    create(world)
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn(2)
    assert world.backend.present == {}


def test_an_endpoint_can_be_deleted_while_it_is_updated(world: World) -> None:
    create(world)
    serve(world)
    world.call("CreateEndpointConfig", EndpointConfigName="D", ProductionVariants=[variant("M")])
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="D")
    world.turn()
    assert len(world.backend.present) == 2
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn(2)
    assert world.backend.present == {}
    assert route(world) is None


def test_model_and_configuration_may_be_deleted_under_an_endpoint(world: World) -> None:
    create(world)
    (first,) = serve(world)
    world.call("DeleteModel", ModelName="M")
    world.call("DeleteEndpointConfig", EndpointConfigName="C")
    first.alive = False
    world.turn(2)
    serve(world)
    assert describe(world)["EndpointStatus"] == "InService"


def test_an_update_serves_with_the_old_model_until_the_new_one_serves(world: World) -> None:
    create(world)
    (old,) = serve(world)
    world.call("CreateModel", **model("N"))
    world.call("CreateEndpointConfig", EndpointConfigName="D", ProductionVariants=[variant("N", "Blue")])
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="D")
    world.turn()
    described = describe(world)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Updating", "C")
    assert described["PendingDeploymentSummary"]["EndpointConfigName"] == "D"
    assert addresses(world) == [old.address]
    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    new = next(task for task in serve(world) if task is not old)
    described = describe(world)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "D")
    assert addresses(world, "Blue") == [new.address]
    assert old.alive, "a request may still be on its way to it"


def test_an_update_that_fails_leaves_the_endpoint_as_it_was(world: World) -> None:
    create(world)
    (old,) = serve(world)
    world.call("CreateEndpointConfig", EndpointConfigName="D", ProductionVariants=[variant("M", "Blue")])
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="D")
    world.turn()
    new = next(task for task in world.backend.present.values() if task is not old)
    new.say("Failed", failure_reason="no such model")
    world.turn()
    assert describe(world)["EndpointStatus"] == "RollingBack"
    world.turn()
    described = describe(world)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "C")
    assert described["FailureReason"] == "no such model"
    assert addresses(world) == [old.address]
    assert list(world.backend.present.values()) == [old]


def test_a_change_that_succeeds_leaves_no_reason_of_an_earlier_failure(world: World) -> None:
    create(world)
    (old,) = serve(world)
    world.call("CreateEndpointConfig", EndpointConfigName="D", ProductionVariants=[variant("M", "Blue")])
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="D")
    world.turn()
    new = next(task for task in world.backend.present.values() if task is not old)
    new.say("Failed", failure_reason="no such model")
    world.turn(2)
    assert describe(world)["FailureReason"] == "no such model"
    change = {"VariantName": "AllTraffic", "DesiredWeight": 0.25}
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=[change])
    world.turn()
    described = describe(world)
    assert described["EndpointStatus"] == "InService"
    assert "FailureReason" not in described


def test_weights_and_counts_change_without_a_new_configuration(world: World) -> None:
    create(world)
    (first,) = serve(world)
    change = {"VariantName": "AllTraffic", "DesiredWeight": 0.25, "DesiredInstanceCount": 2}
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=[change])
    world.turn()
    assert describe(world)["EndpointStatus"] == "Updating"
    first_, second = serve(world)
    assert describe(world)["EndpointStatus"] == "InService"
    assert addresses(world) == [first_.address, second.address]
    found = route(world)
    assert found is not None
    assert found.variants[0].weight == 0.25
    change["DesiredInstanceCount"] = 1
    world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=[change])
    world.turn()
    assert addresses(world) == [first.address]
    assert describe(world)["EndpointStatus"] == "InService"


def test_the_weight_of_a_variant_that_is_not_there_changes_nothing(world: World) -> None:
    create(world)
    serve(world)
    before = describe(world)
    changes = [{"VariantName": name, "DesiredWeight": 0.25} for name in ("AllTraffic", "other")]
    with pytest.raises(AwsError) as refused:
        world.call("UpdateEndpointWeightsAndCapacities", EndpointName="Ep", DesiredWeightsAndCapacities=changes)
    assert (refused.value.code, refused.value.message) == (
        "ValidationException",
        'The variant name(s) "other" is/are not present within endpoint configuration "C".',
    )
    assert describe(world) == before


def test_instances_beyond_the_machine_s_limit_are_not_started(world: World) -> None:
    create(world, InitialInstanceCount=50)
    assert len(world.backend.started) == 2
    serve(world)
    (shown,) = describe(world)["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (2, 50)


def test_model_servers_that_no_endpoint_names_are_ended_at_the_start(world: World) -> None:
    create(world)
    (task,) = serve(world)
    with world.store.write() as tx:
        tx.delete("endpoint", "us-east-1", "ep")
    world.new_loop()
    assert not task.alive
    assert world.backend.present == {}
    assert route(world) is None
