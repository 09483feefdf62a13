"""S3 through the front door against the same store directly, in alternating rounds.

The transfers are those of the AWS CLI, by the library that it uses: parts of 8 MB, ten at a time.
"""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.figures import ROUNDS, Figure, Figures, alternate
from sagesmith.config import Platform
from tests.integration.conftest import Running

TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=10)
LARGE = 1 << 30
HUGE = 5 << 30
REQUESTS = 300
LARGE_ROUNDS = 3
BUCKET = "bench"

Rate = Callable[[Any], float]


def figures(platform: Running) -> Figures:
    front, direct = clients(platform)
    front.create_bucket(Bucket=BUCKET)
    for name, reach, unit, rate, rounds in (
        ("S3, 1 KB put", 0.6, "/s", small(put), ROUNDS),
        ("S3, 1 KB get", 0.6, "/s", small(get), ROUNDS),
        ("S3, 1 GB up", 0.7, "MB/s", up, LARGE_ROUNDS),
        ("S3, 1 GB down", 0.7, "MB/s", down, LARGE_ROUNDS),
    ):
        through, straight = alternate(on(front, rate), on(direct, rate), rounds)
        yield Figure(name, unit, through, "times", reach, straight, "the store directly")


def on(s3: Any, rate: Rate) -> Callable[[int], float]:
    return lambda _round: rate(s3)


def clients(platform: Running) -> tuple[Any, Any]:
    """Of the front door, and of the store behind it."""
    planned = Platform.load(platform.data)
    inner = boto3.session.Session(planned.s3_access_key_id, planned.s3_secret_access_key, region_name=planned.region)
    config = Config(max_pool_connections=12)
    return platform.client("s3", config=config), inner.client("s3", endpoint_url=planned.s3_endpoint, config=config)


def put(s3: Any, number: int) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"small/{number % 100}", Body=b"x" * 1024)


def get(s3: Any, number: int) -> None:
    s3.get_object(Bucket=BUCKET, Key=f"small/{number % 100}")["Body"].read()


def small(call: Callable[[Any, int], None]) -> Rate:
    """Requests a second."""

    def rate(s3: Any) -> float:
        began = time.perf_counter()
        for number in range(REQUESTS):
            call(s3, number)
        return REQUESTS / (time.perf_counter() - began)

    return rate


def up(s3: Any) -> float:
    """MB a second."""
    began = time.perf_counter()
    s3.upload_fileobj(Zeros(LARGE), BUCKET, "large", Config=TRANSFER)
    return LARGE / 1e6 / (time.perf_counter() - began)


def down(s3: Any) -> float:
    """MB a second."""
    began = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        s3.download_fileobj(BUCKET, "large", NoSeek(nowhere), Config=TRANSFER)
    return LARGE / 1e6 / (time.perf_counter() - began)


def huge(platform: Running) -> Figures:
    """One object of 5 GB in one PUT and one GET: the routers must not hold it."""
    routers = [psutil.Process(each["pid"]) for each in platform.status()["processes"] if each["name"] == "router"]
    front, _ = clients(platform)
    front.create_bucket(Bucket=BUCKET)

    def weigh() -> float:
        return sum(each.memory_info().rss for each in routers) / (1 << 20)

    seen = [weigh()]
    front.put_object(Bucket=BUCKET, Key="huge", Body=Zeros(HUGE, lambda: seen.append(weigh())))
    body = front.get_object(Bucket=BUCKET, Key="huge")["Body"]
    while body.read(8 << 20):
        seen.append(weigh())
    front.delete_object(Bucket=BUCKET, Key="huge")
    yield Figure("S3, 5 GB in one put and get: the routers' peak", "MiB", max(seen), "over", 50, seen[0], "before")


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
