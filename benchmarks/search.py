"""Milliseconds that a Search of training jobs takes, by how many there are, beside `moto_server` in the same run.

    python -m benchmarks.search

prints p50 and p99 of every expression at every size; `python -m benchmarks --only search` only the p99 of 100,000,
which have a reach.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks import lifecycle
from benchmarks.control_plane import ACCOUNT, ROLE, client_of, moto
from benchmarks.figures import Figure, Figures
from sagesmith.config import Platform
from sagesmith.store import Document, Store
from tests.integration.conftest import Running

SIZES = {1_000: "eu-north-1", 10_000: "eu-south-1", 100_000: "sa-east-1"}
"""How many jobs there are in which region."""
MOTO_AT_MOST = 10_000
"""More take moto_server minutes to create."""
CALLS = 200
REACH_MS = 50.0
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"

EXPRESSIONS: dict[str, list[tuple[str, str, str]]] = {
    "one name": [("TrainingJobName", "Equals", "job-000500")],
    "name contains, status": [("TrainingJobName", "Contains", "0050"), ("TrainingJobStatus", "Equals", "Completed")],
    "tag, status": [("Tags.project", "Equals", "project-3"), ("TrainingJobStatus", "Equals", "Failed")],
    "metric, tag": [("Metrics.accuracy", "GreaterThan", "0.9"), ("Tags.project", "Equals", "project-3")],
    "metric, hyperparameter": [("Metrics.accuracy", "GreaterThan", "0.99"), ("HyperParameters.lr", "LessThan", "0.5")],
    "time, status": [("CreationTime", "GreaterThan", "2026-01-01T00:00:00"), ("TrainingJobStatus", "Equals", "Failed")],
    "nothing found": [("Tags.project", "Equals", "project-3"), ("HyperParameters.depth", "Equals", "77")],
}
MOTO_KNOWS = ("one name", "name contains, status")
"""What moto_server finds without an error: its statuses, tags and names, by Equals and Contains."""


def members(number: int) -> dict[str, Any]:
    """The members of a job that its input has."""
    source = random.Random(number)
    return {
        "TrainingJobName": f"job-{number:06}",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {"lr": f"{source.random():.6f}", "depth": str(source.randrange(12)), "optimizer": "adam"},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{number % 1000}"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://models/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
    }


def job(number: int, region: str) -> Document:
    """A job that has ended, as its reconciler leaves it."""
    source = random.Random(f"end of {number}")
    body = members(number)
    name = body["TrainingJobName"]
    at = 1_750_000_000.0 + number * 300
    body["FinalMetricDataList"] = [{"MetricName": "accuracy", "Value": source.random(), "Timestamp": at}]
    body["SecondaryStatusTransitions"] = [{"Status": "Completed", "StartTime": at, "EndTime": at + 60}]
    return Document(
        "training-job",
        region,
        name,
        name,
        f"arn:aws:sagemaker:{region}:{ACCOUNT}:training-job/{name}",
        body,
        status=source.choice(("Completed", "Completed", "Completed", "Failed", "Stopped")),
        created_at=at,
        updated_at=at + 60,
        searchable=True,
    )


def fill(data: Path, region: str, count: int) -> None:
    """Put jobs into a platform's database, in a region of their own."""
    store = Store.open(Platform.load(data).database_url)
    for start in range(0, count, 1_000):
        with store.write() as tx:
            for number in range(start, start + 1_000):
                tx.create(job(number, region), {"project": f"project-{number % 20}"})
    store.close()


def fill_moto(theirs: Any, start: int, end: int) -> None:
    for number in range(start, end):
        tags = [{"Key": "project", "Value": f"project-{number % 20}"}]
        theirs.create_training_job(Tags=tags, **members(number))


def search(sagemaker: Any, name: str) -> Callable[[], Any]:
    filters = [dict(zip(("Name", "Operator", "Value"), each, strict=True)) for each in EXPRESSIONS[name]]
    return lambda: sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})


def milliseconds(call: Callable[[], object], calls: int = CALLS) -> tuple[float, float]:
    """p50 and p99 of a call."""
    call()
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(taken, n=100, method="inclusive")
    return cuts[49], cuts[98]


def figures(platform: Running) -> Figures:
    size = max(SIZES)
    fill(platform.data, SIZES[size], size)
    ours = client_of(platform, SIZES[size])
    for name in EXPRESSIONS:
        _, p99 = milliseconds(search(ours, name))
        yield Figure(f"Search of {size:,}, {name}, p99", "ms", p99, "most", REACH_MS)


def rows(platform: Running) -> Iterator[str]:
    """Lines of a table: every expression at every size."""
    with moto() as theirs:
        created = 0
        for size, region in SIZES.items():
            fill(platform.data, region, size)
            ours = client_of(platform, region)
            if size <= MOTO_AT_MOST:
                fill_moto(theirs, created, size)
                created = size
            for name in EXPRESSIONS:
                found = search(ours, name)()["TotalHits"]["Value"]
                measured = "".join(f"{each:>10.1f}" for each in milliseconds(search(ours, name)))
                peer = ""
                if size <= MOTO_AT_MOST and name in MOTO_KNOWS:
                    peer = "".join(f"{each:>10.1f}" for each in milliseconds(search(theirs, name), 20))
                yield f"{size:>9,}  {name:<28}{found:>8,}{measured}{peer}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform, _ = lifecycle.start_up(Path(folder) / "data", measured=False)
        try:
            print(f"{'jobs':>9}  {'expression':<28}{'found':>8}{'p50 ms':>10}{'p99 ms':>10}{'moto p50':>10}{'p99':>10}")
            for row in rows(platform):
                print(row, flush=True)
        finally:
            platform.cli("down")


if __name__ == "__main__":
    main()
