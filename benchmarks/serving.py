"""What the model server, and the front door before it, cost a prediction.

One model everywhere: StandardScaler and LogisticRegression on 30 features, one row of JSON a request. The floor is the
bare `model.predict` of the same interpreter. The same requests go to a model server directly, and signed to an endpoint
through the front door.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests.integration import jobs
from tests.integration.conftest import Running, start

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CONNECTIONS = (1, 8, 32)
SECONDS = 3.0
SOURCE = Path(__file__).parents[1] / "src"
HANDLERS = """
import os, joblib
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
TRAIN = """
import sys, time, joblib
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
features, labels = load_breast_cancer(return_X_y=True)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, labels)
joblib.dump(model, sys.argv[1])
row = features[:1]
times = []
for _ in range(2000):
    began = time.perf_counter()
    model.predict(row)
    times.append(time.perf_counter() - began)
print(sorted(times)[len(times) // 2])
"""
BODY = json.dumps([[float(number) for number in range(1, 31)]]).encode()
PLAIN_REQUEST = (
    b"POST /invocations HTTP/1.1\r\nhost: model\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Connection(asyncio.Protocol):
    """One client that sends its next request when it has the answer to the last."""

    def __init__(self, request: bytes, until: float, latencies: list[float], done: asyncio.Future[None]) -> None:
        self._request, self._until, self._latencies, self._done = request, until, latencies, done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) if found else 1
        if not found or len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(self._buffer.decode("latin-1")))
            return
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def load(address: str | tuple[str, int], request: bytes, connections: int) -> list[float]:
    """Latencies in seconds of everything that `connections` clients got in `SECONDS`."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    until = time.perf_counter() + SECONDS
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    for end in ends:
        if isinstance(address, str):
            await loop.create_unix_connection(lambda end=end: Connection(request, until, latencies, end), address)
        else:
            await loop.create_connection(lambda end=end: Connection(request, until, latencies, end), *address)
    await asyncio.gather(*ends)
    return latencies


def report(name: str, address: str | tuple[str, int], request: bytes) -> None:
    for connections in CONNECTIONS:
        latencies = sorted(uvloop.run(load(address, request, connections)))
        print(
            f"{name:32} c={connections:<3} {len(latencies) / SECONDS:8,.0f}/s"
            f"   p50 {statistics.median(latencies) * 1e3:6.2f} ms"
            f"   p99 {latencies[len(latencies) * 99 // 100] * 1e3:6.2f} ms"
        )


@contextmanager
def model_server(python: Path, base: Path) -> Iterator[tuple[str, float]]:
    """A model server on a unix socket: its path, and the seconds that it took to answer /ping."""
    path = str(base / "http.sock")
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base), "PYTHONPATH": str(SOURCE)}
    began = time.perf_counter()
    process = subprocess.Popen([str(python), "-m", "sagesmith.modelserver", "--socket", path], env=environment)
    try:
        while b" 200 " not in ping(path):
            if process.poll() is not None:
                raise RuntimeError("the model server ended")
            time.sleep(0.005)
        yield path, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def ping(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return b""
        client.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n")
        return client.recv(1024)


def signed_request(platform: Running, endpoint: str) -> tuple[tuple[str, int], bytes]:
    """InvokeEndpoint as botocore signs it; the same bytes are good for 15 minutes."""
    path = f"/endpoints/{endpoint}/invocations"
    request = AWSRequest("POST", platform.url.rstrip("/") + path, {"Content-Type": "application/json"}, BODY)
    keys = Credentials(platform.variables["AWS_ACCESS_KEY_ID"], platform.variables["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "sagemaker", "us-east-1").add_auth(request)
    address = urllib.parse.urlsplit(platform.url)
    headers = {"Host": address.netloc, "Content-Length": str(len(BODY)), **dict(request.headers)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    assert address.hostname is not None
    assert address.port is not None
    return (address.hostname, address.port), f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + BODY


def through_the_front_door(model: bytes, data: Path) -> None:
    platform = start(data)
    try:
        endpoint = jobs.endpoint(platform, {"inference.py": HANDLERS}, jobs.archive({"model.joblib": model}))
        described = jobs.wait_endpoint(platform, endpoint)
        assert described["EndpointStatus"] == "InService", described
        report("through the front door, SigV4", *signed_request(platform, endpoint))
    finally:
        platform.cli("down")


def main() -> None:
    runtime = resolve(IMAGE)
    python = ensure(runtime, default_cache_dir(), lambda line: print(line, file=sys.stderr)).path / "bin" / "python"
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        (base / "model" / "code").mkdir(parents=True)
        (base / "model" / "code" / "inference.py").write_text(HANDLERS)
        trained = subprocess.run(
            [str(python), "-c", TRAIN, str(base / "model" / "model.joblib")], check=True, capture_output=True, text=True
        )
        seconds = float(trained.stdout)
        print(f"{'bare model.predict, one row':32} c=1   {1 / seconds:8,.0f}/s   p50 {seconds * 1e3:6.2f} ms")
        load_only = [str(python), "-c", f"import joblib; joblib.load({str(base / 'model' / 'model.joblib')!r})"]
        subprocess.run(load_only, check=True)
        began = time.perf_counter()
        subprocess.run(load_only, check=True)
        bare = time.perf_counter() - began
        with model_server(python, base) as (path, start):
            print(f"{'start to /ping':32} {start * 1e3:6.0f} ms, bare load of the model {bare * 1e3:.0f} ms")
            report("model server, unix socket", path, PLAIN_REQUEST)
        through_the_front_door((base / "model" / "model.joblib").read_bytes(), base / "data")


if __name__ == "__main__":
    main()
