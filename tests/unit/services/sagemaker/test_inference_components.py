"""The life of inference components, against the real store and a backend whose tasks do what a test says."""

import re
import time
from typing import Any

import pytest

from sagesmith.compute.base import MetricSample
from sagesmith.services.sagemaker.placement import NOT_ENOUGH
from sagesmith.store import Metric, Window
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.components import (
    KIND,
    copies,
    create,
    describe,
    host,
    hosting,
    hosts,
    route,
    scale,
    serve,
    specification,
)
from tests.unit.services.sagemaker.world import ROLE, World, model, variant

IMAGE = model("M")["PrimaryContainer"]["Image"]


def test_an_endpoint_of_components_is_in_service_without_a_model_server(world: World) -> None:
    host(world)
    described = world.call("DescribeEndpoint", EndpointName="Ep")
    assert described["EndpointStatus"] == "InService"
    (shown,) = described["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (1, 1)
    assert "DeployedImages" not in shown
    assert world.backend.present == {}


def test_a_component_is_in_service_once_its_copies_serve(world: World) -> None:
    host(world)
    create(world, copies=2)
    assert describe(world)["InferenceComponentStatus"] == "Creating"
    assert route(world) is None
    tasks = serve(world)
    shown = describe(world)
    assert shown["InferenceComponentStatus"] == "InService"
    assert shown["EndpointArn"] == "arn:aws:sagemaker:us-east-1:123456789012:endpoint/ep"
    assert shown["InferenceComponentArn"] == "arn:aws:sagemaker:us-east-1:123456789012:inference-component/ic"
    assert shown["RuntimeConfig"] == {
        "DesiredCopyCount": 2,
        "CurrentCopyCount": 2,
        "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 2}],
    }
    found = route(world)
    assert found is not None
    assert sorted(found.addresses) == sorted(str(each.address) for each in tasks)
    assert (found.name, found.component) == ("AllTraffic", "ic")


def test_a_copy_may_use_what_its_component_asks_for(world: World) -> None:
    host(world)
    asked = specification(cpus=0.5)
    asked["ComputeResourceRequirements"]["MaxMemoryRequiredInMb"] = 2048
    asked["StartupParameters"] = {"ContainerStartupHealthCheckTimeoutInSeconds": 90}
    world.call("CreateInferenceComponent", InferenceComponentName="ic", EndpointName="Ep", Specification=asked)
    world.turn()
    spec = world.backend.only().spec
    assert (spec.kind, spec.label, spec.model_data) == ("serve", "ic", "s3://out/job/output/model.tar.gz")
    assert (spec.resources.cpus, spec.resources.memory_bytes) == (0.5, 2048 << 20)
    assert spec.startup_timeout_seconds == 90


def test_a_component_may_be_a_container_that_runs_as_the_endpoint_configurations_role(world: World) -> None:
    host(world)
    container = {"Image": IMAGE, "ArtifactUrl": "s3://b/model.tar.gz", "Environment": {"A": "1"}}
    asked = {"Container": container, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024}}
    world.call("CreateInferenceComponent", InferenceComponentName="ic", EndpointName="Ep", Specification=asked)
    world.turn()
    spec = world.backend.only().spec
    assert (spec.image, spec.model_data, spec.environment["A"]) == (IMAGE, "s3://b/model.tar.gz", "1")
    assert world.stored(KIND, "ic").body["_fleet"]["variants"][0]["role"] == ROLE
    shown = describe(world)["Specification"]["Container"]
    assert shown["DeployedImage"]["SpecifiedImage"] == IMAGE
    assert shown["ArtifactUrl"] == "s3://b/model.tar.gz"
    assert "Image" not in shown


def test_how_busy_a_copy_is_is_told_of_what_it_asks_for(world: World) -> None:
    host(world)
    create(world, cpus=0.5, memory_mb=2048)
    (task,) = serve(world)
    minute = int(time.time()) // 60 * 60 - 60
    task.samples.append(MetricSample("CPUUtilization", minute, [25.0], of_host=True))
    task.samples.append(MetricSample("MemoryUtilization", minute, [10.0], of_host=True))
    world.turn()

    def read(name: str) -> float:
        metric = Metric("/aws/sagemaker/InferenceComponents", name, (("InferenceComponentName", "ic"),))
        with world.store.read() as tx:
            (found,) = tx.statistics("us-east-1", metric, Window(minute, minute + 60, 60))
        return float(found.values.maximum)

    assert read("CPUUtilizationNormalized") == 50.0
    assert read("MemoryUtilizationNormalized") == 40.0


def test_a_dead_copy_is_replaced_while_the_component_stays_in_service(world: World) -> None:
    host(world)
    create(world, cpus=2.0)
    (first,) = serve(world)
    first.say("Failed", failure_reason="killed")
    world.turn()
    assert describe(world)["InferenceComponentStatus"] == "InService"
    assert copies(world) == (0, 1)
    world.turn()
    (second,) = serve(world)
    found = route(world)
    assert found is not None
    assert found.addresses == [second.address]
    assert second is not first


def test_a_copy_that_could_not_be_started_is_started_by_whoever_comes_back(world: World) -> None:
    host(world)
    world.backend.fail_start = OSError("no room on the disk")
    create(world)
    assert (world.backend.started, hosts(world)) == ([], [0])
    world.backend.fail_start = None
    world.new_loop()
    world.turn()
    serve(world)
    assert (len(world.backend.started), copies(world)) == (1, (1, 1))


def test_a_component_whose_model_cannot_be_loaded_is_failed_with_the_reason(world: World) -> None:
    host(world)
    create(world)
    world.backend.only().print("no module named x")
    world.backend.only().say("Failed", failure_reason="The model server ended: no module named x")
    world.turn(2)
    shown = describe(world)
    assert shown["InferenceComponentStatus"] == "Failed"
    assert shown["FailureReason"] == "The model server ended: no module named x"
    assert world.log_lines("/aws/sagemaker/InferenceComponents/ic", "AllTraffic/") == ["no module named x"]
    assert world.backend.present == {}


def test_a_component_is_scaled_to_zero_and_back(world: World) -> None:
    host(world)
    create(world)
    serve(world)
    scale(world, 0)
    world.turn()
    assert (describe(world)["InferenceComponentStatus"], copies(world)) == ("InService", (0, 0))
    found = route(world)
    assert found is not None
    assert (found.idle, found.addresses) == (True, [])
    scale(world, 1)
    found = route(world)
    assert found is not None
    assert found.idle, "nobody waits for a copy that is not there yet"
    serve(world)
    found = route(world)
    assert found is not None
    assert not found.idle
    assert copies(world) == (1, 1)


def test_more_copies_than_there_is_room_for_leave_a_component_as_it_was(world: World) -> None:
    host(world)
    create(world, cpus=1.0)
    serve(world)
    scale(world, 3)
    world.turn(2)
    shown = describe(world)
    assert (shown["InferenceComponentStatus"], shown["FailureReason"]) == ("InService", NOT_ENOUGH)
    assert copies(world) == (1, 1)
    scale(world, 2)
    serve(world)
    assert "FailureReason" not in describe(world)
    assert copies(world) == (2, 2)


def test_a_deleted_component_stays_until_its_copies_have_ended_and_is_routed_to_no_more(world: World) -> None:
    host(world)
    create(world)
    (task,) = serve(world)
    task.stubborn = True
    world.call("DeleteInferenceComponent", InferenceComponentName="ic")
    world.turn(2)
    assert describe(world)["InferenceComponentStatus"] == "Deleting"
    assert route(world) is None
    task.say("Stopped")
    world.turn(2)
    assert world.backend.present == {}
    assert world.call("ListInferenceComponents")["InferenceComponents"] == []


def test_an_endpoint_cannot_be_deleted_before_its_components(world: World) -> None:
    host(world)
    create(world)
    serve(world)
    with pytest.raises(AwsError, match="it hosts inference components"):
        world.call("DeleteEndpoint", EndpointName="Ep")
    world.call("DeleteInferenceComponent", InferenceComponentName="ic")
    world.turn(3)
    world.call("DeleteEndpoint", EndpointName="Ep")
    world.turn(2)
    with pytest.raises(AwsError, match="Could not find endpoint"):
        world.call("DescribeEndpoint", EndpointName="Ep")


def test_a_new_api_process_finds_the_copies_again(world: World) -> None:
    host(world)
    create(world)
    (task,) = serve(world)
    world.platform.dir.routes_file.unlink()
    world.new_loop()
    world.turn(3)
    found = route(world)
    assert found is not None
    assert found.addresses == [task.address]
    assert len(world.backend.started) == 1


def test_a_component_of_an_endpoint_that_cannot_be_made_is_failed(world: World) -> None:
    world.call("CreateModel", **model("M"))
    both = [variant("M", "Blue"), hosting()]
    world.call("CreateEndpointConfig", EndpointConfigName="C", ExecutionRoleArn=ROLE, ProductionVariants=both)
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    world.turn()
    create(world)
    (task,) = world.backend.present.values()
    task.say("Failed", failure_reason="no such model")
    world.turn(3)
    shown = describe(world)
    assert (shown["InferenceComponentStatus"], shown["FailureReason"]) == (
        "Failed",
        "ClientError: endpoint Ep is Failed.",
    )
    assert world.backend.present == {}


def test_an_endpoint_keeps_the_variants_that_its_components_are_on(world: World) -> None:
    host(world)
    create(world)
    serve(world)
    world.call("CreateEndpointConfig", EndpointConfigName="D", ProductionVariants=[variant("M")])
    with pytest.raises(AwsError, match="is on variant AllTraffic"):
        world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="D")
    larger = hosting(InstanceType="ml.m5.xlarge")
    world.call("CreateEndpointConfig", EndpointConfigName="E", ExecutionRoleArn=ROLE, ProductionVariants=[larger])
    world.call("UpdateEndpoint", EndpointName="Ep", EndpointConfigName="E")
    world.turn(3)
    assert world.call("DescribeEndpoint", EndpointName="Ep")["EndpointConfigName"] == "E"
    assert copies(world) == (1, 1)
    create(world, "b", cpus=3.0)
    assert hosts(world, "b") == [0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Specification": None}, "Specification is required"),
        ({"Specification": {**specification(), "ModelName": "nobody"}}, "Could not find model"),
        ({"Specification": {"ModelName": "M"}}, "ComputeResourceRequirements is required"),
        (
            {"Specification": {**specification(), "Container": {"Image": IMAGE}}},
            "Exactly one of ModelName and Container",
        ),
        ({"VariantName": "nobody"}, 'Could not find variant "nobody"'),
        ({"EndpointName": "nobody"}, "Could not find endpoint"),
        ({"RuntimeConfig": {"CopyCount": 0}}, "larger than 0"),
        ({"Specification": {**specification(), "InstanceType": "ml.c5.large"}}, "are ml.m5.large, not ml.c5.large"),
        ({"Specification": {"BaseInferenceComponentName": "a", **specification()}}, "Adapters are not built"),
    ],
    ids=["nothing", "model", "requirements", "both", "variant", "endpoint", "zero", "type", "adapter"],
)
def test_a_component_that_makes_no_sense_is_refused(world: World, changes: dict[str, Any], said: str) -> None:
    host(world)
    given = {
        "InferenceComponentName": "ic",
        "EndpointName": "Ep",
        "VariantName": "AllTraffic",
        "Specification": specification(),
    }
    with pytest.raises(AwsError, match=re.escape(said)):
        world.call("CreateInferenceComponent", **{**given, **changes})
    assert world.call("ListInferenceComponents")["InferenceComponents"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ExecutionRoleArn": None}, "ExecutionRoleArn is required"),
        (
            {"ProductionVariants": [variant("M", ManagedInstanceScaling={"Status": "ENABLED", "MinInstanceCount": 0})]},
            "Min instance count needs to be greater than 0",
        ),
        (
            {
                "ProductionVariants": [
                    hosting(ManagedInstanceScaling={"Status": "ENABLED", "MinInstanceCount": 3, "MaxInstanceCount": 2})
                ]
            },
            "MaxInstanceCount must be greater",
        ),
    ],
    ids=["role", "zero", "bounds"],
)
def test_a_configuration_of_components_that_makes_no_sense_is_refused(
    world: World, changes: dict[str, Any], said: str
) -> None:
    world.call("CreateModel", **model("M"))
    given = {"EndpointConfigName": "C", "ExecutionRoleArn": ROLE, "ProductionVariants": [hosting()]}
    with pytest.raises(AwsError, match=re.escape(said)):
        world.call("CreateEndpointConfig", **{**given, **changes})


def test_components_are_listed_by_endpoint_and_variant(world: World) -> None:
    host(world, hosting("A"), hosting("B"))
    create(world, "a", variant_name="A")
    create(world, "b", variant_name="B")
    found = world.call("ListInferenceComponents", EndpointNameEquals="Ep", VariantNameEquals="B")
    (summary,) = found["InferenceComponents"]
    assert (summary["InferenceComponentName"], summary["VariantName"]) == ("b", "B")
    assert world.call("ListInferenceComponents", EndpointNameEquals="other")["InferenceComponents"] == []
