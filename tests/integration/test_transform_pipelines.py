"""Batch transform through models with several containers, on a real platform."""

import os
import signal
import time

import pytest

from tests.integration import jobs, serial
from tests.integration.conftest import Running
from tests.integration.test_transform import GROUP, completed, data_log, put, start, wait

# The sum of each row, as the next one's rows.
SUMS = """
def model_fn(model_dir):
    print("loading sums", flush=True)
def input_fn(body, content_type):
    return [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{each:g}\\n" for each in sums), "text/x-sums"
"""
DOUBLES = """
import os
def model_fn(model_dir):
    print("loading doubles", os.environ["SAGEMAKER_BATCH"], flush=True)
def input_fn(body, content_type):
    assert content_type.startswith("text/x-sums"), content_type
    return [float(each) for each in body.splitlines()]
def predict_fn(numbers, model):
    if -2 in numbers:
        raise ValueError("a negative sum")
    return [2 * each for each in numbers]
def output_fn(numbers, accept):
    return "".join(f"{each:g}\\n" for each in numbers), accept
"""


@pytest.fixture(scope="module")
def chain(platform: Running) -> str:
    parts = [serial.container(platform, "a", SUMS), serial.container(platform, "b", DOUBLES)]
    return serial.model(platform, parts)


def test_data_goes_through_all_containers(platform: Running, chain: str) -> None:
    job = start(platform, chain, put(platform, {"a.csv": b"1,2\n3,4\n", "b.csv": b"5\n"}))
    assert completed(platform, job) == {"a.csv.out": b"6\n14\n", "b.csv.out": b"10\n"}
    assert len(data_log(platform, job)) == 1
    streams = platform.client("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")
    names = [each["logStreamName"] for each in streams["logStreams"]]
    said = {each.split("/")[-1]: jobs.log_lines(platform, GROUP, each) for each in names if each.count("/") == 2}
    assert "loading sums" in said["container-1"]
    assert "loading doubles true" in said["container-2"]


def test_an_object_that_is_sent_whole_streams_through_all_containers(platform: Running, chain: str) -> None:
    body = b"".join(b"%d,1\n" % number for number in range(50_000))
    job = start(platform, chain, put(platform, {"a": body}), SplitType="None", MaxPayloadInMB=0, AssembleWith="None")
    assert completed(platform, job) == {"a.out": b"".join(b"%g\n" % (2 * number + 2) for number in range(50_000))}


def test_the_data_log_says_which_container_refused(platform: Running, chain: str) -> None:
    job = start(platform, chain, put(platform, {"a": b"-1,-1\n"}), ModelClientConfig={"InvocationsMaxRetries": 0})
    described = wait(platform, job)
    assert described["TransformJobStatus"] == "Failed"
    assert any("Container 2 of 2" in each for each in data_log(platform, job))


def test_every_instance_has_all_containers(platform: Running, chain: str) -> None:
    job = start(platform, chain, put(platform, {f"{each}.csv": b"%d,0\n" % each for each in range(4)}), InstanceCount=2)
    assert completed(platform, job) == {f"{each}.csv.out": b"%d\n" % (2 * each) for each in range(4)}
    streams = platform.client("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")
    names = [each["logStreamName"] for each in streams["logStreams"]]
    assert len([each for each in names if each.endswith(("/container-1", "/container-2"))]) == 4


def test_a_job_one_of_whose_containers_is_killed_fails_with_its_name(platform: Running) -> None:
    sleeps = "import time\ndef transform_fn(model, body, content_type, accept):\n    time.sleep(3600)\n"
    parts = [serial.container(platform, each, sleeps + "def model_fn(d): pass\n") for each in "ab"]
    job = start(platform, serial.model(platform, parts), put(platform, {"a": b"1\n"}))
    client = platform.client("sagemaker")
    while not (running := [each for each in platform.status()["processes"] if each["name"] == f"job:{job}"]):
        assert client.describe_transform_job(TransformJobName=job)["TransformJobStatus"] == "InProgress"
        time.sleep(0.1)
    while len(running) < 2 or "data-log" not in str(
        platform.client("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")
    ):
        running = [each for each in platform.status()["processes"] if each["name"] == f"job:{job}"]
        time.sleep(0.1)
    os.kill(running[1]["pid"], signal.SIGKILL)
    described = wait(platform, job)
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: See job logs for more information. The model server")
    assert not [each for each in platform.status()["processes"] if each["name"].endswith(f":{job}")]
