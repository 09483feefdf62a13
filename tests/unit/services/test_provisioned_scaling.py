"""Provisioned concurrency as a scalable target, on an endpoint of the real store."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.services import autoscaling
from sagesmith.store import Datum, Metric, StatisticSet
from sagesmith.wire.app import Dispatcher
from tests.unit.services.sagemaker.world import World, model
from tests.unit.services.test_autoscaling import serve, step, trip
from tests.unit.wire.clients import client_for

RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/Ep/variant/V",
    "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
}
UTILIZATION = "SageMakerVariantProvisionedConcurrencyUtilization"


def create(world: World, **config: Any) -> Any:
    """An endpoint in service, and who scales it."""
    variant = {
        "VariantName": "V",
        "ModelName": "m",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 4, **config},
    }
    world.call("CreateModel", **model("m"))
    world.call("CreateEndpointConfig", EndpointConfigName="C", ProductionVariants=[variant])
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    serve(world)
    handlers = {"application-autoscaling": autoscaling.handlers(world.home)}
    return client_for("application-autoscaling", Dispatcher(handlers))


def provisioned(world: World) -> int:
    serve(world)
    (shown,) = world.call("DescribeEndpoint", EndpointName="Ep")["ProductionVariants"]
    return int(shown["CurrentServerlessConfig"]["ProvisionedConcurrency"])


def test_target_tracking_follows_the_utilization_up_to_max_concurrency(world: World) -> None:
    client = create(world, ProvisionedConcurrency=2)
    client.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=9)
    answer = client.put_scaling_policy(
        **RESOURCE,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.3,
            "PredefinedMetricSpecification": {"PredefinedMetricType": UTILIZATION},
        },
    )
    dimensions = (("EndpointName", "Ep"), ("VariantName", "V"))
    metric = Metric("AWS/SageMaker", "ServerlessProvisionedConcurrencyUtilization", dimensions)
    at = int(time.time()) // 60 * 60 - 30
    with world.store.write() as tx:
        tx.put_statistics("us-east-1", [Datum(metric, at, "None", StatisticSet.of([0.9]))])
    trip(world, answer["Alarms"][0]["AlarmName"])
    step(world)
    assert provisioned(world) == 4, "three times as much would be more than may run at all"
    (activity,) = client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    assert activity["Description"] == "Setting desired provisioned concurrency to 4."
    step(world)
    (activity,) = client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    assert activity["StatusCode"] == "Successful"


@pytest.mark.parametrize(
    ("config", "dimension"),
    [({}, RESOURCE["ScalableDimension"]), ({"ProvisionedConcurrency": 1}, "sagemaker:variant:DesiredInstanceCount")],
    ids=["on-demand", "instances"],
)
def test_a_serverless_variant_has_no_target_but_its_provisioned_concurrency(
    world: World, config: dict[str, int], dimension: str
) -> None:
    client = create(world, **config)
    with pytest.raises(ClientError, match="There is no SageMaker"):
        client.register_scalable_target(**{**RESOURCE, "ScalableDimension": dimension}, MinCapacity=1, MaxCapacity=2)
