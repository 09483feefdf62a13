"""How long a machine needs for many trivial jobs that come at once, and that nothing of them stays."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure, Figures
from sagesmith.agent.limits import CGROUPS
from tests.integration import jobs
from tests.integration.conftest import Running

JOBS = 100
SCRIPT = "print('hello')\n"
_SUBMITTERS = 8

Submit = Callable[[Running], str]


def figures(platform: Running) -> Figures:
    """From the first Create to the last job's end: 4 jobs a second, and 1.5 where the toolkit starts the script."""
    for submit in (_command, _script):
        _finish(platform, [submit(platform)])
    before = _traces(platform)
    yield Figure(
        f"{JOBS} trivial jobs at once, ContainerEntrypoint", "s", _seconds(platform, _command), "most", JOBS / 4
    )
    yield Figure(
        f"{JOBS} trivial jobs at once, script mode", "s", _seconds(platform, _script), "most", round(JOBS / 1.5)
    )
    left = float(_traces(platform) - before)
    yield Figure("processes, files and mounts that they leave", "", left, "most", 0)


def _command(platform: Running) -> str:
    return jobs.shell_job(platform, "true")


def _script(platform: Running) -> str:
    return jobs.script_job(platform, SCRIPT)


def _seconds(platform: Running, submit: Submit) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(_SUBMITTERS) as pool:
        names = list(pool.map(lambda _: submit(platform), range(JOBS)))
    _finish(platform, names)
    return time.monotonic() - began


def _finish(platform: Running, names: list[str]) -> None:
    for name in names:
        described = jobs.wait_job(platform, name)
        assert described["TrainingJobStatus"] == "Completed", described


def _traces(platform: Running) -> int:
    """What there is for jobs: processes, task directories, mounts below the data directory, control groups."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return (
        len(platform.status()["processes"])
        + sum(1 for _ in (platform.data / "tasks").iterdir())
        + sum(str(platform.data) in line for line in mounts)
        + sum(1 for _ in CGROUPS.glob("**/sagesmith-train-*"))
    )
