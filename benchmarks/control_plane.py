"""Calls a second of the control plane, beside `moto_server` in the same run: one boto3 client in a loop, SigV4 on."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.figures import ROUNDS, Figure, Figures, alternate
from sagesmith.config import Platform
from sagesmith.store import Document, Store
from tests.integration.conftest import ROOT, Running

MOTO = ROOT / ".envs" / "moto"
FEW = 1_000
PAGES = 20
QUIET = "eu-north-1"
CROWDED = {10_000: "eu-west-3", 100_000: "eu-south-1"}
"""Regions by how many models are put there."""
REACH = {"CreateModel": 2.0, "DescribeModel": 2.5, "ListModels": 10.0}
ACCOUNT = "123456789012"
CONTAINER = {
    "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "ModelDataUrl": "s3://sagemaker-us-east-1-123456789012/churn/output/model.tar.gz",
    "Environment": {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_REGION": "us-east-1"},
}
Call = Callable[[Any], Callable[[int], object]]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerExecutionRole"


def per_second(call: Callable[[int], object], numbers: range) -> float:
    """Calls a second; `call` is given each number."""
    began = time.perf_counter()
    for number in numbers:
        call(number)
    return len(numbers) / (time.perf_counter() - began)


def client_of(platform: Running, region: str) -> Any:
    keys = {name.lower(): platform.variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return client(platform.url, region, **keys)


def client(endpoint: str | None, region: str = "us-east-1", **keys: Any) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return boto3.session.Session(region_name=region, **keys).client("sagemaker", endpoint_url=endpoint, config=config)


def create(sagemaker: Any) -> Callable[[int], object]:
    return lambda number: sagemaker.create_model(
        ModelName=f"model-{number:06}", PrimaryContainer=CONTAINER, ExecutionRoleArn=ROLE
    )


def describe(sagemaker: Any) -> Callable[[int], object]:
    return lambda number: sagemaker.describe_model(ModelName=f"model-{number:06}")


def find(text: str) -> Call:
    return lambda sagemaker: lambda number: sagemaker.list_models(NameContains=text, MaxResults=100)


def fill(data: Path, region: str, count: int) -> None:
    """Put models into a platform's database, in a region of their own, as CreateModel would."""
    store = Store.open(Platform.load(data).database_url)
    body = {"PrimaryContainer": CONTAINER, "ExecutionRoleArn": ROLE, "EnableNetworkIsolation": False}
    for start in range(0, count, 1_000):
        with store.write() as tx:
            for number in range(start, min(start + 1_000, count)):
                name = f"model-{number:06}"
                arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:model/{name}"
                tx.create(Document("model", region, name, name, arn, {"ModelName": name, **body}))
    # A platform indexes what it stores itself.
    with store.read(indexed=True):
        pass
    store.close()


@contextlib.contextmanager
def moto() -> Iterator[Any]:
    """A client of a moto_server on a free port."""
    server = MOTO / "bin" / "moto_server"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [server, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield client(f"http://127.0.0.1:{port}", aws_access_key_id="x", aws_secret_access_key="x")
    finally:
        process.terminate()
        process.wait()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def figures(platform: Running) -> Figures:
    ours = client_of(platform, QUIET)
    with moto() as theirs:
        yield beside_moto("CreateModel", create, ours, theirs, FEW // ROUNDS)
        yield beside_moto("DescribeModel", describe, ours, theirs, FEW // ROUNDS)
        yield beside_moto("ListModels", find("model-0"), ours, theirs, PAGES)
    for count, region in CROWDED.items():
        fill(platform.data, region, count)
        crowded = client_of(platform, region)
        for matching, text in (("all", lambda _: "model-0"), ("ten", last_ten)):
            asked = ((crowded, text(count)), (ours, text(FEW)))
            many, few = alternate(*(rounds(find(part), each, PAGES) for each, part in asked))
            name = f"ListModels of {count:,}, NameContains with {matching} matching"
            yield Figure(name, "/s", many, "times", 0.5, few, f"{FEW:,} models")


def last_ten(count: int) -> str:
    """What the names of the last ten of `count` models have in common, and no other name has."""
    return f"model-{count // 10 - 1:05}"


def beside_moto(operation: str, call: Call, ours: Any, theirs: Any, calls: int) -> Figure:
    measured, peer = alternate(rounds(call, ours, calls), rounds(call, theirs, calls))
    return Figure(operation, "/s", measured, "times", REACH[operation], peer, "moto_server")


def rounds(call: Call, sagemaker: Any, calls: int) -> Callable[[int], float]:
    """Measures a round of `calls` calls, each given a number of its own."""
    return lambda number: per_second(call(sagemaker), range(number * calls, (number + 1) * calls))
