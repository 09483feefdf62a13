"""`ray job submit` of some scripts, by itself: prints the seconds from the first submission to the last end.

Run by the interpreter of `.envs/ray`: `python ray_job_submit.py JOBS SECONDS`.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JOBS, SECONDS = int(sys.argv[1]), float(sys.argv[2])
ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}


def main() -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        dashboard = free_port()
        command = [*ray, "start", "--head", "--port=0", "--block", f"--temp-dir={folder}", "--disable-usage-stats"]
        command.append(f"--dashboard-port={dashboard}")
        with (Path(folder) / "head.log").open("wb") as log:
            head = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            print(measure(dashboard))
        finally:
            head.terminate()
            head.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def measure(dashboard: int) -> float:
    from ray.job_submission import JobSubmissionClient

    while True:
        try:
            client = JobSubmissionClient(f"http://127.0.0.1:{dashboard}")
            # The first of a cluster starts what all others find running.
            run(client, 1, 0.0)
            break
        except (ConnectionError, RuntimeError):  # Its dashboard, or the agent that takes jobs, is only coming up.
            time.sleep(0.5)
    return run(client, JOBS, SECONDS)


def run(client: object, count: int, each_seconds: float) -> float:
    started = time.monotonic()
    waiting = {
        client.submit_job(entrypoint=f"sleep {each_seconds}", entrypoint_num_cpus=1)  # type: ignore[attr-defined]
        for _ in range(count)
    }
    while waiting:
        for job in list(waiting):
            status = client.get_job_status(job).value  # type: ignore[attr-defined]
            assert status in ENDED - {"FAILED", "STOPPED"} or status not in ENDED, status
            if status in ENDED:
                waiting.remove(job)
        time.sleep(0.1)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
