"""kill -9 at random moments: of the API process and of node agents, while jobs of one and of two hosts come and go.

No job is lost, none is stuck, and no attempt at a job begins before the former one is over.
"""

import contextlib
import os
import random
import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.chaos.conftest import World
from tests.integration import jobs

T = TypeVar("T")
pytestmark = pytest.mark.timeout(600)
KILLS = int(os.environ.get("SAGESMITH_SOAK_KILLS", "8"))
"""How many there are: more for a soak."""

WORK = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; echo weights > /opt/ml/model/weights"
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
_LONGEST_PAUSE_SECONDS = 0.8


def test_jobs_end_well_and_are_never_run_twice_at_once_whatever_is_killed(world: World) -> None:
    dice = random.Random(os.environ.get("SAGESMITH_SOAK_SEED", "7"))
    for number in range(KILLS):
        changes = {"ResourceConfig": TWO} if number % 3 == 0 else {}
        if number % 2 == 0:
            start = partial(jobs.shell_job, world.running, WORK, RetryStrategy={"MaximumRetryAttempts": 30}, **changes)
            patiently(start)
        threading.Event().wait(dice.uniform(0, _LONGEST_PAUSE_SECONDS))
        kill_one(world, dice)
    client = world.running.client("sagemaker")
    listed = patiently(partial(client.list_training_jobs, NameContains="job-", MaxResults=100))
    assert listed["TrainingJobSummaries"]
    for name in (each["TrainingJobName"] for each in listed["TrainingJobSummaries"]):
        ended = patiently(partial(jobs.wait_job, world.running, name))
        assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
        restarts = [each["Status"] for each in ended["SecondaryStatusTransitions"]].count("Restarting")
        for host in range(1, ended["ResourceConfig"]["InstanceCount"] + 1):
            assert_one_after_the_other(world, f"{name}/algo-{host}-", restarts)
    assert [
        each for each in world.running.status()["processes"] if each["name"].startswith(("agent:job", "job:"))
    ] == []


def patiently(ask: Callable[[], T]) -> T:
    """What `ask` returns; while the API process is away for longer than the client tries, it is asked again."""
    while True:
        try:
            return ask()
        except ClientError as error:
            if error.response["Error"]["Code"] != "ServiceUnavailable":
                raise


def kill_one(world: World, dice: random.Random) -> None:
    """SIGKILL to one of the API process and the node agents of jobs."""
    found = [
        each["pid"]
        for each in world.running.status()["processes"]
        if each["name"] == "api" or each["name"].startswith("agent:job-")
    ]
    if found:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(dice.choice(found)).kill()


def assert_one_after_the_other(world: World, prefix: str, restarts: int) -> None:
    """Each attempt has a stream of its own; one's lines are older than those of the next, and the last is whole."""
    logs = world.running.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    spans = []
    last: list[str] = []
    for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)[
            "events"
        ]
        if events:
            spans.append((events[0]["timestamp"], events[-1]["timestamp"]))
            last = [each["message"] for each in events]
            assert last == [f"line {number}" for number in range(1, len(last) + 1)]
    assert len(spans) <= restarts + 1
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(spans)))
    assert len(last) == 60
