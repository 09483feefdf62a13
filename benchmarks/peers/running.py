"""Starts the peers, each in its own environment below `.envs/peers`, with the same model."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Exchange, saturate

ENVIRONMENTS = Path(__file__).parents[2] / ".envs" / "peers"
HERE = Path(__file__).parent
START_SECONDS = 180.0
_MARK = "SAGESMITH_BENCHMARKS_PEER"
"""The variable by which the processes of a peer are found, whose name it has."""
_SETTLING_SECONDS = 0.5
"""A server whose processes have just been let go on catches up with its timers first."""
_WORKERS = "2"


@dataclass(frozen=True, slots=True)
class Peer:
    """A model server that is compared with ours.

    Attributes:
        name: as the table has it.
        environment: its folder below `.envs/peers`.
        command: what starts it, given its port and a folder of its own; the first word is a program of its environment.
        path: where predictions are asked for.
        content_type: of the body that `body` makes of a row in CSV.
        answer: what the answer's body must have in it, given the label.
        times: how many times its requests a second ours must reach.
    """

    name: str
    environment: str
    command: Callable[[int, Path], list[str]]
    path: str
    content_type: str
    body: Callable[[str], str]
    answer: Callable[[int], str]
    times: float

    @property
    def installed(self) -> bool:
        return (ENVIRONMENTS / self.environment / ".ready").exists()

    def exchanges(self, rows: Sequence[str], labels: Sequence[int]) -> list[Exchange]:
        """Its requests for rows, and what to expect."""
        found = []
        for row, label in zip(rows, labels, strict=True):
            body = self.body(row).encode()
            head = f"POST {self.path} HTTP/1.1\r\nhost: peer\r\ncontent-type: {self.content_type}\r\n"
            head += f"content-length: {len(body)}\r\n\r\n"
            found.append(Exchange(head.encode() + body, self.answer(label).encode()))
        return found


def _mlserver(port: int, folder: Path) -> list[str]:
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
    # Its own processes for inference do not start with the event loop that it installs, so it predicts in the server's.
    (folder / "settings.json").write_text(json.dumps({**ports, "parallel_workers": 0, "debug": False}))
    batching = {"max_batch_size": 32, "max_batch_time": 0.001}
    model = {"name": "m", "implementation": "mlserver_sklearn.SKLearnModel", **batching}
    (folder / "model-settings.json").write_text(
        json.dumps({**model, "parameters": {"uri": str(folder.parent / "model.joblib")}})
    )
    return ["mlserver", "start", str(folder)]


def _mlflow(port: int, folder: Path) -> list[str]:
    python = ENVIRONMENTS / "mlflow" / "bin" / "python"
    made = [str(python), str(HERE / "mlflow_model.py"), str(folder / "model")]
    subprocess.run(made, check=True, capture_output=True, env=_variables("mlflow", folder))
    model = str(folder / "model")
    return ["mlflow", "models", "serve", "-m", model, "-p", str(port), "--env-manager", "local", "-w", _WORKERS]


PEERS = (
    Peer(
        "BentoML, adaptive batching",
        "bentoml",
        lambda port, _: ["bentoml", "serve", "bentoml_service:Predictor", "--host", "127.0.0.1", "--port", str(port)],
        "/invocations",
        "application/json",
        lambda row: f'{{"rows":[[{row}]]}}',
        "[{}]".format,
        10,
    ),
    Peer(
        "MLflow, 2 workers",
        "mlflow",
        _mlflow,
        "/invocations",
        "application/json",
        lambda row: f'{{"inputs":[[{row}]]}}',
        '"predictions": [{}]'.format,
        15,
    ),
    Peer(
        "FastAPI, uvicorn, 2 workers",
        "fastapi",
        lambda port, _: [
            *("uvicorn", "fastapi_app:app", "--port", str(port), "--workers", _WORKERS),
            *("--no-access-log", "--log-level", "error"),
        ],
        "/invocations",
        "text/csv",
        str,
        "[{}]".format,
        3,
    ),
    Peer(
        "LitServe, batching",
        "litserve",
        lambda port, _: ["python", "litserve_app.py", str(port)],
        "/invocations",
        "application/json",
        lambda row: f'{{"row":[{row}]}}',
        "[{}]".format,
        1,
    ),
    Peer(
        "Ray Serve, batching",
        "ray-serve",
        lambda port, _: ["python", "ray_serve_app.py", str(port)],
        "/invocations",
        "text/csv",
        str,
        "[{}]".format,
        1,
    ),
    Peer(
        "MLServer, batching",
        "mlserver",
        _mlserver,
        "/v2/models/m/infer",
        "application/json",
        lambda row: f'{{"inputs":[{{"name":"x","shape":[1,30],"datatype":"FP64","data":[{row}]}}]}}',
        '"data":[{}]'.format,
        1,
    ),
)


@contextlib.contextmanager
def running(peers: Sequence[Peer], folder: Path) -> Iterator[dict[str, int]]:
    """Start peers, and end them.

    Args:
        folder: has `model.joblib`.

    Yields:
        Their ports, by name.
    """
    started: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
    try:
        for peer in peers:
            own = folder / peer.environment
            own.mkdir()
            port = free_port()
            program, *words = peer.command(port, own)
            with (own / "output.log").open("wb") as log:
                process = subprocess.Popen(
                    [str(ENVIRONMENTS / peer.environment / "bin" / program), *words],
                    cwd=HERE,
                    env={**_variables(peer.environment, folder), _MARK: peer.name},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            started[peer.name] = (process, port)
        yield {name: port for name, (_, port) in started.items()}
    finally:
        for process, _ in started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process, _ in started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def only(name: str | None) -> Iterator[None]:
    """Stop all peers but one for as long as the block runs: those that nobody asks keep an eighth of two cores busy."""
    stopped = _processes(lambda peer: peer != name)
    _signal(stopped, signal.SIGSTOP)
    time.sleep(_SETTLING_SECONDS)
    try:
        yield
    finally:
        _signal(stopped, signal.SIGCONT)


def _processes(wanted: Callable[[str], bool]) -> list[int]:
    """Those that peers have started, wherever they went since."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            _, marked, rest = (folder / "environ").read_bytes().partition(_MARK.encode() + b"=")
            if marked and wanted(rest.partition(b"\0")[0].decode()):
                found.append(int(folder.name))
    return found


def _signal(processes: Sequence[int], number: signal.Signals) -> None:
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


def wait_until_it_predicts(port: int, exchanges: Sequence[Exchange]) -> None:
    """Wait for the first right answer.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError):
            if not saturate(("127.0.0.1", port), exchanges[:1], 1, 0.01).wrong:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nothing predicts on port {port}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _variables(environment: str, folder: Path) -> Mapping[str, str]:
    path = f"{ENVIRONMENTS / environment / 'bin'}:{os.environ['PATH']}"
    model = next(each / "model.joblib" for each in (folder, folder.parent) if (each / "model.joblib").exists())
    own = {"MODEL": str(model), "HOME": str(folder), "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}
    return {**os.environ, **own, "PATH": path, "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}
