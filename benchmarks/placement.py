"""Jobs placed by Ray, beside the same jobs without it, and beside `ray job submit` of the same programs.

Each side has all of the machine's cores, one a job, and runs when the others do not.
"""

import subprocess
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, Figures, seconds
from tests.integration import jobs
from tests.integration.conftest import ROOT, Running, start

JOBS, JOB_SECONDS = 20, 10.0
PEER = ROOT / ".envs" / "ray" / "bin" / "python"


def figures(_platform: Running) -> Figures:
    """None where the peer's environment is not: `ray job submit` needs more of Ray than the platform does."""
    if not PEER.exists():
        print("placement is not measured: `make .envs/ray/.ready` installs what it is compared with", flush=True)
        return
    by_ray, local = on_platform("ray"), on_platform("local")
    command = [PEER, ROOT / "benchmarks" / "ray_job_submit.py", str(JOBS), str(JOB_SECONDS)]
    submitted = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    name = f"{JOBS} jobs of {JOB_SECONDS:g} s, placed by Ray"
    for peers, peer_name, reach in ((local, "without Ray", 1 / 1.5), (submitted, "`ray job submit`", 1.0)):
        yield Figure(name, "/min", 60 * JOBS / by_ray, "times", round(reach, 2), 60 * JOBS / peers, peer_name)


def on_platform(compute: str) -> float:
    """Seconds from the first CreateTrainingJob to the last end, on a platform of its own."""
    with tempfile.TemporaryDirectory() as folder:
        platform = start(Path(folder) / "data", environ={"SAGESMITH_COMPUTE": compute})
        try:
            run(platform, 1, 0.0)
            return seconds(lambda: run(platform, JOBS, JOB_SECONDS))
        finally:
            platform.cli("down")


def run(platform: Running, count: int, each_seconds: float) -> None:
    started = [jobs.shell_job(platform, f"sleep {each_seconds}") for _ in range(count)]
    for job in started:
        described = jobs.wait_job(platform, job)
        assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
