"""CloudWatch's metrics on a running platform: a program's own, those of jobs, and those of endpoints."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.model
import pytest

from tests.integration import jobs
from tests.integration.conftest import Running

SPACE = "/aws/sagemaker/TrainingJobs"


def average(platform: Running, name: str, dimensions: dict[str, str], space: str = SPACE) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return platform.client("cloudwatch").get_metric_statistics(
        Namespace=space,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Average", "SampleCount", "Maximum"],
    )["Datapoints"]


def until(look: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What a look finds once it finds something."""
    while not (found := look()):
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def running_job(platform: Running) -> str:
    command = "echo loss=0.5 loss=9; echo loss=0.25; echo rows=3; exec sleep 600"
    return jobs.shell_job(platform, command, metrics={"loss": "loss=([0-9.]+)", "rows": "rows=([0-9]+)"})


def test_metrics_of_a_job_are_there_while_it_runs(platform: Running, running_job: str) -> None:
    by_job = {"TrainingJobName": running_job}
    (point,) = until(lambda: average(platform, "loss", by_job))
    assert (point["Average"], point["SampleCount"], point["Unit"]) == (0.375, 2.0, "None")
    described = platform.client("sagemaker").describe_training_job(TrainingJobName=running_job)
    assert described["TrainingJobStatus"] == "InProgress"
    listed = platform.client("cloudwatch").list_metrics(
        Namespace=SPACE, Dimensions=[{"Name": "TrainingJobName", "Value": running_job}], RecentlyActive="PT3H"
    )["Metrics"]
    assert {each["MetricName"] for each in listed} == {"loss", "rows"}


def test_an_ended_job_has_said_how_busy_its_host_was(platform: Running, running_job: str) -> None:
    until(lambda: average(platform, "loss", {"TrainingJobName": running_job}))
    platform.client("sagemaker").stop_training_job(TrainingJobName=running_job)
    jobs.wait_job(platform, running_job)
    host = {"Host": f"{running_job}/algo-1"}
    for name in ("CPUUtilization", "MemoryUtilization", "DiskUtilization"):
        points = average(platform, name, host)
        assert points, name
        assert all(point["Unit"] == "Percent" and point["Average"] >= 0 for point in points)
    assert all(point["Maximum"] <= 100 for point in average(platform, "DiskUtilization", host))


def test_a_job_that_computes_has_used_a_core(platform: Running) -> None:
    # Long enough for a second in which tests beside it, to which jobs give way, leave it a part of a core.
    job = jobs.shell_job(platform, "i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done")
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    (point,) = average(platform, "CPUUtilization", {"Host": f"{job}/algo-1"})[:1]
    assert 10 < point["Maximum"] < 150


@pytest.mark.parametrize("protocol", ["json", "smithy-rpc-v2-cbor", "query"])
def test_a_program_puts_metrics_and_reads_them_in_every_protocol(
    platform: Running, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.model, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol,))
    client = platform.client("cloudwatch")
    space, now = jobs.name("Space"), datetime.now(UTC)
    data = [{"MetricName": "requests", "Timestamp": now, "Value": float(each), "Unit": "Count"} for each in range(200)]
    client.put_metric_data(Namespace=space, MetricData=data)
    metric = {"Namespace": space, "MetricName": "requests"}
    queries = [
        {"Id": "p", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p50"}},
        {"Id": "twice", "Expression": "p * 2", "Label": "twice the median"},
    ]
    times = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    median, twice = client.get_metric_data(MetricDataQueries=queries, **times)["MetricDataResults"]
    assert (median["Values"], twice["Values"], twice["Label"]) == ([99.5], [199.0], "twice the median")
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.put_metric_data(Namespace=space, MetricData=[{"MetricName": "m", "Value": 1.0, "StorageResolution": 7}])
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_a_client_that_goes_through_the_proxy_reaches_the_metrics(platform: Running) -> None:
    listed = platform.run(
        ["/bin/sh", "-c", f'unset AWS_ENDPOINT_URL; exec {sys.executable} -c "$0"', _THROUGH_THE_PROXY]
    )
    assert listed.stdout.strip() == "0", listed.stderr


_THROUGH_THE_PROXY = """
import boto3
client = boto3.client("cloudwatch", region_name="us-east-1")
assert "amazonaws.com" in client.meta.endpoint_url
print(len(client.list_metrics(Namespace="Nobody")["Metrics"]))
"""
