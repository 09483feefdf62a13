"""Logs at volume: 100 MB of one job, 50 jobs that print at once, and what reading costs meanwhile."""

import gc
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from statistics import median, quantiles

import orjson
import psutil

from benchmarks.concurrency import Client
from benchmarks.figures import Figure, Figures, seconds
from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith, start

JOBS = 50
LINES = 1_000_000
"""Of 100 bytes each; divided among the jobs where there are many."""
GROUP = "/aws/sagemaker/TrainingJobs"
REGION = "us-east-1"
ROUNDS = 3
_PAGES = 200
_PAUSE_SECONDS = 0.01
_SUBMITTERS = 8
_PADDING = "x" * 87


def figures(platform: Running) -> Figures:
    """On a platform of its own, which lets 50 jobs run at once."""
    other = start(platform.data.parent / "logs", environ={"SAGESMITH_MAX_JOBS": str(JOBS)})
    try:
        yield from _one_job(other)
        yield from _many_jobs(other)
    finally:
        sagesmith("down", "--data", str(other.data))


def _one_job(platform: Running) -> Figures:
    before = _api_mib(platform)
    walls: list[float] = []
    pages: list[float] = []
    grown = 0.0
    for number in range(ROUNDS):
        began = time.monotonic()
        job = _print(platform, LINES)
        with _reader(platform, [job]) as taken:
            _finish(platform, job)
        walls.append(time.monotonic() - began)
        pages += taken
        grown = grown if number else _api_mib(platform) - before
    yield Figure("100 MB of one job, until its log is whole", "s", median(walls), "most", 20)
    yield from _pages(pages)
    yield Figure("memory that the API process has more then", "MiB", grown, "most", 64)
    client = logs_client(platform)
    pages = [_page(client, job, LINES) for _ in range(_PAGES)]
    yield Figure(
        "a page of GetLogEvents out of 100 MB, p99", "ms", _p99(pages), "most", 20, _bare(client, job), "parsing it"
    )
    _check(platform, job, LINES)


def _many_jobs(platform: Running) -> Figures:
    each = LINES // JOBS
    walls: list[float] = []
    pages: list[float] = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        with ThreadPoolExecutor(_SUBMITTERS) as pool:
            names = list(pool.map(lambda _: _print(platform, each), range(JOBS)))
        with _reader(platform, names) as taken:
            for name in names:
                _finish(platform, name)
        walls.append(time.monotonic() - began)
        pages += taken
        for name in names:
            _check(platform, name, each)
    yield Figure(f"{JOBS} jobs at once, 2 MB each", "s", median(walls), "most", 60)
    yield from _pages(pages)


def _pages(taken: list[float]) -> Figures:
    """What pages took that were read meanwhile. The client is one more program on the same cores."""
    yield Figure(f"a page of GetLogEvents meanwhile, p50 of {len(taken)}", "ms", median(taken), "most", 20)
    yield Figure("a page of GetLogEvents meanwhile, p99", "ms", _p99(taken), "most", 20)


def _print(platform: Running, lines: int) -> str:
    return jobs.shell_job(platform, f"seq -f '%012.0f {_PADDING}' {lines}")


def _finish(platform: Running, job: str) -> None:
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described


def _check(platform: Running, job: str, lines: int) -> None:
    """Nothing of a job's log is lost, doubled or in another place."""
    found = jobs.job_log(platform, job)
    assert found == [f"{number:012} {_PADDING}" for number in range(1, lines + 1)]


@contextmanager
def _reader(platform: Running, names: list[str]) -> Iterator[list[float]]:
    """Meanwhile reads pages here and there of what there is; gives how many milliseconds each took.

    In a process of its own, which runs as soon as it can if this is root's: as a client would on a machine of its own.
    """
    taken: list[float] = []
    client = logs_client(platform)
    while not client.call("DescribeLogGroups", logGroupNamePrefix=GROUP)["logGroups"]:
        time.sleep(_PAUSE_SECONDS)
    context = multiprocessing.get_context("fork")
    over, (ours, theirs) = context.Event(), context.Pipe(duplex=False)
    process = context.Process(target=_read, args=(platform, names, over, theirs))
    process.start()
    try:
        yield taken
    finally:
        over.set()
        taken += ours.recv()
        process.join()


def _read(platform: Running, names: list[str], over: Event, answer: Connection) -> None:
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    # The first page's thousands of objects would have all of the parent's looked through, and copied: 0.1 s.
    gc.freeze()
    client = logs_client(platform)
    taken: list[float] = []
    while not over.wait(_PAUSE_SECONDS):
        described = client.call("DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=random.choice(names))
        for stream in described["logStreams"]:
            last = int(stream["uploadSequenceToken"])
            if last:
                taken.append(_timed(client, stream["logStreamName"], random.randrange(last)))
    answer.send(taken)


def _page(client: Client, job: str, lines: int) -> float:
    streams = client.call("DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=job)["logStreams"]
    return _timed(client, streams[0]["logStreamName"], random.randrange(lines))


def _timed(client: Client, stream: str, place: int) -> float:
    """How many milliseconds the page behind an event takes."""
    began = time.perf_counter()
    client.call("GetLogEvents", logGroupName=GROUP, logStreamName=stream, nextToken=f"f/{place:056d}")
    return (time.perf_counter() - began) * 1000


def _bare(client: Client, job: str) -> float:
    """How many milliseconds of a page are the client's own, p99: it reads a megabyte of JSON."""
    (stream,) = client.call("DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=job)["logStreams"]
    name = stream["logStreamName"]
    page = orjson.dumps(client.call("GetLogEvents", logGroupName=GROUP, logStreamName=name, startFromHead=True))
    return _p99([seconds(lambda: orjson.loads(page)) * 1000 for _ in range(_PAGES)])


def _p99(taken: list[float]) -> float:
    return quantiles(taken, n=100)[-1]


def logs_client(platform: Running) -> Client:
    """A client of CloudWatch Logs on a connection of its own."""
    keys = [str(platform.variables[name]) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    return Client(platform.url, *keys, service="logs", target="Logs_20140328", region=REGION)


def _api_mib(platform: Running) -> float:
    (api,) = (each["pid"] for each in platform.status()["processes"] if each["name"] == "api")
    return float(psutil.Process(api).memory_info().rss) / 2**20
