"""An endpoint that is asked much gets another model server, and gives it back: real requests, metrics, alarms."""

import time

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.rollouts import configuration, load


def test_requests_bring_a_second_model_server(platform: Running) -> None:
    sagemaker, scaling = platform.client("sagemaker"), platform.client("application-autoscaling")
    endpoint = configuration(platform, "1", 1)
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)
    assert jobs.wait_endpoint(platform, endpoint)["EndpointStatus"] == "InService"
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    policy = scaling.put_scaling_policy(
        **target,
        PolicyName="more",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    platform.client("cloudwatch").put_metric_alarm(
        AlarmName=endpoint,
        AlarmActions=[policy["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )

    def servers() -> int:
        return sum(each["name"] == f"model:{endpoint}" for each in platform.status()["processes"])

    assert servers() == 1
    with load(platform, endpoint, clients=1) as requests:
        while servers() < 2:
            time.sleep(0.5)
        described = jobs.wait_endpoint(platform, endpoint)
        (variant,) = described["ProductionVariants"]
        assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (2, 2)
    assert requests.failed == []
    while True:
        (activity,) = scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
        if activity["StatusCode"] == "Successful":
            break
        time.sleep(0.5)
    assert activity["Cause"] == f"monitor alarm {endpoint} in state ALARM triggered policy more"
    jobs.delete_endpoint(platform, endpoint)
    while scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]:
        time.sleep(0.5)
