"""Real model servers, each a process in the environment that endpoints of the scikit-learn image get."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sagesmith.agent.runtime import make_overlay
from sagesmith.config import default_cache_dir
from sagesmith.images.base import BuiltEnvironment, EnvironmentFailed
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SOURCE = Path(__file__).parents[3] / "src"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("model", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class ModelServerProcess:
    """A model server that was started; `base` is its /opt/ml."""

    base: Path
    process: subprocess.Popen[bytes]
    log: Path
    connections: list[UnixConnection] = field(default_factory=list)

    @property
    def socket(self) -> str:
        return str(self.base / "http.sock")

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        return self.send(method, path, body, **headers)()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Callable[[], Reply]:
        """Send a request, and return what waits for its answer."""
        connection = UnixConnection(self.socket, 30)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        self.connections.append(connection)

        def receive() -> Reply:
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, received, response.read())

        return receive

    def invoke(self, body: bytes, content_type: str = "application/json", **headers: str) -> Reply:
        return self.request("POST", "/invocations", body, content_type=content_type, **headers)

    def ping(self) -> int:
        """The status of /ping, 0 where nobody listens."""
        try:
            return self.request("GET", "/ping").status
        except (ConnectionError, FileNotFoundError):
            return 0

    def wait_until_ready(self) -> "ModelServerProcess":
        self.wait_for_ping(200)
        return self

    def wait_for_ping(self, status: int) -> None:
        while self.ping() != status:
            assert self.process.poll() is None, self.output()
            time.sleep(0.005)

    def wait_for_output(self, text: str) -> None:
        while text not in self.output():
            assert self.process.poll() is None, self.output()
            time.sleep(0.005)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        for connection in self.connections:
            connection.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def built_environment() -> BuiltEnvironment:
    """The scikit-learn image's environment, which is built if it is not cached."""
    try:
        return ensure(resolve(IMAGE), default_cache_dir(), print)
    except EnvironmentFailed as error:
        pytest.skip(f"the scikit-learn environment cannot be built here: {error}")


@pytest.fixture(scope="session")
def environment(built_environment: BuiltEnvironment) -> Path:
    """Its interpreter."""
    return built_environment.path / "bin" / "python"


@pytest.fixture(scope="session")
def launch(built_environment: BuiltEnvironment) -> Callable[..., ModelServerProcess]:
    """Starts a model server of some files of the model's `code` folder; whoever calls it ends it.

    As in a sandbox, the interpreter is that of a writable overlay over the shared environment.
    """

    def start(base: Path, files: dict[str, str], **variables: str) -> ModelServerProcess:
        code = base / "model" / "code"
        code.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            (code / name).write_text(text)
        overlay = base / "venv"
        if not overlay.exists():
            make_overlay(overlay, built_environment, [])
        log = base / "output.log"
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "SAGEMAKER_BASE_DIR": str(base),
            "PYTHONPATH": str(SOURCE),
            **variables,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(overlay / "bin" / "python"), "-m", "sagesmith.modelserver", "--socket", str(base / "http.sock")],
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return ModelServerProcess(base, process, log)

    return start


@pytest.fixture
def server(launch: Callable[..., ModelServerProcess], tmp_path: Path) -> Iterator[Callable[..., ModelServerProcess]]:
    """Starts a model server whose inference.py is given; it is ended after the test."""
    started: list[ModelServerProcess] = []

    def start(handlers: str, files: dict[str, str] | None = None, **variables: str) -> ModelServerProcess:
        started.append(launch(tmp_path, {"inference.py": handlers, **(files or {})}, **variables))
        return started[-1]

    yield start
    for one in started:
        one.end()
