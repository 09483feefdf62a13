"""Requests to a model server: what is asked again, and what is not."""

import contextlib
import http.server
import io
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from sagesmith.agent.transform.failures import Cancelled, ObjectFailed
from sagesmith.agent.transform.invocations import ModelClient, Parameters
from sagesmith.compute.base import Transform

Reply = Callable[[bytes], tuple[int, bytes]]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A model server of which a test says what it answers; None closes the connection without an answer."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies: list[tuple[int, bytes] | None] = []
        self.parameters: bytes | None = None
        self.asked: list[bytes] = []
        super().__init__(str(path), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        found = self.server.parameters
        self.say(404 if found is None else 200, found or b"")

    def do_POST(self) -> None:
        self.server.asked.append(self.body())
        reply = self.server.replies.pop(0) if self.server.replies else (200, self.server.asked[-1].upper())
        if reply is None:
            self.close_connection = True
            return
        self.say(*reply)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "test"

    def log_message(self, *arguments: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "http.sock") as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def transform(**changes: Any) -> Transform:
    return Transform("run", "s3://in/", "s3://out/", content_type="text/csv", **changes)


def client(server: Server, **changes: Any) -> ModelClient:
    return ModelClient([server.path], transform(**changes), threading.Event())


def test_an_answer_comes_back(server: Server) -> None:
    asking = client(server)
    assert [asking.invoke(each).body for each in (b"a", b"", b"b")] == [b"A", b"", b"B"]


def test_what_fails_for_now_is_asked_again(server: Server) -> None:
    server.replies = [(503, b"busy"), None, (500, b"once")]
    assert client(server, max_retries=3).invoke(b"a").body == b"A"
    assert server.asked == [b"a"] * 4


def test_what_goes_on_failing_fails_the_object(server: Server) -> None:
    server.replies = [(500, b'{"error": "x"}')] * 2
    with pytest.raises(ObjectFailed, match="Bad HTTP status received from algorithm: 500") as raised:
        client(server, max_retries=1).invoke(b"a")
    assert (raised.value.fault, raised.value.lines[1:]) == ("AlgorithmError", ("Message:", '{"error": "x"}'))
    assert len(server.asked) == 2


def test_what_is_refused_is_not_asked_again(server: Server) -> None:
    server.replies = [(415, b"no such type")]
    with pytest.raises(ObjectFailed, match="ClientError: 415") as raised:
        client(server).invoke(b"a")
    assert (raised.value.fault, raised.value.lines[-1]) == ("ClientError", "no such type")
    assert len(server.asked) == 1


def test_a_connection_that_was_closed_meanwhile_costs_no_retry(server: Server) -> None:
    asking = client(server, max_retries=0)
    asking.invoke(b"a")
    server.replies = [None]
    assert asking.invoke(b"b").body == b"B"


def test_a_server_that_is_not_there_fails_the_object(tmp_path: Path) -> None:
    asking = ModelClient([tmp_path / "none.sock"], transform(max_retries=0), threading.Event())
    with pytest.raises(ObjectFailed, match="Unable to get response from algorithm"):
        asking.invoke(b"a")


def test_nobody_is_asked_when_the_job_is_to_stop(server: Server) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        ModelClient([server.path], transform(), cancelled).invoke(b"a")
    assert server.asked == []


def test_a_stream_is_sent_in_chunks_and_from_its_beginning_again(server: Server) -> None:
    server.replies = [(500, b"not now")]
    written: list[bytes] = []

    @contextlib.contextmanager
    def into() -> Iterator[IO[bytes]]:
        target = io.BytesIO()
        yield target
        written.append(target.getvalue())

    client(server).stream(lambda: iter([b"one", b"two"]), into)
    assert server.asked == [b"onetwo"] * 2
    assert written == [b"ONETWO"]


@pytest.mark.parametrize(
    ("said", "changes", "expected"),
    [
        (None, {}, Parameters(1, 6, "MultiRecord")),
        (
            {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2},
            {},
            Parameters(8, 2, "SingleRecord"),
        ),
        (
            {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2},
            {"max_concurrent": 3, "strategy": "MultiRecord", "max_payload_mb": 0},
            Parameters(3, 0, "MultiRecord"),
        ),
        ({"MaxConcurrentTransforms": 4}, {"max_concurrent": 0}, Parameters(4, 6, "MultiRecord")),
        ({"MaxConcurrentTransforms": "many", "MaxPayloadInMB": 10_000}, {}, Parameters(1, 100, "MultiRecord")),
        ([1], {}, Parameters(1, 6, "MultiRecord")),
        ({"MaxConcurrentTransforms": float("inf"), "MaxPayloadInMB": -1}, {}, Parameters(1, 6, "MultiRecord")),
        ({"MaxConcurrentTransforms": 100_000}, {}, Parameters(16, 6, "MultiRecord")),
        ({"MaxConcurrentTransforms": 100_000, "MaxPayloadInMB": 100}, {}, Parameters(1, 100, "MultiRecord")),
        ({"MaxPayloadInMB": 50}, {"max_concurrent": 16}, Parameters(2, 50, "MultiRecord")),
        ({"MaxConcurrentTransforms": 100_000}, {"max_payload_mb": 0}, Parameters(16, 0, "MultiRecord")),
    ],
    ids=[
        *("defaults", "model", "job", "zero", "nonsense", "list"),
        *("infinite", "many", "large", "many of the job and large of the model", "streams"),
    ],
)
def test_parameters_are_the_jobs_then_the_models_then_the_defaults(
    server: Server, said: Any, changes: dict[str, Any], expected: Parameters
) -> None:
    server.parameters = None if said is None else json.dumps(said).encode()
    assert Parameters.of(transform(**changes), server.path) == expected


@pytest.mark.parametrize(
    "said",
    [json.dumps({"MaxConcurrentTransforms": 8, "x": "x" * (64 << 10)}).encode(), b"[" * 60_000, b"{", b"\xff"],
    ids=["too long", "too deep", "cut", "no text"],
)
def test_a_model_that_says_what_cannot_be_read_gets_the_defaults(server: Server, said: bytes) -> None:
    server.parameters = said
    assert Parameters.of(transform(), server.path) == Parameters(1, 6, "MultiRecord")


def test_an_answer_goes_through_all_containers_and_from_the_first_one_again_when_one_fails(
    server: Server, tmp_path: Path
) -> None:
    with Server(tmp_path / "second.sock") as second:
        threading.Thread(target=second.serve_forever, args=(0.01,), daemon=True).start()
        second.replies = [(500, b"not now")]
        asking = ModelClient([server.path, second.path], transform(max_retries=1), threading.Event())
        assert asking.invoke(b"a").body == b"A"
        assert (server.asked, second.asked) == ([b"a", b"a"], [b"A", b"A"])
        second.replies = [(400, b"never")]
        with pytest.raises(ObjectFailed) as raised:
            asking.invoke(b"b")
        assert "Container 2 of 2" in raised.value.lines
        second.shutdown()
