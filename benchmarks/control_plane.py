"""Calls a second of the control plane, beside `moto_server` in the same run: `python -m benchmarks.control_plane`.

One boto3 client in a loop, SigV4 on. Starts a platform of its own, or measures the one at `--endpoint` with the keys of
the environment. moto is installed into `.envs/moto` if it is not there.
"""

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sagesmith.config import Platform
from sagesmith.store import Document, Store

ROOT = Path(__file__).parents[1]
MOTO = ROOT / ".envs" / "moto"
FEW, MANY = 1_000, 100_000
ROUNDS = 5
REACH = {"CreateModel": 2.0, "DescribeModel": 2.5, "ListModels": 10.0}
ACCOUNT = "123456789012"
CONTAINER = {
    "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "ModelDataUrl": "s3://sagemaker-us-east-1-123456789012/churn/output/model.tar.gz",
    "Environment": {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_REGION": "us-east-1"},
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerExecutionRole"


def per_second(call: Callable[[int], object], numbers: range) -> float:
    """Calls a second; `call` is given each number."""
    began = time.perf_counter()
    for number in numbers:
        call(number)
    return len(numbers) / (time.perf_counter() - began)


def client(endpoint: str | None, region: str = "us-east-1", **keys: Any) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return boto3.session.Session(region_name=region, **keys).client("sagemaker", endpoint_url=endpoint, config=config)


def create(sagemaker: Any) -> Callable[[int], object]:
    return lambda number: sagemaker.create_model(
        ModelName=f"model-{number:06}", PrimaryContainer=CONTAINER, ExecutionRoleArn=ROLE
    )


def describe(sagemaker: Any) -> Callable[[int], object]:
    return lambda number: sagemaker.describe_model(ModelName=f"model-{number:06}")


def find(sagemaker: Any, text: str) -> Callable[[int], object]:
    return lambda number: sagemaker.list_models(NameContains=text, MaxResults=100)


def compare(operation: str, ours: Callable[[int], object], theirs: Callable[[int], object], calls: int) -> list[float]:
    """Calls a second of both, the median of ROUNDS that alternate, so that what else the machine does hits both."""
    rounds: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        numbers = range(number * calls, (number + 1) * calls)
        rounds.append((per_second(ours, numbers), per_second(theirs, numbers)))
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    ratio, reach = medians[0] / medians[1], REACH[operation]
    print(
        f"{operation:16} {medians[0]:7.0f}/s   moto_server {medians[1]:7.0f}/s   {ratio:6.1f} ×   (reach {reach})",
        flush=True,
    )
    return medians


def fill(data: Path, region: str) -> None:
    """Put MANY models into a platform's database, in a region of their own, as CreateModel would."""
    store = Store.open(Platform.load(data).database_url)
    body = {"PrimaryContainer": CONTAINER, "ExecutionRoleArn": ROLE, "EnableNetworkIsolation": False}
    for start in range(0, MANY, 1_000):
        with store.write() as tx:
            for number in range(start, start + 1_000):
                name = f"model-{number:06}"
                arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:model/{name}"
                tx.create(Document("model", region, name, name, arn, {"ModelName": name, **body}))
    store.close()


@contextlib.contextmanager
def moto() -> Iterator[Any]:
    """A client of a moto_server on a free port."""
    server = MOTO / "bin" / "moto_server"
    if not server.exists():
        subprocess.run([sys.executable, "-m", "venv", MOTO], check=True)
        subprocess.run([MOTO / "bin" / "pip", "install", "-q", "moto[server,sagemaker]"], check=True)
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


@contextlib.contextmanager
def platform(endpoint: str | None) -> Iterator[tuple[Callable[[str], Any], Path | None]]:
    """Makes clients of a platform for a region, and says where its data directory is, if it is ours."""
    if endpoint:
        yield lambda region: client(endpoint, region), None
        return
    from tests.integration.conftest import sagesmith, start  # noqa: PLC0415 (needs pytest)

    with tempfile.TemporaryDirectory() as folder:
        running = start(Path(folder) / "data")
        keys = {
            "aws_access_key_id": running.variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": running.variables["AWS_SECRET_ACCESS_KEY"],
        }
        try:
            yield lambda region: client(running.url, region, **keys), running.data
        finally:
            sagesmith("down", "--data", str(running.data))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--endpoint", help="a running platform; its models in eu-north-1 must be none")
    chosen = arguments.parse_args()
    with platform(chosen.endpoint) as (client_of, data), moto() as theirs:
        ours = client_of("eu-north-1")
        compare("CreateModel", create(ours), create(theirs), FEW // ROUNDS)
        compare("DescribeModel", describe(ours), describe(theirs), FEW // ROUNDS)
        listed, _ = compare("ListModels", find(ours, "model-0"), find(theirs, "model-0"), 10)
        if data is not None:
            fill(data, "eu-south-1")
            many = client_of("eu-south-1")
            for text in ("model-0", "model-09999"):
                speed = per_second(find(many, text), range(100))
                print(
                    f"ListModels of {MANY:,}, NameContains {text}: {speed:.0f}/s, {speed / listed:.2f} ×   (reach 0.5)"
                )


if __name__ == "__main__":
    main()
