"""An endpoint to measure: one model everywhere, an endpoint of it, and requests to it that were signed before.

StandardScaler and LogisticRegression on 30 features, the newest scikit-learn, one row a request.
"""

import hashlib
import json
import subprocess
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Address, Exchange
from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from sagesmith.wire import sigv4
from tests.integration import jobs
from tests.integration.conftest import Running

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
HANDLERS = """
import os, joblib
import numpy as np
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
def input_fn(body, content_type):
    return np.fromstring(body, sep=",").reshape(1, -1)
"""
_TRAIN = """
import json, sys, joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
features, labels = load_breast_cancer(return_X_y=True)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, labels)
joblib.dump(model, sys.argv[1])
generator = np.random.default_rng(0)
rows = features[generator.integers(len(features), size=4096)] * generator.normal(1, 0.2, size=(4096, 30))
texts = [",".join(f"{value:.6g}" for value in row) for row in rows]
labels = [int(model.predict(np.fromstring(text, sep=",").reshape(1, -1))[0]) for text in texts]
print(json.dumps([texts, labels]))
"""


@dataclass(frozen=True, slots=True)
class Model:
    """A model's archive, rows that are all different, and what it says of each."""

    archive: bytes
    rows: list[str]
    labels: list[int]


def trained(folder: Path) -> Model:
    """Train the model, in a folder for files."""
    python = ensure(resolve(IMAGE), default_cache_dir(), lambda _: None).path / "bin" / "python"
    path = folder / "model.joblib"
    ran = subprocess.run([str(python), "-c", _TRAIN, str(path)], check=True, capture_output=True, text=True)
    rows, labels = json.loads(ran.stdout)
    return Model(jobs.archive({"model.joblib": path.read_bytes()}), rows, labels)


def deployed(platform: Running, handlers: str, archive: bytes, variables: Mapping[str, str], **members: Any) -> str:
    """The name of an endpoint of one instance that serves.

    Args:
        variables: the model's environment.
        members: of its endpoint configuration, such as DataCaptureConfig.
    """
    called = jobs.name("serving")
    data = jobs.upload(platform, f"{called}/model.tar.gz", archive)
    source = jobs.upload(platform, f"{called}/sourcedir.tar.gz", jobs.archive({"inference.py": handlers}))
    client = platform.client("sagemaker")
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source, **variables}
    container = {"Image": IMAGE, "ModelDataUrl": data, "Environment": environment}
    client.create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": called, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=called, ProductionVariants=[variant], **members)
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described
    return called


def socket_of(platform: Running, endpoint: str) -> str:
    """The path of an endpoint's only model server."""
    routes = json.loads((platform.data / "run" / "routes.json").read_text())
    address = routes["us-east-1"][endpoint.lower()]["variants"][0]["addresses"][0]
    return str(address).removeprefix("unix:")


def exchanges(path: str, model: Model) -> list[Exchange]:
    """Each row unsigned, as a model server takes it."""
    found = []
    for row, label in zip(model.rows, model.labels, strict=True):
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: {len(row)}\r\n\r\n"
        found.append(Exchange(f"{head}{row}".encode(), b"[%d]" % label))
    return found


def signed(platform: Running, endpoint: str, model: Model) -> tuple[Address, list[Exchange]]:
    """Each row signed by itself, as boto3 would."""
    path = f"/endpoints/{endpoint}/invocations"
    return address_of(platform), [
        Exchange(request(platform, path, row.encode()), b"[%d]" % label)
        for row, label in zip(model.rows, model.labels, strict=True)
    ]


def request(platform: Running, path: str, body: bytes, more: dict[bytes, bytes] | None = None) -> bytes:
    """A POST that is signed now, which holds for some minutes."""
    headers = list((more or {b"content-type": b"text/csv"}).items())
    signed = sigv4.sign(
        "POST",
        path.encode(),
        [(b"host", urllib.parse.urlsplit(platform.url).netloc.encode()), *headers],
        hashlib.sha256(body).hexdigest(),
        str(platform.variables["AWS_ACCESS_KEY_ID"]),
        str(platform.variables["AWS_SECRET_ACCESS_KEY"]),
        "us-east-1",
        "sagemaker",
        time.time(),
    )
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in signed)
    return b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (path.encode(), lines, len(body), body)


def address_of(platform: Running) -> tuple[str, int]:
    """Host and port of the front door."""
    split = urllib.parse.urlsplit(platform.url)
    return str(split.hostname), int(split.port or 0)
