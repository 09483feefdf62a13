"""How long the platform takes to start, what it weighs, and what it adds to a job and to an endpoint.

Peers in the same run: the bare script in the same environment, the bare import of the model's libraries.
"""

import subprocess
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import ROUNDS, Figure, Figures, seconds
from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests.integration import jobs
from tests.integration.conftest import ROOT, Running, start

IDLE_AFTER_SECONDS = 5.0
"""After the start's own work, such as what the API process prepares beside its first requests."""
HANDLER = "import sklearn.ensemble\ndef model_fn(d):\n    return 1\n"
SCRIPT = "print('hello')\n"
EXAMPLES = ROOT / "examples"
QUICKSTART_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3"


def start_up(data: Path, measured: bool) -> tuple[Running, list[Figure]]:
    """A platform; and if that is to be measured, what its start takes on a directory that has been used before, and
    what all of it weighs when idle."""
    running = start(data)
    if not measured:
        return running, []
    taken = []
    for _ in range(ROUNDS):
        running.cli("down")
        taken.append(seconds(lambda: running.cli("up", "--detach")))
    time.sleep(IDLE_AFTER_SECONDS)
    weight = sum(each["memory_mib"] for each in running.status()["processes"])
    return running, [
        Figure("`sagesmith up` to ready", "s", median(taken), "most", 2.5),
        Figure("all processes idle, PSS", "MiB", weight, "most", 350),
    ]


def interpreter(image: str) -> str:
    """The interpreter that jobs of this image run with."""
    environment = ensure(resolve(image), default_cache_dir(), lambda line: None)
    return str(environment.path / "bin" / "python")


def run_bare(*command: str) -> float:
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def job_seconds(platform: Running, job: str) -> float:
    """From CreateTrainingJob, by the time that the job says, to the first Describe that says it has ended."""
    described = jobs.wait_job(platform, job)
    taken = time.time() - described["CreationTime"].timestamp()
    assert described["TrainingJobStatus"] == "Completed", described
    return taken


def endpoint_seconds(platform: Running) -> float:
    """From CreateEndpoint to the first Describe that says InService."""
    called = jobs.endpoint(platform, {"inference.py": HANDLER})
    described = jobs.wait_endpoint(platform, called)
    taken = time.time() - described["CreationTime"].timestamp()
    assert described["EndpointStatus"] == "InService", described
    jobs.delete_endpoint(platform, called)
    return taken


def quickstart_job(platform: Running) -> str:
    """The training job that the SDK makes of `examples/quickstart.py`."""
    called = jobs.name("quickstart")
    data = jobs.upload(platform, f"{called}/train.csv", (EXAMPLES / "data" / "train.csv").read_bytes())
    return jobs.script_job(
        platform,
        (EXAMPLES / "train.py").read_text(),
        AlgorithmSpecification={"TrainingImage": QUICKSTART_IMAGE, "TrainingInputMode": "File"},
        InputDataConfig=[jobs.channel(data)],
        HyperParameters={"max_depth": "5", "n_estimators": "100"},
    )


def figures(platform: Running) -> Figures:
    python = interpreter(jobs.IMAGE)
    for warm in (jobs.script_job(platform, SCRIPT), quickstart_job(platform)):
        jobs.wait_job(platform, warm)
    bare, job = [], []
    for _ in range(ROUNDS):
        bare.append(run_bare(python, "-c", SCRIPT))
        job.append(job_seconds(platform, jobs.script_job(platform, SCRIPT)))
    yield Figure("job that only prints, Create → Completed", "s", median(job), "over", 1.5, median(bare), "bare script")
    taken = [job_seconds(platform, quickstart_job(platform)) for _ in range(ROUNDS)]
    yield Figure("the quickstart's job, Create → Completed", "s", median(taken), "most", 4.0)
    imports, serving = [], []
    for _ in range(ROUNDS):
        imports.append(run_bare(python, "-c", "import sklearn.ensemble"))
        serving.append(endpoint_seconds(platform))
    name = "CreateEndpoint → InService"
    yield Figure(name, "s", median(serving), "over", 1.5, median(imports), "import of its libraries")


def quickstart(platform: Running) -> Figures:
    """`examples/quickstart.py` whole, as the user waits for it: 30 s of it are the SDK's own sleep in `deploy`."""
    python = str(ROOT / ".envs" / "sdk-v2" / "bin" / "python")

    def run() -> None:
        ended = platform.run([python, "quickstart.py"], cwd=EXAMPLES)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    run()
    yield Figure("`examples/quickstart.py`, second time", "s", seconds(run), "most", 60.0)
