"""Handlers that yield: what they have made is sent before they go on."""

import json
from collections.abc import Callable
from http.client import IncompleteRead

import pytest

from tests.integration.modelserver.conftest import ModelServerProcess, UnixConnection

Start = Callable[..., ModelServerProcess]

HANDLERS = """
import os, time
def model_fn(model_dir):
    return os.path.dirname(model_dir)
def wait_for(base, name):
    while not os.path.exists(os.path.join(base, name)):
        time.sleep(0.001)
def input_fn(body, content_type):
    return body
def predict_fn(data, model, context):
    def pieces():
        try:
            if data == "early":
                raise KeyError("before the first piece")
            context.set_response_header(0, "X-Amzn-SageMaker-New-Session-Id", "s-1; Expires=2030-01-01T00:00:00Z")
            yield "one "
            if data == "flood":
                while True:
                    yield bytes(1 << 16)
            wait_for(model, data)
            if data == "late":
                raise KeyError("after the first piece")
            yield b"two "
            yield {"three": 3}
        finally:
            print("closed", data)
    return pieces()
"""


@pytest.fixture
def running(server: Start) -> ModelServerProcess:
    return server(HANDLERS).wait_until_ready()


def begin(running: ModelServerProcess, body: bytes) -> UnixConnection:
    connection = UnixConnection(running.socket, 30)
    connection.request("POST", "/invocations", body, {"content-type": "text/csv", "accept": "text/plain"})
    running.connections.append(connection)
    return connection


def test_a_piece_is_sent_before_the_next_is_made(running: ModelServerProcess) -> None:
    response = begin(running, b"go").getresponse()
    assert response.headers["x-amzn-sagemaker-new-session-id"].startswith("s-1;")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.read(4) == b"one "
    (running.base / "go").touch()
    rest = response.read()
    assert rest.startswith(b"two ")
    assert json.loads(rest[4:]) == {"three": 3}


def test_a_handler_that_fails_before_its_first_piece_has_a_status_of_its_own(running: ModelServerProcess) -> None:
    reply = running.invoke(b"early", "text/csv")
    assert (reply.status, "before the first piece" in reply.text) == (500, True)


def test_a_handler_that_fails_later_breaks_its_answer_off(running: ModelServerProcess) -> None:
    response = begin(running, b"late").getresponse()
    assert response.read(4) == b"one "
    (running.base / "late").touch()
    with pytest.raises((IncompleteRead, ConnectionError)):
        response.read()
    running.wait_for_output("after the first piece")
    assert running.ping() == 200


def test_a_handler_waits_for_a_slow_client_and_is_closed_when_that_has_gone(running: ModelServerProcess) -> None:
    connection = begin(running, b"flood")
    assert connection.getresponse().read(1 << 20)[:4] == b"one "
    assert "closed flood" not in running.output()
    connection.sock.close()
    connection.close()
    running.connections.remove(connection)
    running.wait_for_output("closed flood")
    (running.base / "go").touch()
    assert running.invoke(b"go", "text/csv").text.startswith("one two")
