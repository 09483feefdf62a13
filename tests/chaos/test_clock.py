"""Clocks: other time zones."""

import datetime
import json
import sys
from collections.abc import Callable

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running

pytestmark = pytest.mark.timeout(180)

CLIENT = """
import datetime, json, sys, boto3
job = boto3.client("sagemaker").describe_training_job(TrainingJobName=sys.argv[1])
after = job["CreationTime"] - datetime.timedelta(seconds=1)
between = {"CreationTimeAfter": after, "CreationTimeBefore": job["LastModifiedTime"]}
found = boto3.client("sagemaker").list_training_jobs(**between)
times = [job[name].timestamp() for name in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime")]
print(json.dumps({"times": times, "found": [each["TrainingJobName"] for each in found["TrainingJobSummaries"]],
                  "seconds": job["TrainingTimeInSeconds"], "offset": str(job["CreationTime"].utcoffset())}))
"""


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_platform_and_client_in_another_time_zone_agree_on_time(
    new_platform: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    before = datetime.datetime.now(datetime.UTC).timestamp()
    running = new_platform()
    job = jobs.shell_job(running, "echo line")
    assert jobs.wait_job(running, job)["TrainingJobStatus"] == "Completed"
    assert jobs.job_log(running, job) == ["line"]
    answer = running.run([sys.executable, "-c", CLIENT, job])
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    assert seen["found"] == [job]
    assert seen["times"] == sorted(seen["times"])
    assert before - 1 <= seen["times"][0]
    assert seen["times"][-1] <= datetime.datetime.now(datetime.UTC).timestamp() + 1
    assert 0 <= seen["seconds"] < 60
