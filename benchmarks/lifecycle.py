"""How long the platform takes to start, what it weighs, and what it adds to a job and to an endpoint.

Peers in the same run: the bare script in the same environment, the bare import of the model's libraries.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith, start

ROUNDS = 5
HANDLER = "import sklearn.ensemble\ndef model_fn(d):\n    return 1\n"
SCRIPT = "print('hello')\n"


def measure_start(data: Path) -> tuple[Running, float]:
    """Seconds from the command to ready, on a directory that has been used before."""
    sagesmith("up", "--detach", "--port", "0", "--data", str(data))
    sagesmith("down", "--data", str(data))
    began = time.perf_counter()
    running = start(data)
    return running, time.perf_counter() - began


def job_seconds(platform: Running, job: str) -> tuple[float, dict[str, Any]]:
    """From the client's Create call to the first Describe that says it has ended."""
    began = time.perf_counter()
    name = jobs.script_job(platform, SCRIPT) if job == "script" else jobs.shell_job(platform, job)
    described = jobs.wait_job(platform, name)
    assert described["TrainingJobStatus"] == "Completed", described
    return time.perf_counter() - began, described


def environment_of_jobs(platform: Running) -> str:
    """The interpreter that jobs of this image run with."""
    name = jobs.shell_job(platform, "command -v python; command -v python > /opt/ml/model/python")
    jobs.wait_job(platform, name)
    return next(line.strip() for line in jobs.job_log(platform, name) if line.strip().endswith("/python"))


def bare_seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def endpoint_seconds(platform: Running) -> float:
    began = time.perf_counter()
    name = jobs.endpoint(platform, {"inference.py": HANDLER})
    described = jobs.wait_endpoint(platform, name)
    seconds = time.perf_counter() - began
    assert described["EndpointStatus"] == "InService", described
    jobs.delete_endpoint(platform, name)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform, seconds = measure_start(Path(folder) / "data")
        try:
            print(f"up to ready                                 {seconds:6.2f} s     (reach 2.5)")
            time.sleep(3)
            memory = {each["name"]: each["memory_mib"] for each in platform.status()["processes"]}
            weight = sum(each["memory_mib"] for each in platform.status()["processes"])
            print(f"all processes idle                          {weight:6.0f} MiB   (reach 350)   {json.dumps(memory)}")
            jobs.wait_job(platform, jobs.script_job(platform, SCRIPT))
            python = environment_of_jobs(platform)
            bare = statistics.median(bare_seconds([python, "-c", SCRIPT]) for _ in range(ROUNDS))
            entry = statistics.median(job_seconds(platform, "echo hello")[0] for _ in range(ROUNDS))
            script = statistics.median(job_seconds(platform, "script")[0] for _ in range(ROUNDS))
            print(f"job, entry point, over the bare command     {entry:6.2f} s")
            print(f"job, script mode, over the bare script      {script - bare:6.2f} s     (reach 1.5)")
            library = statistics.median(bare_seconds([python, "-c", "import sklearn.ensemble"]) for _ in range(ROUNDS))
            serving = statistics.median(endpoint_seconds(platform) for _ in range(ROUNDS))
            print(f"endpoint InService, over the bare import    {serving - library:6.2f} s     (reach 1.5)")
        finally:
            platform.cli("down")


if __name__ == "__main__":
    sys.exit(main())
