"""Many models behind one endpoint, against endpoints of one model each: memory, the first answer, and those after it.

The models are random forests of scikit-learn, different ones, of 1 MB each: five trees that were grown on 1,500 rows.
Memory is the proportional share (PSS) of all processes of an endpoint, the node agent's too. Every answer is compared
with what the model itself predicts.
"""

import hashlib
import http.client
import json
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.figures import Figure, Figures
from benchmarks.load import Exchange, saturate
from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from sagesmith.wire import sigv4
from tests.integration import jobs
from tests.integration.conftest import Running

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
MODELS = 1000
ENDPOINTS = 50
ROUNDS = 3
SECONDS = 2.0
CONNECTIONS = 32
_ROWS = b"0.5,0.25,0.75,0.1,0.9,0.3,0.6,0.2,0.8,0.4\n0.1,0.9,0.2,0.8,0.3,0.7,0.4,0.6,0.5,0.5"
"""Two of them: of one, the container's default input function makes no table."""
_HANDLERS = """
import os, joblib
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
_TRAIN = """
import json, os, sys, joblib
import numpy as np
from sklearn.ensemble import RandomForestRegressor
answers = []
for number in range(int(sys.argv[2])):
    generator = np.random.default_rng(number)
    rows = generator.random((1500, 10))
    model = RandomForestRegressor(5, random_state=number).fit(rows, rows @ generator.random(10))
    joblib.dump(model, os.path.join(sys.argv[1], f"{number}.joblib"))
    answers.append(model.predict(np.loadtxt(sys.argv[3].splitlines(), delimiter=",")).tolist())
print(json.dumps(answers))
"""


def figures(platform: Running, models: int = MODELS, endpoints: int = ENDPOINTS) -> Figures:
    """As many models as `models` behind one endpoint; some of them behind one each."""
    prefix = jobs.name("density")
    answers = _made(platform, prefix, models)
    source = jobs.upload(platform, f"{prefix}/source.tar.gz", jobs.archive({"inference.py": _HANDLERS}))
    many = _endpoint(platform, source, f"s3://{jobs.BUCKET}/{prefix}/models/", "MultiModel")
    exchanges = [_exchange(platform, many, answer, f"{number}.tar.gz") for number, answer in enumerate(answers)]
    cold = _one_by_one(platform, exchanges)
    yield Figure("a model's first answer, p50", "ms", median(cold) * 1e3, "most", 50)
    of_many = _memory(platform, many) / models
    uris = [f"s3://{jobs.BUCKET}/{prefix}/models/{number}.tar.gz" for number in range(endpoints)]
    singles = [_endpoint(platform, source, uri, "SingleModel") for uri in uris]
    of_single = [_exchange(platform, each, answer) for each, answer in zip(singles, answers, strict=False)]
    _one_by_one(platform, of_single)
    of_one = sum(_memory(platform, each) for each in singles) / endpoints
    name = f"memory a model, {models:,} behind one endpoint"
    yield Figure(name, "MiB", of_many / 2**20, "within", 0.05, of_one / 2**20, f"{endpoints} endpoints of one each")
    yield from _warm(platform, exchanges, of_single)
    for endpoint in (many, *singles):
        platform.client("sagemaker").delete_endpoint(EndpointName=endpoint)


def _warm(platform: Running, of_many: Sequence[Exchange], of_single: Sequence[Exchange]) -> Figures:
    """The same models by both ways, in rounds that alternate."""
    turns = {"many": of_many[: len(of_single)], "single": of_single}
    lone: dict[str, list[float]] = {name: [] for name in turns}
    rates: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(ROUNDS):
        for name, exchanges in turns.items():
            result = saturate(_address(platform), exchanges, 1, SECONDS)
            assert not result.wrong, result.example
            lone[name].append(result.p50)
        for name, exchanges in turns.items():
            result = saturate(_address(platform), exchanges[:1], CONNECTIONS, SECONDS)
            assert not result.wrong, result.example
            rates[name].append(result.rate)
    of = {name: median(each) * 1e3 for name, each in lone.items()}
    each = "a loaded model's answer, c=1, p50"
    yield Figure(each, "ms", of["many"], "within", 1.1, of["single"], "endpoints of one each")
    rate = {name: median(each) for name, each in rates.items()}
    hot = f"answers of one loaded model, c={CONNECTIONS}"
    yield Figure(hot, "/s", rate["many"], "times", 0.9, rate["single"], "an endpoint of its own")


def _made(platform: Running, prefix: str, models: int) -> list[list[float]]:
    """Train so many models and put them below a prefix; what each answers."""
    python = ensure(resolve(IMAGE), default_cache_dir(), lambda _: None).path / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        words = [str(python), "-c", _TRAIN, folder, str(models), _ROWS.decode()]
        ran = subprocess.run(words, check=True, capture_output=True, text=True)
        for number in range(models):
            content = (Path(folder) / f"{number}.joblib").read_bytes()
            archive = jobs.archive({"model.joblib": content})
            jobs.upload(platform, f"{prefix}/models/{number}.tar.gz", archive)
    answers: list[list[float]] = json.loads(ran.stdout)
    return answers


def _endpoint(platform: Running, source: str, data: str, mode: str) -> str:
    called = jobs.name("density")
    client = platform.client("sagemaker")
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source}
    container = {"Image": IMAGE, "Mode": mode, "ModelDataUrl": data, "Environment": environment}
    client.create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": called, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=called, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described
    return called


def _memory(platform: Running, endpoint: str) -> float:
    """Bytes of all processes of an endpoint, what they share with others in proportion."""
    (agent,) = [each["pid"] for each in platform.status()["processes"] if each["name"] == f"agent:{endpoint}"]
    process = psutil.Process(agent)
    return float(sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True))))


def _one_by_one(platform: Running, exchanges: Sequence[Exchange]) -> list[float]:
    """How long each took, in seconds, asked once on one connection."""
    host, port = _address(platform)
    took = []
    connection = http.client.HTTPConnection(host, port)
    connection.connect()
    for exchange in exchanges:
        began = time.perf_counter()
        connection.sock.sendall(exchange.request)
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
        body = answer.read()
        took.append(time.perf_counter() - began)
        assert exchange.expected in body, (answer.status, body)
    connection.close()
    return took


def _exchange(platform: Running, endpoint: str, answer: list[float], model: str = "") -> Exchange:
    path = f"/endpoints/{endpoint}/invocations".encode()
    headers = [(b"host", urllib.parse.urlsplit(platform.url).netloc.encode()), (b"content-type", b"text/csv")]
    if model:
        headers.append((b"x-amzn-sagemaker-target-model", model.encode()))
    variables: dict[str, Any] = platform.variables
    keys = variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
    digest = hashlib.sha256(_ROWS).hexdigest()
    signed = sigv4.sign("POST", path, headers, digest, *keys, "us-east-1", "sagemaker", time.time())
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in signed)
    head = b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n" % (path, lines, len(_ROWS))
    return Exchange(head + _ROWS, json.dumps(answer).encode())


def _address(platform: Running) -> tuple[str, int]:
    split = urllib.parse.urlsplit(platform.url)
    return str(split.hostname), int(split.port or 0)
