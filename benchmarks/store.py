"""Prints what one call of the store takes, in microseconds.

    python -m benchmarks.store [URL] [--large 100000]

Without a URL it measures SQLite in a temporary directory. Creates are measured one a transaction, durable as the store
makes them; p50 and the mean over 1,000 calls, because now and then one waits for the disk.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from statistics import mean, median

import psycopg

from sagesmith.store import Document, LogEvent, Query, Store

REGION = "us-east-1"
SAMPLES = 1000


def model(number: int) -> Document:
    name = f"model-{number:06d}-{number * 7919 % 100_003:05d}"
    body = {
        "ModelName": name,
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/service-role/Trainer",
        "PrimaryContainer": {
            "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
            "ModelDataUrl": f"s3://sagemaker-us-east-1-123456789012/{name}/output/model.tar.gz",
            "Environment": {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_REGION": REGION},
        },
    }
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:model/{name}"
    return Document("model", REGION, name, name, arn, body, status="InService", facets={"role": str(number % 2)})


def measure(label: str, call: Callable[[int], object], samples: int = SAMPLES) -> None:
    call(0)
    taken = []
    for number in range(samples):
        start = time.perf_counter_ns()
        call(number)
        taken.append((time.perf_counter_ns() - start) / 1000)
    print(f"{label:<58}{median(taken):>10,.0f}{mean(taken):>10,.0f}")


def fill(store: Store, start: int, end: int) -> None:
    for first in range(start, end, 500):
        with store.write() as tx:
            for number in range(first, min(first + 500, end)):
                tx.create(model(number))


def documents(store: Store, url: str, size: int) -> None:
    fill_to = size - SAMPLES // 2
    with store.read() as tx:
        there = tx.count(Query("model", REGION))
    fill(store, there, fill_to)
    if url.startswith("postgresql"):
        # The server's own daemon does this within a minute; a benchmark does not wait.
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
    numbers = iter(range(fill_to, size + 1))

    def create(_: int) -> None:
        with store.write() as tx:
            tx.create(model(next(numbers)))

    def get(number: int) -> None:
        with store.read() as tx:
            assert tx.get("model", REGION, model(number % fill_to).key)

    measure(f"{size:,}: create", create, SAMPLES // 2)
    measure(f"{size:,}: get", get)
    for part in ("model", "9999", "-00042", "zzz", "1"):
        query = Query("model", REGION, name_contains=part, limit=100)

        def page(_: int, query: Query = query) -> int:
            with store.read() as tx:
                return len(tx.list(query).documents)

        measure(f"{size:,}: list name_contains={part!r} ({page(0)} found)", page, 50)


def logs(store: Store) -> None:
    batches = 1000
    line = "epoch 1 loss 0.123456 accuracy 0.9876 " + "x" * 50

    def append(batch: int) -> None:
        events = [LogEvent(1_000 + batch, f"{batch}-{number} {line}") for number in range(100)]
        with store.write() as tx:
            tx.append_log(REGION, "group", "stream", events, batch)

    def read(number: int) -> None:
        with store.read() as tx:
            found = tx.read_log(REGION, "group", "stream", after_sequence=number * 500, max_bytes=1 << 20)
            assert found.last_sequence - found.first_sequence > 5000

    measure("log: append of 100 lines", append, batches)
    measure("log: read of a page of 1 MB", read, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("url", nargs="?")
    parser.add_argument("--large", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.url or f"sqlite:///{folder}/store.db"
        start = time.perf_counter()
        Store.open(url).close()
        made = time.perf_counter()
        store = Store.open(url)
        opened = time.perf_counter()
        print(f"{'open: new, up to date (ms)':<58}{(made - start) * 1e3:>10,.0f}{(opened - made) * 1e3:>10,.0f}")
        print(f"{'µs':<58}{'p50':>10}{'mean':>10}")
        for size in (1_000, chosen.large):
            documents(store, url, size)
        logs(store)
        store.close()


if __name__ == "__main__":
    main()
