"""What becomes of a container with many models: a route, a task, metrics; and what is refused."""

import time
from typing import Any

import pytest

from sagesmith.compute.base import MetricSample, Models
from sagesmith.routes import read_routes
from sagesmith.store import Metric, Window
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import World, model, transform_job, variant

IMAGE = model("m")["PrimaryContainer"]["Image"]


def create(world: World, **container: Any) -> None:
    world.call("CreateModel", ModelName="m", PrimaryContainer={"Image": IMAGE, "Mode": "MultiModel", **container})
    world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    world.call("CreateEndpoint", EndpointName="ep", EndpointConfigName="c")
    world.turn()


@pytest.mark.parametrize(
    ("config", "cached"),
    [({}, True), ({"ModelCacheSetting": "Enabled"}, True), ({"ModelCacheSetting": "Disabled"}, False)],
)
def test_the_model_servers_are_told_the_prefix_and_the_routers_that_a_model_is_to_be_named(
    world: World, config: dict[str, str], cached: bool
) -> None:
    create(world, ModelDataUrl="s3://b/models/", **({"MultiModelConfig": config} if config else {}))
    task = world.backend.only()
    assert task.spec.models == Models("s3://b/models/", cached)
    assert task.spec.model_data is None
    task.say("Serving")
    world.turn()
    (route,) = read_routes(world.platform.dir.routes_file)["us-east-1"]["ep"].variants
    assert route.multi_model


def test_an_endpoint_of_many_models_needs_their_prefix(world: World) -> None:
    with pytest.raises(AwsError, match="needs a ModelDataUrl") as refused:
        create(world)
    assert refused.value.code == "ValidationException"
    assert world.call("ListEndpoints")["Endpoints"] == []


def test_batch_transform_takes_no_container_of_many_models(world: World) -> None:
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://b/models/"}
    world.call("CreateModel", ModelName="m", PrimaryContainer=container)
    with pytest.raises(AwsError, match="Batch transform does not support multi-model containers") as refused:
        world.call("CreateTransformJob", **transform_job("t", "m"))
    assert refused.value.code == "ValidationException"
    assert world.call("ListTransformJobs")["TransformJobSummaries"] == []


def test_what_loading_takes_stands_beside_invocations_and_how_many_are_loaded_beside_the_hosts_metrics(
    world: World,
) -> None:
    create(world, ModelDataUrl="s3://b/models/")
    task, now = world.backend.only(), int(time.time())
    task.say("Serving")
    task.samples += [
        MetricSample("ModelLoadingTime", now, [2000.0, 4000.0]),
        MetricSample("LoadedModelCount", now, [2]),
    ]
    world.turn(2)
    of = (("EndpointName", "ep"), ("VariantName", "AllTraffic"))
    with world.store.read() as tx:
        window = Window(now - 60, now + 60, 120)
        (loading,) = tx.statistics("us-east-1", Metric("AWS/SageMaker", "ModelLoadingTime", of), window)
        (loaded,) = tx.statistics("us-east-1", Metric("/aws/sagemaker/Endpoints", "LoadedModelCount", of), window)
    assert (loading.unit, loading.values.count, loading.values.sum) == ("Microseconds", 2, 6000)
    assert (loaded.unit, loaded.values.maximum) == ("None", 2)
