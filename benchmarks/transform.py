"""A transform job beside a loop that calls `predict` on the same chunks, in the same environment.

Both by what they keep busy: rows a second of CPU time, that of node agent and model server from their start to their
end against that of the loop, imports included. Every prediction is compared.
"""

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks.figures import Figure, Figures, alternate
from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests.integration import jobs
from tests.integration.conftest import ROOT, Running

ROWS, ROUNDS = 1_000_000, 3
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
LOOP = ROOT / "benchmarks" / "transform_loop.py"
LOOK_SECONDS = 0.1
SCRIPT = """
import os, xgboost
def model_fn(model_dir):
    return xgboost.Booster(model_file=os.path.join(model_dir, "model.json"))
"""


def figures(platform: Running) -> Figures:
    python = str(ensure(resolve(IMAGE), default_cache_dir(), print).path / "bin" / "python")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([python, LOOP, "prepare", folder, str(ROWS)], check=True)
        model = create_model(platform, folder)

        def loop(_number: int) -> float:
            before = os.times()
            subprocess.run([python, LOOP, "predict", folder], check=True)
            after = os.times()
            return after.children_user + after.children_system - before.children_user - before.children_system

        # The loop's predictions are what the job's are compared with.
        loop(-1)
        measured, peer = alternate(lambda _number: transformed(platform, model, folder), loop, ROUNDS)
    called = f"{ROWS:,} CSV rows through XGBoost, rows a CPU second"
    yield Figure(called, "/s", ROWS / measured, "times", 0.7, ROWS / peer, "a loop of `predict`")


def create_model(platform: Running, folder: Path) -> str:
    called = jobs.name("xgboost")
    content: dict[str, str | bytes] = {"model.json": (folder / "model.json").read_bytes()}
    source = jobs.upload(platform, f"{called}/sourcedir.tar.gz", jobs.archive({"inference.py": SCRIPT}))
    platform.client("s3").upload_file(str(folder / "rows.csv"), jobs.BUCKET, "rows/rows.csv")
    platform.client("sagemaker").create_model(
        ModelName=called,
        ExecutionRoleArn=jobs.ROLE,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": jobs.upload(platform, f"{called}/model.tar.gz", jobs.archive(content)),
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source},
        },
    )
    return called


def transformed(platform: Running, model: str, folder: Path) -> float:
    """Seconds of CPU time that a job takes."""
    job = jobs.name("transform")
    client = platform.client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.BUCKET}/rows/"}}
    with CpuTime(job) as used:
        client.create_transform_job(
            TransformJobName=job,
            ModelName=model,
            BatchStrategy="MultiRecord",
            TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
            TransformOutput={
                "S3OutputPath": f"s3://{jobs.BUCKET}/{job}",
                "Accept": "text/csv",
                "AssembleWith": "Line",
            },
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
        while (described := client.describe_transform_job(TransformJobName=job))["TransformJobStatus"] == "InProgress":
            time.sleep(0.5)
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    output = platform.client("s3").get_object(Bucket=jobs.BUCKET, Key=f"{job}/rows.csv.out")["Body"].read()
    assert output == (folder / "predictions.csv").read_bytes()
    return used.seconds


class CpuTime:
    """Adds up what a job's agent and all below it use, as they were seen last."""

    def __init__(self, job: str) -> None:
        self._agent = f"agent:{job}"
        self._seen: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def seconds(self) -> float:
        return sum(self._seen.values())

    def __enter__(self) -> "CpuTime":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        agent: psutil.Process | None = None
        while not self._over.wait(LOOK_SECONDS):
            agent = agent or next((each for each in psutil.process_iter() if self._agent in _words(each)), None)
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in [agent, *agent.children(recursive=True)] if agent else []:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        times = each.cpu_times()
                        self._seen[each.pid] = times.user + times.system


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
