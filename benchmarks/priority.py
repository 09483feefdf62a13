"""What calls take while jobs compute: twice as many as there are cores, which need all that they can get."""

import os
import time
from collections.abc import Callable
from statistics import quantiles

from benchmarks.concurrency import Client
from benchmarks.figures import Figure, Figures, seconds
from benchmarks.logs import GROUP, REGION, logs_client
from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith, start

JOBS = 2 * (os.cpu_count() or 1)
LINES = 20_000
_CALLS = 500


def figures(platform: Running) -> Figures:
    """On a platform of its own, which lets so many jobs run at once."""
    other = start(platform.data.parent / "priority", environ={"SAGESMITH_MAX_JOBS": str(JOBS)})
    try:
        yield from _measured(other)
    finally:
        sagesmith("down", "--data", str(other.data))


def _measured(platform: Running) -> Figures:
    printed = jobs.shell_job(platform, f"seq -f '%0100.0f' {LINES}")
    jobs.wait_job(platform, printed)
    calls = calls_of(platform, printed)
    at_rest = {name: p99_ms(call) for name, call in calls.items()}
    computing = [jobs.shell_job(platform, "echo begun; while :; do :; done") for _ in range(JOBS)]
    for job in computing:
        while jobs.job_log(platform, job) != ["begun"]:
            time.sleep(0.1)
    for name, call in calls.items():
        busy = p99_ms(call)
        yield Figure(f"{name} while {JOBS} jobs compute, p99", "ms", busy, "most", 20, at_rest[name], "at rest")
    for job in computing:
        platform.client("sagemaker").stop_training_job(TrainingJobName=job)
    for job in computing:
        jobs.wait_job(platform, job)


def calls_of(platform: Running, job: str) -> dict[str, Callable[[], object]]:
    """What is measured, by its name: a small answer, and a page of a log."""
    keys = [str(platform.variables[name]) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    client, logs = Client(platform.url, *keys, region=REGION), logs_client(platform)
    (stream,) = logs.call("DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=job)["logStreams"]
    page = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"], "startFromHead": True}
    return {
        "DescribeTrainingJob": lambda: client.call("DescribeTrainingJob", TrainingJobName=job),
        "GetLogEvents, a megabyte,": lambda: logs.call("GetLogEvents", **page),
    }


def p99_ms(call: Callable[[], object]) -> float:
    return quantiles([seconds(call) * 1000 for _ in range(_CALLS)], n=100)[-1]
