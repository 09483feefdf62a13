"""Jobs placed by Ray, beside the same jobs without it, and beside `ray job submit`: `python -m benchmarks.placement`.

Each side has all of the machine's cores, one a job, and runs when the others do not.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, heading, seconds
from tests.integration import jobs
from tests.integration.conftest import ROOT, Running, start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement", description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    by_ray = on_platform("ray", chosen.jobs, chosen.seconds)
    local = on_platform("local", chosen.jobs, chosen.seconds)
    peer = ROOT / "benchmarks" / "ray_job_submit.py"
    command = [ROOT / ".envs/ray/bin/python", peer, str(chosen.jobs), str(chosen.seconds)]
    submitted = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    name = f"{chosen.jobs} jobs of {chosen.seconds:g} s, placed by Ray"
    print(heading())
    for peers, peer_name, reach in ((local, "without Ray", 1 / 1.5), (submitted, "`ray job submit`", 1.0)):
        figure = Figure(
            name, "/min", 60 * chosen.jobs / by_ray, "times", round(reach, 2), 60 * chosen.jobs / peers, peer_name
        )
        print(figure.row(), flush=True)


def on_platform(compute: str, count: int, each_seconds: float) -> float:
    """Seconds from the first CreateTrainingJob to the last end."""
    with tempfile.TemporaryDirectory() as folder:
        platform = start(Path(folder) / "data", environ={"SAGESMITH_COMPUTE": compute})
        try:
            run(platform, 1, 0.0)
            return seconds(lambda: run(platform, count, each_seconds))
        finally:
            platform.cli("down")


def run(platform: Running, count: int, each_seconds: float) -> None:
    started = [jobs.shell_job(platform, f"sleep {each_seconds}") for _ in range(count)]
    for job in started:
        described = jobs.wait_job(platform, job)
        assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")


if __name__ == "__main__":
    main()
