"""CloudWatch's metrics: calls a second beside `moto_server`, and what the metrics of many jobs cost the store."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.control_plane import moto, per_second
from benchmarks.figures import Figure, Figures, alternate
from sagesmith.store import Datum, Metric, StatisticSet, Store
from tests.integration.conftest import Running

CALLS = 40
VALUES = 20
"""Metrics that a PutMetricData brings."""
POINTS = 600
JOBS, METRICS, SECONDS = 50, 20, 10
SPACE, REGION = "Benchmark", "us-east-1"

Call = Callable[[Any], Callable[[int], object]]


def put(client: Any) -> Callable[[int], object]:
    def call(number: int) -> object:
        at = datetime.now(UTC) - timedelta(seconds=number % POINTS)
        data = [
            {"MetricName": f"m{each}", "Timestamp": at, "Value": float(number), "StorageResolution": 1}
            for each in range(VALUES)
        ]
        return client.put_metric_data(Namespace=SPACE, MetricData=data)

    return call


def get(client: Any) -> Callable[[int], object]:
    now = datetime.now(UTC)

    def call(number: int) -> object:
        return client.get_metric_statistics(
            Namespace=SPACE,
            MetricName=f"m{number % VALUES}",
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Average", "Maximum"],
        )

    return call


def figures(platform: Running) -> Figures:
    keys = {name.lower(): platform.variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    ours = _client(platform.url, **keys)
    with moto() as server:
        theirs = _client(server.meta.endpoint_url, aws_access_key_id="x", aws_secret_access_key="x")
        for client in (ours, theirs):
            for number in range(0, POINTS, 10):
                put(client)(number)
        yield _beside_moto(f"PutMetricData of {VALUES} values", put, ours, theirs)
        yield _beside_moto("GetMetricStatistics, 20 values in 60 minutes", get, ours, theirs)
    yield many_jobs()


def many_jobs() -> Figure:
    """Seconds of work that one second of the metrics of many jobs is, put as the job engine puts them."""
    now = int(time.time())
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder)}/store.db")
        for second in range(SECONDS):
            began = time.perf_counter()
            for job in range(JOBS):
                dimensions = (("TrainingJobName", f"job-{job}"),)
                data = [
                    Datum(Metric(SPACE, f"m{each}", dimensions), now + second, "None", StatisticSet.of([0.5]))
                    for each in range(METRICS)
                ]
                with store.write() as tx:
                    tx.put_statistics(REGION, data)
                    tx.advance_statistics(f"task-{job}", second, second + 1)
            taken.append(time.perf_counter() - began)
        store.close()
    return Figure(f"{METRICS} metrics a second of {JOBS} jobs, a second's", "s", median(taken), "most", 0.1)


def _client(endpoint: str, **keys: str) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    session = boto3.session.Session(region_name=REGION, **keys)
    return session.client("cloudwatch", endpoint_url=endpoint, config=config)


def _beside_moto(name: str, call: Call, ours: Any, theirs: Any) -> Figure:
    measured, peer = alternate(_rounds(call, ours), _rounds(call, theirs))
    return Figure(name, "/s", measured, "times", 1.0, peer, "moto_server")


def _rounds(call: Call, client: Any) -> Callable[[int], float]:
    return lambda number: per_second(call(client), range(number * CALLS, (number + 1) * CALLS))
