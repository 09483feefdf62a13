"""Training jobs of one and of two hosts, processing jobs and searches come and go while something is killed; and what
is to be seen of them afterwards, whatever it was.

No job is lost, none is stuck, and no attempt at a job begins before the former one is over.
"""

import os
import random
import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

from botocore.exceptions import ClientError

from tests.chaos.conftest import World
from tests.integration import jobs, test_processing, tunings

T = TypeVar("T")
ROUNDS = os.environ.get("SAGESMITH_SOAK_KILLS")
"""How often something is killed, if not as often as a test says: `python -m tests.chaos --rounds 50` says so."""
SEED = os.environ.get("SAGESMITH_SOAK_SEED", "7")
LIMIT_SECONDS = 600 + 60 * int(ROUNDS or 8)

WORK = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; echo weights > /opt/ml/model/weights"
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
RETRIED = {"MaximumRetryAttempts": 30}
TRIALS = 4
KILLS_A_SEARCH = 10
AGENTS = ("agent:job-", "agent:tune-", "agent:processing-")
"""What the names of jobs' node agents begin with."""
_LONGEST_PAUSE_SECONDS = 0.8


def work_while(world: World, rounds: int, kill: Callable[[random.Random, int], None]) -> None:
    """Begin jobs, and after each a pause of random length have something killed.

    Args:
        rounds: how often, unless the environment says otherwise.
        kill: given the dice and the round's number.
    """
    dice = random.Random(SEED)
    for number in range(int(ROUNDS or rounds)):
        if number % KILLS_A_SEARCH == 0:
            begin(lambda: _search(world))
        if number % 2 == 0:
            changes = {"ResourceConfig": TWO} if number % 3 == 0 else {}
            begin(partial(jobs.shell_job, world.running, WORK, RetryStrategy=RETRIED, **changes))
        elif number % 4 == 1:
            begin(partial(test_processing.start, world.running, WORK.replace("/opt/ml/model", "/tmp")))
        threading.Event().wait(dice.uniform(0, _LONGEST_PAUSE_SECONDS))
        kill(dice, number)


def assert_jobs_ended_well(world: World) -> None:
    """Wait for the ends of all jobs, and look at what they have left."""
    client = world.running.client("sagemaker")
    listed = patiently(partial(client.list_training_jobs, NameContains="job-", MaxResults=100))
    assert listed["TrainingJobSummaries"]
    for name in (each["TrainingJobName"] for each in listed["TrainingJobSummaries"]):
        ended = patiently(partial(jobs.wait_job, world.running, name))
        assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
        restarts = [each["Status"] for each in ended["SecondaryStatusTransitions"]].count("Restarting")
        for host in range(1, ended["ResourceConfig"]["InstanceCount"] + 1):
            assert_one_after_the_other(world, f"{name}/algo-{host}-", restarts)
    assert_processing_jobs_ended(world)
    assert_searches_ended(world)


def begin(start: Callable[[], object]) -> None:
    """Create something; the answer to the first of a client's tries may have died with the API process."""
    try:
        patiently(start)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUse":
            raise


def _search(world: World) -> str:
    definition = tunings.definition(world.running, RetryStrategy=RETRIED)
    return tunings.start_tuning(world.running, trials=TRIALS, TrainingJobDefinition=definition)


def assert_processing_jobs_ended(world: World) -> None:
    """Nothing runs a processing job again: each is done, with its whole log, or says that we lost it."""
    client = world.running.client("sagemaker")
    listed = patiently(partial(client.list_processing_jobs, NameContains="processing-", MaxResults=100))
    assert listed["ProcessingJobSummaries"]
    for name in (each["ProcessingJobName"] for each in listed["ProcessingJobSummaries"]):
        ended = patiently(partial(test_processing.wait, world.running, name))
        if ended["ProcessingJobStatus"] != "Completed":
            assert ended["FailureReason"].startswith("InternalServerError: ")
        else:
            printed = jobs.log_lines(world.running, test_processing.LOGS, f"{name}/")
            lines = [each for each in printed if not each.startswith("Waiting for ")]
            assert lines == [f"line {number}" for number in range(1, 61)]


def assert_searches_ended(world: World) -> None:
    """Each search has as many trials as it was to have, and a value of every one."""
    client = world.running.client("sagemaker")
    listed = patiently(partial(client.list_hyper_parameter_tuning_jobs, NameContains="tune-", MaxResults=100))
    assert listed["HyperParameterTuningJobSummaries"]
    for name in (each["HyperParameterTuningJobName"] for each in listed["HyperParameterTuningJobSummaries"]):
        ended = patiently(partial(tunings.wait_tuning, world.running, name))
        assert ended["HyperParameterTuningJobStatus"] == "Completed", ended
        trials = tunings.trials_of(world.running, name)
        numbers = sorted(each["TrainingJobName"].removeprefix(name)[:4] for each in trials)
        assert numbers == [f"-{number:03}" for number in range(1, TRIALS + 1)]
        assert {each["ObjectiveStatus"] for each in trials} == {"Succeeded"}, trials


def patiently(ask: Callable[[], T]) -> T:
    """What `ask` returns; while the API process is away for longer than the client tries, it is asked again."""
    while True:
        try:
            return ask()
        except ClientError as error:
            if error.response["Error"]["Code"] != "ServiceUnavailable":
                raise


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
