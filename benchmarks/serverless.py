"""Serverless endpoints of scikit-learn: how long the first request takes that finds no model server, with one that
waits with its libraries imported and without, beside what importing them and loading the model takes by itself.

Both platforms are of this module's own, and take turns. Every answer is compared with what the model itself predicts.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Figures, seconds
from benchmarks.lifecycle import interpreter
from sagesmith.agent.warm import READY
from sagesmith.compute.warm import PREFIX, warm_directory
from sagesmith.slots import path_of
from tests.integration import jobs
from tests.integration.conftest import Running, start

ROUNDS = 20
REGION = "us-east-1"
_ROW = [[0.5, 0.25, 0.75, 0.1]]
_HANDLERS = """
import os, joblib
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
_TRAIN = """
import joblib, sys
import numpy as np
from sklearn.ensemble import RandomForestClassifier
rows = np.random.default_rng(0).random((500, 4))
model = RandomForestClassifier(20, random_state=0).fit(rows, np.digitize(rows.sum(axis=1), [1.5, 2.0, 2.5]))
joblib.dump(model, sys.argv[1])
print(model.predict(np.array(eval(sys.argv[2]), dtype=np.float32)).tolist())
"""
_BARE = "import joblib, sys; joblib.load(sys.argv[1]).predict(eval(sys.argv[2]))"


def figures(_platform: Running, rounds: int = ROUNDS) -> Figures:
    python = interpreter(jobs.IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.joblib"
        trained = subprocess.run(
            [python, "-c", _TRAIN, str(model), str(_ROW)], check=True, capture_output=True, text=True
        )
        expected = json.loads(trained.stdout)
        platforms = [_platform_with(Path(folder) / str(count), count) for count in (1, 0)]
        try:
            endpoints = [_endpoint(each, model.read_bytes()) for each in platforms]
            warm, cold, bare, waits = [], [], [], []
            for _ in range(rounds):
                waits.append(_until_one_waits(platforms[0]))
                warm.append(_cold_start(platforms[0], endpoints[0], expected))
                _until_one_waits(platforms[0])
                cold.append(_cold_start(platforms[1], endpoints[1], expected))
                command = [python, "-c", _BARE, str(model), str(_ROW)]
                bare.append(seconds(lambda command=command: subprocess.run(command, check=True)))  # type: ignore[misc]
        finally:
            for each in platforms:
                each.cli("down")
    yield Figure("serverless cold start, one waits, p50", "ms", median(warm) * 1e3, "most", 300)
    peer = ("within", 1.5, median(bare) * 1e3, "import, load, predict")
    yield Figure("serverless cold start from nothing, p50", "ms", median(cold) * 1e3, *peer)
    yield Figure("a model server that waits, PSS with its agent", "MiB", median(waits), "most", 200)


def _platform_with(data: Path, warm_servers: int) -> Running:
    environ = {"SAGESMITH_SERVERLESS_IDLE_SECONDS": "1", "SAGESMITH_WARM_SERVERS": str(warm_servers)}
    return start(data, environ=environ)


def _endpoint(platform: Running, model: bytes) -> str:
    archive = jobs.archive({"model.joblib": model})
    name = jobs.endpoint(platform, {"inference.py": _HANDLERS}, archive, **jobs.serverless(MemorySizeInMB=2048))
    described = jobs.wait_endpoint(platform, name)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return name


def _cold_start(platform: Running, endpoint: str, expected: list[int]) -> float:
    """Seconds of a request after which the endpoint is left asleep."""
    runtime = platform.client("sagemaker-runtime")
    body = json.dumps(_ROW)
    began = time.perf_counter()
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="application/json")
    taken = time.perf_counter() - began
    assert json.loads(answer["Body"].read()) == expected
    assert path_of(platform.data / "run" / "slots", REGION, endpoint).exists()
    while list((platform.data / "tasks").glob("serve-*")):
        time.sleep(0.05)
    return taken


def _until_one_waits(platform: Running) -> float:
    """Once a model server has imported its libraries: how much memory it and its agent take, in MiB."""
    folder = warm_directory(platform.data / "tasks")
    while not list(folder.glob(f"{PREFIX}*/{READY}")):
        time.sleep(0.05)
    return sum(each["memory_mib"] for each in platform.status()["processes"] if each["name"].startswith("warm-"))
