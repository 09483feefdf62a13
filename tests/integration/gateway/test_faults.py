"""What model servers and clients do wrong: each has its answer, and nobody else is disturbed."""

import asyncio
import contextlib
import hashlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.http.messages import Request, Response
from sagesmith.routes import VariantRoute
from sagesmith.wire import sigv4
from tests.integration.gateway.doors import Door

IDLE = 10_000


@contextlib.contextmanager
def scripted(path: Path, answer: bytes) -> Iterator[None]:
    """A model server that says the same to everybody, and closes."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        path.unlink()


def to(door: Door, *paths: Path) -> None:
    door.route("Churn", VariantRoute("v", 1, [f"unix:{path}" for path in paths]))


def failing(door: Door) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        door.client("sagemaker-runtime").invoke_endpoint(EndpointName="Churn", Body=b"1")
    return raised.value.response


def signed(door: Door, body: bytes) -> bytes:
    """An invocation as it goes over the wire."""
    root, target = door.keyring.root, b"/endpoints/Churn/invocations"
    headers = sigv4.sign(
        "POST",
        target,
        [(b"host", f"127.0.0.1:{door.platform.port}".encode())],
        hashlib.sha256(body).hexdigest(),
        root.access_key_id,
        root.secret_access_key,
        "us-east-1",
        "sagemaker",
        time.time(),
    )
    head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (target, head, len(body), body)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_is_none_is_a_model_error(door: Door, sockets: Path, garbage: bytes) -> None:
    with scripted(sockets / "bad", garbage):
        to(door, sockets / "bad")
        response = failing(door)
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 0)


def test_an_answer_that_ends_early_is_not_passed_off_as_whole(door: Door, sockets: Path) -> None:
    with scripted(sockets / "short", b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\nhello"):
        to(door, sockets / "short")
        client = door.client("sagemaker-runtime")
        with pytest.raises(Exception, match=r"(?i)incomplete|connection|closed|read"):
            client.invoke_endpoint(EndpointName="Churn", Body=b"1")["Body"].read()


def test_a_client_that_goes_away_takes_its_request_back_from_the_model_server(door: Door, sockets: Path) -> None:
    began, gone = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        if await request.body.read(10) == b"quick":
            return Response(200, [], b"ok")
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return Response(200)

    peer = door.peer(sockets / "m", handler)
    to(door, sockets / "m")
    with socket.create_connection(("127.0.0.1", door.platform.port)) as leaving:
        leaving.sendall(signed(door, b"slow"))
        peer.wait(began)
    peer.wait(gone)
    answer = door.client("sagemaker-runtime").invoke_endpoint(EndpointName="Churn", Body=b"quick")
    assert answer["Body"].read() == b"ok"


def test_ten_thousand_idle_connections_do_not_keep_a_prediction_waiting(door: Door, sockets: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 1000:
        pytest.skip(f"this user may open {hard} files")

    async def handler(request: Request) -> Response:
        await request.body.read(10)
        return Response(200, [], b"ok")

    door.peer(sockets / "m", handler)
    to(door, sockets / "m")
    client = door.client("sagemaker-runtime")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[socket.socket] = []
    try:
        for number in range(IDLE):
            idle.append(socket.create_connection(("127.0.0.1", door.platform.port)))
            if number % 2:
                idle[-1].sendall(b"POST /endpoints/Churn/invocations HTTP/1.1\r\nho")
        assert client.invoke_endpoint(EndpointName="Churn", Body=b"1")["Body"].read() == b"ok"
    finally:
        for each in idle:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert client.invoke_endpoint(EndpointName="Churn", Body=b"1")["Body"].read() == b"ok"
