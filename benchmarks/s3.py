"""S3 through the front door against the same store directly: `python benchmarks/s3.py [--gigabytes 1]`.

One router process, one store, one client process; each figure is the best of its rounds, and the rounds of the two ways
alternate, so that a noisy machine is noisy for both. `--flat` also passes one object of 5 GB and prints the router's
memory.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import psutil
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from sagesmith.config import DataDir, Platform  # noqa: E402
from sagesmith.credentials import KeyRing  # noqa: E402
from sagesmith.objects.seaweedfs import ObjectStore  # noqa: E402

TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=10)
"""As the AWS CLI transfers: parts of 8 MB, ten at a time."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gigabytes", type=float, default=1.0)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--small", type=int, default=400, help="requests a round")
    arguments.add_argument("--flat", action="store_true", help="also one object of 5 GB")
    options = arguments.parse_args()
    with ExitStack() as started, tempfile.TemporaryDirectory() as scratch:
        front, direct, router = start(Path(scratch), started)
        front.create_bucket(Bucket="bench")
        figures = {
            "1 KB put, requests/s": small(front, direct, options, put),
            "1 KB get, requests/s": small(front, direct, options, get),
            f"{options.gigabytes:g} GB up, MB/s": large(front, direct, options, up),
            f"{options.gigabytes:g} GB down, MB/s": large(front, direct, options, down),
        }
        for name, (through, straight) in figures.items():
            print(f"{name:24} front door {through:8.0f}   store {straight:8.0f}   ratio {through / straight:.0%}")
        if options.flat:
            flat(front, router)


def start(scratch: Path, started: ExitStack) -> tuple[Any, Any, psutil.Process]:
    directory = DataDir(scratch / "data")
    keyring = KeyRing.create(directory.keys, "123456789012", None, None)
    store = ObjectStore(directory)
    store.plan("http://127.0.0.1:1")
    platform = Platform(
        data=str(directory.root),
        host="127.0.0.1",
        port=0,
        proxy_port=0,
        admin_port=0,
        account_id="123456789012",
        region="us-east-1",
        database_url="",
        s3_endpoint=store.endpoint,
        s3_access_key_id=store.access_key_id,
        s3_secret_access_key=store.secret_access_key,
        cache="",
        routers=1,
    )
    platform.save()
    process = subprocess.Popen(
        store.command(), env=store.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    started.callback(end, process)
    store.wait_ready(60, process.pid)
    router = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.s3.front", str(directory.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    started.callback(end, router)
    assert router.stdout is not None
    port = int(router.stdout.readline())
    front = client(f"http://127.0.0.1:{port}", keyring.root.access_key_id, keyring.root.secret_access_key)
    direct = client(store.endpoint, store.access_key_id, store.secret_access_key)
    return front, direct, psutil.Process(router.pid)


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait()


def client(endpoint: str, access_key_id: str, secret: str) -> Any:
    session = boto3.session.Session(access_key_id, secret, region_name="us-east-1")
    return session.client("s3", endpoint_url=endpoint, config=Config(max_pool_connections=12))


def put(s3: Any, number: int) -> None:
    s3.put_object(Bucket="bench", Key=f"small/{number % 100}", Body=b"x" * 1024)


def get(s3: Any, number: int) -> None:
    s3.get_object(Bucket="bench", Key=f"small/{number % 100}")["Body"].read()


def up(s3: Any, size: int) -> None:
    s3.upload_fileobj(Zeros(size), "bench", "large", Config=TRANSFER)


def down(s3: Any, size: int) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        s3.download_fileobj("bench", "large", NoSeek(nowhere), Config=TRANSFER)


def small(
    front: Any, direct: Any, options: argparse.Namespace, call: Callable[[Any, int], None]
) -> tuple[float, float]:
    def rate(s3: Any) -> float:
        begun = time.perf_counter()
        for number in range(options.small):
            call(s3, number)
        return options.small / (time.perf_counter() - begun)

    return alternate(front, direct, options.rounds, rate)


def large(
    front: Any, direct: Any, options: argparse.Namespace, call: Callable[[Any, int], None]
) -> tuple[float, float]:
    size = int(options.gigabytes * (1 << 30))

    def rate(s3: Any) -> float:
        begun = time.perf_counter()
        call(s3, size)
        return size / 1e6 / (time.perf_counter() - begun)

    return alternate(front, direct, options.rounds, rate)


def alternate(front: Any, direct: Any, rounds: int, rate: Callable[[Any], float]) -> tuple[float, float]:
    pairs = [(rate(front), rate(direct)) for _ in range(rounds)]
    return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)


def flat(front: Any, router: psutil.Process) -> None:
    """One object of 5 GB in one PUT and one GET: the router must not hold it."""
    size = 5 << 30
    seen = [router.memory_info().rss]
    front.put_object(Bucket="bench", Key="flat", Body=Zeros(size, lambda: seen.append(router.memory_info().rss)))
    body = front.get_object(Bucket="bench", Key="flat")["Body"]
    while body.read(8 << 20):
        seen.append(router.memory_info().rss)
    print(
        f"5 GB through: router's memory before {seen[0] / 1e6:.0f} MB, median {statistics.median(seen) / 1e6:.0f} MB, "
        f"peak {max(seen) / 1e6:.0f} MB"
    )


class Zeros(io.RawIOBase):
    """A file of zeros of any size."""

    def __init__(self, size: int, on_read: Callable[[], object] = lambda: None) -> None:
        self._size = size
        self._at = 0
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        taken = self._size - self._at if size < 0 else min(size, self._size - self._at)
        self._at += taken
        self._on_read()
        return bytes(taken)

    def readinto(self, buffer: Any) -> int:
        taken = min(len(buffer), self._size - self._at)
        buffer[:taken] = bytes(taken)
        self._at += taken
        return taken


class NoSeek(io.RawIOBase):
    """Takes parts in any order and drops them."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def tell(self) -> int:
        return 0

    def write(self, data: Any) -> int:
        return len(data)


if __name__ == "__main__":
    main()
