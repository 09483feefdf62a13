"""Jobs that print a lot, beside one that prints little."""

import psutil
import pytest

from tests.integration import jobs
from tests.integration.conftest import Running

pytestmark = pytest.mark.timeout(180)
LINES = 200_000


def test_the_log_of_a_job_that_prints_much_is_whole_and_in_order(platform: Running) -> None:
    (api,) = (psutil.Process(each["pid"]) for each in platform.status()["processes"] if each["name"] == "api")
    before = api.memory_info().rss
    chatty = jobs.shell_job(platform, f"seq -f '%012.0f {'x' * 87}' {LINES}")
    quiet = jobs.shell_job(platform, "echo hello")
    for job in (quiet, chatty):
        assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    assert api.memory_info().rss - before < 64 << 20
    found = jobs.job_log(platform, chatty)
    assert found == [f"{number:012} {'x' * 87}" for number in range(1, LINES + 1)]
    assert jobs.job_log(platform, quiet) == ["hello"]


def test_a_line_without_end_is_cut_into_events_that_are_whole_together(platform: Running) -> None:
    job = jobs.shell_job(platform, "head -c 30000000 /dev/zero | tr '\\0' x")
    assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Completed"
    found = jobs.job_log(platform, job)
    assert max(map(len, found)) <= 262_144 - 26
    assert "".join(found) == "x" * 30_000_000
