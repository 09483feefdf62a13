"""Predictions: ours against the model servers that people use, all in the same run, one after the other in each round.

One model everywhere: StandardScaler and LogisticRegression on 30 features, the newest scikit-learn, one row a request.
Thousands of different rows; ours are signed apart, and every answer is compared with `model.predict` of its row alone.
"""

import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import endpoints
from benchmarks.figures import Figure, Figures
from benchmarks.load import Address, Exchange, Result, at_rate, saturate
from benchmarks.peers.running import PEERS, Peer, only, running, wait_until_it_predicts
from tests.integration import jobs
from tests.integration.conftest import Running

CONNECTIONS = 32
ROUNDS = 3
SECONDS = 1.5
ALONE_SECONDS = 0.7
CONTROL_CALLS = 1000.0
"""A second, beside predictions."""

_STREAMING = """
def model_fn(model_dir):
    return "model"
def transform_fn(model, body, content_type, accept):
    yield "first"
    yield "second"
"""
_ONE = "a prediction, c=1, p50"
Run = Callable[[int, float], Result]
"""Saturates one server, given connections and seconds."""


def figures(platform: Running) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = endpoints.trained(folder)
        endpoint = endpoints.deployed(platform, endpoints.HANDLERS, model.archive, {"SAGESMITH_BATCHING": "on"})
        door, signed = endpoints.signed(platform, endpoint, model)
        direct = endpoints.socket_of(platform, endpoint)
        plain = endpoints.exchanges("/invocations", model)
        peers = [peer for peer in PEERS if peer.installed]
        asked = {peer.name: peer.exchanges(model.rows, model.labels) for peer in peers}
        runs: dict[str, Run] = {
            "door": lambda connections, seconds: saturate(door, signed, connections, seconds),
            "direct": lambda connections, seconds: saturate(direct, plain, connections, seconds),
        }
        with running(peers, folder) as ports:
            for peer in peers:
                wait_until_it_predicts(ports[peer.name], asked[peer.name])
                runs[peer.name] = _runner(("127.0.0.1", ports[peer.name]), asked[peer.name])
            busy = _rounds(runs, CONNECTIONS, SECONDS)
            lone = _rounds(runs, 1, ALONE_SECONDS)
        yield from _over_the_model_server(busy, lone)
        yield from _against_peers(busy, lone, peers)
        yield from _beside_the_control_plane(platform, door, signed, median(each.rate for each in busy["door"]))
        yield from _first_piece(platform)


def _runner(address: Address, exchanges: Sequence[Exchange]) -> Run:
    return lambda connections, seconds: saturate(address, exchanges, connections, seconds)


def _rounds(runs: dict[str, Run], connections: int, seconds: float) -> dict[str, list[Result]]:
    """All servers in each round, after one that counts for nothing; each while the peers beside it are stopped.

    Raises:
        AssertionError: an answer was wrong.
    """
    found: dict[str, list[Result]] = {name: [] for name in runs}
    for number in range(ROUNDS + 1):
        for name, run in runs.items():
            with only(name):
                result = run(connections, seconds if number else seconds / 3)
            assert not result.wrong, (name, result.wrong, result.example)
            if number:
                found[name].append(result)
    return found


def _over_the_model_server(busy: dict[str, list[Result]], lone: dict[str, list[Result]]) -> Figures:
    rates, alone = _rates(busy), _milliseconds(lone)
    yield Figure(
        f"predictions, c={CONNECTIONS}, through the front door",
        "/s",
        rates["door"],
        "times",
        0.6,
        rates["direct"],
        "the model server alone",
    )
    yield Figure(_ONE, "ms", alone["door"], "over", 0.15, alone["direct"], "the model server alone")


def _against_peers(busy: dict[str, list[Result]], lone: dict[str, list[Result]], peers: Sequence[Peer]) -> Figures:
    rates, alone = _rates(busy), _milliseconds(lone)
    for peer in peers:
        many = f"predictions, c={CONNECTIONS}, one row, signed"
        yield Figure(many, "/s", rates["door"], "times", peer.times, rates[peer.name], peer.name)
    for peer in peers:
        yield Figure(_ONE, "ms", alone["door"], "within", 1, alone[peer.name], peer.name)


def _rates(found: dict[str, list[Result]]) -> dict[str, float]:
    return {name: median(each.rate for each in results) for name, results in found.items()}


def _milliseconds(found: dict[str, list[Result]]) -> dict[str, float]:
    return {name: median(each.p50 for each in results) * 1e3 for name, results in found.items()}


def _beside_the_control_plane(
    platform: Running, door: Address, signed: Sequence[Exchange], saturating: float
) -> Figures:
    described = _control_plane(platform)
    without, beside = [], []
    for _ in range(ROUNDS):
        without.append(at_rate(door, signed, CONNECTIONS, SECONDS, saturating / 2))
        with _calls(door, described):
            beside.append(at_rate(door, signed, CONNECTIONS, SECONDS, saturating / 2))
    assert not any(each.wrong for each in [*without, *beside])
    yield Figure(
        f"p99 at half the load, {CONTROL_CALLS:,.0f} other calls/s",
        "ms",
        median(each.p99 for each in beside) * 1e3,
        "within",
        3,
        median(each.p99 for each in without) * 1e3,
        "without them",
    )


@contextmanager
def _calls(door: Address, exchange: Exchange) -> Any:
    """Control-plane calls from a process of their own, for as long as the block runs."""
    process = multiprocessing.get_context("fork").Process(
        target=at_rate, args=(door, [exchange], 8, SECONDS + 1.0, CONTROL_CALLS)
    )
    process.start()
    time.sleep(0.3)
    try:
        yield
    finally:
        process.join()


def _first_piece(platform: Running) -> Figures:
    endpoint = endpoints.deployed(platform, _STREAMING, jobs.archive({"weights": "1"}), {})
    door, address = endpoints.address_of(platform), endpoints.socket_of(platform, endpoint)
    path = f"/endpoints/{endpoint}/invocations-response-stream"
    through = [endpoints.request(platform, path, b"x") for _ in range(200)]
    plain = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 1\r\n\r\nx"
    own = median(_until_first(address, plain) for _ in through)
    ours = median(_until_first(door, request) for request in through)
    yield Figure("a response stream's first piece", "ms", ours * 1e3, "over", 2, own * 1e3, "the model's own")


def _until_first(address: Address, request: bytes) -> float:
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as client:
        client.connect(address)
        began = time.perf_counter()
        client.sendall(request)
        received = b""
        while b"first" not in received:
            received += client.recv(4096)
        return time.perf_counter() - began


def _control_plane(platform: Running) -> Exchange:
    target = {b"x-amz-target": b"SageMaker.ListModels", b"content-type": b"application/x-amz-json-1.1"}
    return Exchange(endpoints.request(platform, "/", b'{"MaxResults":1}', target), b'"Models"')
